"""Small cameras, orbits and phantoms."""

import numpy as np
import pytest

from lutetia.images.volume import Volume
from lutetia.recon.camera import Camera
from lutetia.recon.orbit import Orbit


def make_orbit(
    angles_deg, *, n=32, rows=24, pixel_mm=(4.8, 4.8), radius_mm=150.0, seconds=1.0, centre=(0.0, 0.0, 0.0)
):
    """Orbit of given angles."""
    angle = np.deg2rad(np.asarray(angles_deg, dtype=float))
    return Orbit(
        angle_rad=angle,
        radius_mm=np.broadcast_to(np.asarray(radius_mm, dtype=float), angle.shape).copy(),
        frame_duration_s=np.full(angle.shape, seconds),
        pixel_mm=pixel_mm,
        centre_mm=centre,
        n_rows=rows,
        n_columns=n,
    )


def positions_mm(grid):
    """Sparse x, y, z of voxel centres, for arrays (z, y, x)."""
    x, y, z = (grid.origin_mm[a] + np.arange(grid.size[a]) * grid.spacing_mm[a] for a in range(3))
    return x[None, None, :], y[None, :, None], z[:, None, None]


def blob(grid, centre_mm, sigma_mm):
    """Normalised Gaussian blob."""
    x, y, z = positions_mm(grid)
    r2 = (x - centre_mm[0]) ** 2 + (y - centre_mm[1]) ** 2 + (z - centre_mm[2]) ** 2
    values = np.exp(-0.5 * r2 / sigma_mm**2)
    return (values / values.sum()).astype(np.float32)


def cylinder_mu(grid, orbit, radius_mm, mu_per_cm):
    """Uniform attenuating cylinder round the axis."""
    x, y, _ = positions_mm(grid)
    inside = (x - orbit.centre_mm[0]) ** 2 + (y - orbit.centre_mm[1]) ** 2 <= radius_mm**2
    return Volume(grid=grid, values=np.broadcast_to(inside, grid.shape) * np.float32(mu_per_cm), unit="1/cm")


@pytest.fixture
def camera():
    return Camera(name="test", intrinsic_fwhm_mm=3.8, intercept_mm=3.0, slope=0.055)
