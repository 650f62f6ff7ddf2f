import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lutetia.errors import InputError
from lutetia.recon.channels import ordered_subsets
from lutetia.recon.osem import osem
from lutetia.recon.projector import spect_system

from .conftest import cylinder_mu, make_orbit


@given(views=st.integers(1, 70), data=st.data())
def test_every_view_is_in_exactly_one_subset(views, data):
    n = data.draw(st.integers(1, views))
    groups = ordered_subsets(np.linspace(0, 6, views), n)
    assert len(groups) == n
    assert sorted(np.concatenate(groups).tolist()) == list(range(views))


def test_subsets_deal_angles_not_frames():
    angle = np.deg2rad(np.concatenate([np.arange(0, 180, 6), np.arange(180, 360, 6)[::-1]]))
    for group in ordered_subsets(angle, 6):
        gaps = np.diff(np.sort(np.rad2deg(angle[group])))
        assert np.allclose(gaps, 36.0)


@pytest.fixture(scope="module")
def cylinder():
    from lutetia.recon.camera import Camera

    camera = Camera(name="test", intrinsic_fwhm_mm=3.8, intercept_mm=3.0, slope=0.055)
    orbit = make_orbit(np.arange(24) * 15.0, n=40, rows=20, seconds=20.0)
    mu = cylinder_mu(orbit.grid(), orbit, 60.0, 0.14)
    system = spect_system(orbit=orbit, camera=camera, attenuation=mu)
    image = mu.values / 0.14 * 0.5
    image[:4] = image[-4:] = 0
    return system, image


def test_total_and_uniformity_of_a_cylinder_come_back(cylinder):
    system, image = cylinder
    result = osem(system, system.forward(image), iterations=6, subsets=4)
    assert result.image.sum() == pytest.approx(
        image.sum(), rel=5e-3
    )  # law: total activity, noiseless, matched model
    assert result.explained_counts[-1] == pytest.approx(result.measured_counts, rel=1e-3)
    middle = result.image[8:12, 16:24, 16:24]
    assert middle.mean() == pytest.approx(
        0.5, rel=0.02
    )  # law: uniform is uniform; slow centre of OSEM at 24 updates
    assert middle.std() < 0.03 * middle.mean()


def test_additive_scatter_is_not_reconstructed(cylinder):
    system, image = cylinder
    counts = system.forward(image)
    scatter = np.full_like(counts, 0.2 * counts.mean())
    with_scatter = osem(system, counts + scatter, scatter=scatter, iterations=6, subsets=4)
    assert with_scatter.image.sum() == pytest.approx(image.sum(), rel=0.01)


def test_progress_ends_at_one(cylinder):
    system, image = cylinder
    seen = []
    osem(system, system.forward(image), iterations=2, subsets=3, progress=lambda text, f: seen.append(f))
    assert seen == pytest.approx(np.arange(1, 7) / 6)


def test_impossible_counts_are_refused(cylinder):
    system, _ = cylinder
    nothing = np.zeros((24, 20, 40), np.float32)
    with pytest.raises(InputError, match="no counts"):
        osem(system, nothing)
    with pytest.raises(InputError, match="negative or non-finite"):
        osem(system, nothing - 1)
    with pytest.raises(InputError, match="the system has"):
        osem(system, nothing[:3])
    with pytest.raises(InputError, match="25 subsets of 24 views"):
        osem(system, nothing + 1, subsets=25)
    with pytest.raises(InputError, match="expected at least 1"):
        osem(system, nothing + 1, iterations=0)
