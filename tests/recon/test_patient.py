"""A real patient: the documented directions of angle and columns are the ones that fit the CT."""

from dataclasses import replace

import numpy as np
import pydicom
import pytest

from lutetia.images.acquisition import Projections
from lutetia.images.dicom import nm
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume
from lutetia.recon.bed import ReconSettings, reconstruct_bed_in_detail
from lutetia.recon.camera import read_camera
from lutetia.recon.peaks import Peak


def _ct(folder) -> Volume:
    """CT without the package's own reader, so that only the projections' conventions are on trial."""
    slices = sorted(map(pydicom.dcmread, folder.glob("*.dcm")), key=lambda d: float(d.ImagePositionPatient[2]))
    x, y, z = (float(v) for v in slices[0].ImagePositionPatient)
    step = float(slices[1].ImagePositionPatient[2]) - z
    pixel = float(slices[0].PixelSpacing[0])
    values = np.stack([d.pixel_array.astype(np.float32) + float(d.RescaleIntercept) for d in slices])
    grid = Grid(size=(512, 512, len(slices)), spacing_mm=(pixel, pixel, step), origin_mm=(x, y, z))
    return Volume(grid=grid, values=values, unit="HU")


def _log_likelihood(projections: Projections, ct) -> tuple[float, float]:
    """Poisson log-likelihood, and the share of the activity inside the body of the CT."""
    camera = read_camera("GE-Discovery-670-MEGP", photopeak_mev=0.2084)
    bed = reconstruct_bed_in_detail(
        projections, ct, [Peak(energy_mev=0.2084, camera=camera)], ReconSettings(iterations=3, subsets=6)
    )
    expected = np.maximum(bed.system.forward(bed.volume.values) + bed.scatter.counts, 1e-4)
    inside = bed.volume.values[bed.attenuation.values > 0.05].sum() / bed.volume.values.sum()
    return float((bed.counts * np.log(expected) - expected).sum(dtype=float)), float(inside)


@pytest.mark.slow
def test_the_convention_fits_the_ct_better_than_its_mirror_images(shared_data):
    folder = shared_data / "lu177_patient_spect"
    projections = nm.read_projections(folder / "NM" / "bed2_projections.dcm")
    ct = _ct(folder / "CT")
    best, inside = _log_likelihood(projections, ct)
    assert inside > 0.95
    turned = replace(projections, angle_rad=-projections.angle_rad)
    flipped = replace(projections, counts=np.ascontiguousarray(projections.counts[..., ::-1]))
    mirrored = replace(turned, counts=flipped.counts)
    for wrong in (turned, flipped, mirrored):
        assert _log_likelihood(wrong, ct)[0] < best
