"""The stylised anatomy against a public listing of the same phantom, closed forms of its bones, and a moved body."""

import math

import numpy as np
import pytest

from lutetia.phantoms.stylised import body_grid, rasterise, stylised_anatomy

# (centre, half-axes) in mm: female ORNL phantom as listed in github TarikEl/DoseCalcs-Gui, MIRDTEXTPhantom.geom at
# 952a3ac, after Geant4's human_phantom; heights above the base of the trunk
LISTED = {
    "spleen": ((94.9, 29.4, 333.5), (29.0, 18.8, 51.9)),
    "kidney left": ((51.8, 58.8, 293.0), (40.5, 15.3, 49.6)),
    "lung left": ((73.3, 0.0, 392.1), (40.9, 69.8, 205.5)),
    "stomach": ((69.0, -39.2, 315.5), (34.3, 29.2, 71.6)),
    "urinary bladder": ((0.0, -44.1, 72.1), (42.7, 33.8, 31.1)),
    "remainder": ((0.0, 0.0, 315.5), (172.5, 98.0, 315.5)),
}


@pytest.mark.parametrize("region", LISTED)
def test_female_organs_are_where_and_as_listed(region):
    shape = next(s for s in stylised_anatomy("female").shapes if s.region == region)
    centre, axes = LISTED[region]
    # the listing is rounded to 0.1 mm, the female scale to three digits
    np.testing.assert_allclose(shape.centre_mm, centre, atol=0.6)
    # proportions only: organs are scaled to ICRP 89 masses; the listed kidneys have proportions of their own (4 %)
    ratio = np.divide(shape.axes_mm, axes)
    assert ratio.max() / ratio.min() == pytest.approx(1, abs=0.05 if "kidney" in region else 0.012)


def bone(kind):
    return next(s for s in stylised_anatomy("male").shapes if s.shape == kind)


def volume_ml(shape, n=2_000_000):
    half = np.asarray(shape.axes_mm)
    points = np.asarray(shape.centre_mm) + np.random.default_rng(0).uniform(-1, 1, (n, 3)) * half
    return shape.contains(*points.T).mean() * np.prod(2 * half) * 1e-3


def disc_between_cm2(radius, low, high):
    """Area of a disc between two lines at signed distances from its centre."""

    def below(y):
        y = min(max(y, -radius), radius)
        return y * math.sqrt(radius**2 - y**2) + radius**2 * (math.asin(y / radius) + math.pi / 2)

    return below(high) - below(low)


def test_ribs_have_the_volume_of_their_equations():
    # twelve bands of 1.4 cm between ellipses of (17, 9.8) and (16.5, 9.3) cm, ORNL/TM-8381
    assert volume_ml(bone("ribs")) == pytest.approx(12 * 1.4 * math.pi * (17 * 9.8 - 16.5 * 9.3), rel=0.01)


def test_pelvis_has_the_volume_of_its_equations():
    # x^2 + (y+3)^2 <= 12^2, x^2 + (y+3.8)^2 >= 11.3^2, y >= -3, 0 <= z <= 22, y <= 5 if z <= 14 (cm), ORNL/TM-8381
    high = disc_between_cm2(12, 0, 12) - disc_between_cm2(11.3, 0.8, 11.3)
    low = disc_between_cm2(12, 0, 8) - disc_between_cm2(11.3, 0.8, 8.8)
    assert volume_ml(bone("pelvis")) == pytest.approx(8 * high + 14 * low, rel=0.01)


def test_a_moved_body_is_the_same_body_elsewhere():
    anatomy = stylised_anatomy("female")
    grid = body_grid(anatomy, 5.0)
    angle, shift = math.radians(5), np.array([6.0, -4.0, 10.0])
    motion = np.eye(4)
    motion[:2, :2] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    motion[:3, 3] = shift
    still, moved = rasterise(anatomy, grid), rasterise(anatomy, grid, motion=motion)
    for name in ("liver", "kidney left", "spleen"):
        before, after = (
            grid.position_mm(np.argwhere(b.regions.mask(name)).mean(axis=0)[::-1]) for b in (still, moved)
        )
        # centroids of thousands of 5 mm voxels; the lift is two voxels, because the liver ends flat
        np.testing.assert_allclose(after, motion[:3, :3] @ before + shift, atol=0.5)
        assert moved.regions.volume_ml(name) == pytest.approx(still.regions.volume_ml(name), rel=0.05)
