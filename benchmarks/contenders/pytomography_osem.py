"""PyTomography in the benchmark: its own system matrix, likelihood and OSEM on the processor.

Conventions: its object is (x, y, z), ours transposed. Its view at an angle stands where ours does when half a turn is
added; columns then run alike, and its rows run from the feet. It takes the subset m of n from every n-th view, so
the views are given to it in an order that makes these our subsets.
"""

from importlib.metadata import version

import numpy as np
import pytomography
import torch
from measure import Contender, run
from pytomography.algorithms import OSEM
from pytomography.likelihoods import PoissonLogLikelihood
from pytomography.metadata.SPECT import SPECTObjectMeta, SPECTProjMeta, SPECTPSFMeta
from pytomography.projectors.SPECT import SPECTSystemMatrix
from pytomography.transforms.SPECT import SPECTAttenuationTransform, SPECTPSFTransform

HALF_TURN_DEG = 180.0


def to_object(image: np.ndarray) -> torch.Tensor:
    """(z, y, x) to (x, y, z)."""
    return torch.tensor(np.ascontiguousarray(image.transpose(2, 1, 0), dtype=np.float32))


def system_of(problem: dict, order: np.ndarray) -> SPECTSystemMatrix:
    """System matrix of the views in an order; lengths in cm."""
    views, rows, columns = problem["shape"]
    cm = problem["pixel_mm"] / 10
    angles = np.mod(np.rad2deg(problem["angle_rad"][order]) + HALF_TURN_DEG, 360)
    return SPECTSystemMatrix(
        obj2obj_transforms=[
            SPECTAttenuationTransform(attenuation_map=to_object(problem["mu_per_cm"])),
            SPECTPSFTransform(
                SPECTPSFMeta(sigma_fit_params=(problem["sigma_slope"], problem["sigma_at_face_mm"] / 10))
            ),
        ],
        proj2proj_transforms=[],
        object_meta=SPECTObjectMeta((cm,) * 3, (columns, columns, rows)),
        proj_meta=SPECTProjMeta((columns, rows), (cm, cm), angles, radii=np.full(views, problem["radius_mm"] / 10)),
    )


def build(problem: dict) -> Contender:
    """Load the data; even subsets alone can be arranged."""
    torch.set_num_threads(problem["threads"])
    pytomography.set_device("cpu")
    groups = problem["groups"]
    if len({g.size for g in groups}) != 1:
        raise SystemExit("PyTomography takes every n-th view, so the views must divide evenly into subsets.")
    order = np.stack(groups, axis=1).ravel()
    system, image = system_of(problem, order), to_object(problem["activity"])
    counts = torch.tensor(np.ascontiguousarray(problem["counts"][order][:, ::-1].transpose(0, 2, 1)))
    back = np.argsort(order)

    def osem() -> torch.Tensor:
        algorithm = OSEM(PoissonLogLikelihood(system, counts))
        return algorithm(n_iters=problem["iterations"], n_subsets=len(groups))

    return Contender(
        versions={"pytomography": version("pytomography"), "torch": torch.__version__},
        forward=lambda: system.forward(image),
        backward=lambda: system.backward(counts),
        osem=osem,
        image=lambda image: image.numpy().transpose(2, 1, 0),
        projections=lambda p: p.numpy()[back].transpose(0, 2, 1)[:, ::-1],
        notes="its own OSEM; response cut at 3 sigma",
    )


if __name__ == "__main__":
    run(build)
