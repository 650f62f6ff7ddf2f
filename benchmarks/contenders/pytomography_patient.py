"""PyTomography on a patient: its own readers, attenuation from the CT, scatter and collimator, its own OSEM.

Called as ``python pytomography_patient.py NM_FILE CT_FOLDER RESULT.npz SETTINGS``, the last as JSON (threads,
window_lower_kev, scatter_fwhm_pixels, collimator, intrinsic_fwhm_mm, photopeak_kev, iterations, subset_order). The
views are put in an order in which its every n-th view makes the subsets in the order asked for, as Lutetia's. Leaves
image and attenuation map as (z, y, x) with their affine.
"""

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytomography
import torch
from measure import peak_mib
from pytomography.algorithms import OSEM
from pytomography.io.SPECT import dicom
from pytomography.likelihoods import PoissonLogLikelihood
from pytomography.projectors.SPECT import SPECTSystemMatrix
from pytomography.transforms.SPECT import SPECTAttenuationTransform, SPECTPSFTransform

FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))
HALF_TURN_DEG = 180.0
"""Its angle of a view less Lutetia's."""


def window_index(file: str, lower_kev: float, n_windows: int) -> int:
    """Place of the energy window that begins at an energy."""
    limits = [float(dicom.get_energy_window_bounds(file, i)[0]) for i in range(n_windows)]
    return int(np.argmin(np.abs(np.array(limits) - lower_kev)))


def subset_order(angles_deg: torch.Tensor, starts: list[int]) -> np.ndarray:
    """Order of the views: sorted by our angle, dealt into subsets, subset m at every n-th place."""
    ours = np.argsort(np.mod(np.asarray(angles_deg) - HALF_TURN_DEG, 360), kind="stable")
    groups = [np.sort(ours[start :: len(starts)]) for start in starts]
    return np.stack(groups, axis=1).ravel()


def main() -> None:
    """Reconstruct one bed."""
    file, settings = sys.argv[1], json.loads(sys.argv[4])
    ct = sorted(str(path) for path in Path(sys.argv[2]).glob("*.dcm"))
    torch.set_num_threads(settings["threads"])
    pytomography.set_device("cpu")
    start = time.perf_counter()
    projections = dicom.get_projections(file)
    peak, lower, upper = (window_index(file, e, projections.shape[0]) for e in settings["window_lower_kev"])
    object_meta, proj_meta = dicom.get_metadata(file, index_peak=peak)
    sigma_cm = settings["scatter_fwhm_pixels"] / FWHM_PER_SIGMA * np.array(proj_meta.dr)
    scatter = dicom.get_energy_window_scatter_estimate(
        file, peak, lower, upper, proj_meta=proj_meta, sigma_r=float(sigma_cm[0]), sigma_z=float(sigma_cm[1])
    )
    attenuation = dicom.get_attenuation_map_from_CT_slices(ct, file, index_peak=peak)
    response = dicom.get_psfmeta_from_scanner_params(
        settings["collimator"], settings["photopeak_kev"], intrinsic_resolution=settings["intrinsic_fwhm_mm"] / 10
    )
    order = subset_order(proj_meta.angles, settings["subset_order"])
    proj_meta.angles, proj_meta.radii = proj_meta.angles[order], proj_meta.radii[order]
    system = SPECTSystemMatrix(
        obj2obj_transforms=[SPECTAttenuationTransform(attenuation_map=attenuation), SPECTPSFTransform(response)],
        proj2proj_transforms=[],
        object_meta=object_meta,
        proj_meta=proj_meta,
    )
    read_s = time.perf_counter() - start
    start = time.perf_counter()
    likelihood = PoissonLogLikelihood(system, projections[peak][order], additive_term=scatter[order])
    image = OSEM(likelihood)(n_iters=settings["iterations"], n_subsets=len(settings["subset_order"]))
    told = {
        "versions": {"pytomography": version("pytomography"), "torch": torch.__version__},
        "read_s": read_s,
        "osem_s": time.perf_counter() - start,
        "peak_mib": peak_mib(),
        "counts": float(projections[peak].sum()),
        "scatter_counts": float(scatter.sum()),
    }
    np.savez(
        sys.argv[3],
        image=image.numpy().transpose(2, 1, 0),
        attenuation=attenuation.numpy().transpose(2, 1, 0),
        affine=object_meta.affine_matrix,
        told=json.dumps(told),
    )


if __name__ == "__main__":
    main()
