"""PyTomography on a patient: its own readers, attenuation from the CT, scatter and collimator, its own OSEM.

Called as ``python pytomography_patient.py NM_FILE CT_FOLDER RESULT.npz SETTINGS``, the last as JSON (threads, window
limits, collimator, intrinsic_fwhm_mm, photopeak_kev, iterations, subsets). Leaves image and attenuation map as
(z, y, x) with their affine.
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


def window_index(file: str, lower_kev: float, n_windows: int) -> int:
    """Place of the energy window that begins at an energy."""
    limits = [float(dicom.get_energy_window_bounds(file, i)[0]) for i in range(n_windows)]
    return int(np.argmin(np.abs(np.array(limits) - lower_kev)))


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
    scatter = dicom.get_energy_window_scatter_estimate(file, index_peak=peak, index_lower=lower, index_upper=upper)
    attenuation = dicom.get_attenuation_map_from_CT_slices(ct, file, index_peak=peak)
    response = dicom.get_psfmeta_from_scanner_params(
        settings["collimator"], settings["photopeak_kev"], intrinsic_resolution=settings["intrinsic_fwhm_mm"] / 10
    )
    system = SPECTSystemMatrix(
        obj2obj_transforms=[SPECTAttenuationTransform(attenuation_map=attenuation), SPECTPSFTransform(response)],
        proj2proj_transforms=[],
        object_meta=object_meta,
        proj_meta=proj_meta,
    )
    read_s = time.perf_counter() - start
    start = time.perf_counter()
    likelihood = PoissonLogLikelihood(system, projections[peak], additive_term=scatter)
    image = OSEM(likelihood)(n_iters=settings["iterations"], n_subsets=settings["subsets"])
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
