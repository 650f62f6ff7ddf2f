"""MIRTorch in the benchmark: its matched SPECT projector, in the plain OSEM loop of this benchmark (it has none).

Conventions: image (x, y, z), ours transposed; views (columns, z, view), rows from the feet. Its view at an angle
stands where ours does when half a turn is added. Its depth grid is centred on the axis of rotation and as deep as the
field's diagonal; every depth has its own sampled Gaussian, cut at 3 sigma of the widest that holds activity.
"""

from importlib.metadata import version

import numpy as np
import torch
from measure import Contender, peer_osem, run
from mirtorch.linear.spect import SPECT, required_rotation_shape

CUT_SIGMAS = 3.0
HALF_TURN_DEG = 180.0


def responses(problem: dict, depth_count: int, n_views: int) -> torch.Tensor:
    """Sampled Gaussians (columns, rows, depth, views), depth 0 nearest to the detector."""
    pixel = problem["pixel_mm"]
    distance = np.maximum(problem["radius_mm"] + (np.arange(depth_count) - (depth_count - 1) / 2) * pixel, 0)
    sigma = (problem["sigma_slope"] * distance + problem["sigma_at_face_mm"]) / pixel
    # the widest that holds activity lies within the field of view, the corners of the depth grid are empty
    reach = problem["sigma_slope"] * (problem["radius_mm"] + problem["shape"][2] * pixel / 2)
    half = int(np.ceil(CUT_SIGMAS * (reach + problem["sigma_at_face_mm"]) / pixel))
    x = np.arange(-half, half + 1)
    line = np.exp(-0.5 * (x[:, None] / sigma) ** 2)
    line /= line.sum(axis=0)
    kernel = torch.tensor((line[:, None] * line[None, :]).astype(np.float32))
    return kernel[..., None].expand(*kernel.shape, n_views)


def build(problem: dict) -> Contender:
    """One operator of all views for the times, one per subset for OSEM."""
    torch.set_num_threads(problem["threads"])
    _, rows, columns = problem["shape"]
    size, pixel_cm = (columns, columns, rows), problem["pixel_mm"] / 10
    _, depth = required_rotation_shape(size, pixel_cm)
    mu = torch.tensor(np.ascontiguousarray(problem["mu_per_cm"].transpose(2, 1, 0)))
    angles = np.rad2deg(problem["angle_rad"]) + HALF_TURN_DEG

    def operator(views: np.ndarray) -> SPECT:
        psfs = responses(problem, depth, views.size)
        turned = torch.tensor(angles[views], dtype=torch.float32)
        out = (columns, rows, views.size)
        return SPECT(size, out, mu, psfs, pixel_cm, 1, turned)

    image = torch.tensor(np.ascontiguousarray(problem["activity"].transpose(2, 1, 0)))
    counts = torch.tensor(np.ascontiguousarray(problem["counts"].transpose(2, 1, 0)[:, ::-1]))
    whole = operator(np.arange(problem["shape"][0]))
    parts = [operator(g) for g in problem["groups"]]

    def osem() -> torch.Tensor:
        with torch.no_grad():
            return peer_osem(
                start=torch.ones(size),
                counts=[counts[..., torch.tensor(g)] for g in problem["groups"]],
                sensitivity=[p.H(torch.ones(p.size_out)) for p in parts],
                iterations=problem["iterations"],
                forward=lambda x, k: parts[k](x),
                backward=lambda y, k: parts[k].H(y),
            )

    return Contender(
        versions={"mirtorch": version("mirtorch"), "torch": torch.__version__},
        forward=lambda: whole(image),
        backward=lambda: whole.H(counts),
        osem=osem,
        image=lambda image: image.numpy().transpose(2, 1, 0),
        projections=lambda p: p.numpy()[:, ::-1].transpose(2, 1, 0),
        notes="its projector in a plain OSEM loop; response cut at 3 sigma",
    )


if __name__ == "__main__":
    run(build)
