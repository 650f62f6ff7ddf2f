import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lutetia.errors import InputError
from lutetia.recon.channels import Channel, Part, ordered_subsets
from lutetia.recon.osem import Until, expectation_maximisation, osem
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


def _channel(system, counts, scatter=0.0, *parts):
    additive = np.full_like(counts, scatter)
    return Channel(counts=counts, additive=additive, parts=parts or (Part(system=system),))


def test_mlem_never_loses_likelihood(cylinder):
    system, image = cylinder
    counts = np.random.default_rng(1).poisson(0.05 * system.forward(image) + 0.1).astype(np.float32)
    channel, values, start = _channel(system, counts, 0.1), [], None
    for _ in range(12):
        start = expectation_maximisation([channel], iterations=1, subsets=1, start=start).images
        expected = channel.expected(start).astype(float)
        values.append(float((counts * np.log(expected) - expected).sum()))
    assert np.all(np.diff(values) > -1e-6 * abs(values[0]))  # law (Shepp, Vardi 1982); rounding in float32
    assert values[-1] > values[0]


def test_steps_one_by_one_are_steps_in_a_row(cylinder):
    system, image = cylinder
    channel = _channel(system, system.forward(image))
    whole = expectation_maximisation([channel], iterations=3, subsets=4).image
    start = None
    for _ in range(3):
        start = expectation_maximisation([channel], iterations=1, subsets=4, start=start).images
    assert np.array_equal(whole, start[0])


def test_it_stops_when_regions_have_settled_and_says_so(cylinder):
    system, image = cylinder
    channel = _channel(system, system.forward(image))
    regions = {"middle": np.zeros_like(image), "rim": (image > 0).astype(np.float32)}
    regions["middle"][8:12, 18:22, 18:22] = 1.0
    until = Until(regions=regions, relative_change=0.01)
    found = expectation_maximisation([channel], iterations=50, subsets=6, until=until)
    assert found.converged
    assert found.iterations == len(found.watched) == len(found.explained_counts) < 50
    changes = [
        abs(b[n] / a[n] - 1) for a, b in zip(found.watched, found.watched[1:], strict=False) for n in regions
    ]
    assert max(changes[-2:]) <= 0.01 < max(changes[-4:-2], default=1.0)  # not one iteration too many or too few
    assert found.watched[-1]["rim"] == pytest.approx(float((found.image * regions["rim"]).sum()), rel=1e-5)
    short = expectation_maximisation([channel], iterations=1, subsets=6, until=until)
    assert (short.converged, short.iterations) == (False, 1)
    assert expectation_maximisation([channel], iterations=1, subsets=6).converged is None
    with pytest.raises(InputError, match="Stopping on 0 regions"):
        Until(regions={})
    with pytest.raises(InputError, match="a share between 0 and 1"):
        Until(regions=regions, relative_change=1.0)


def test_two_images_share_windows(cylinder):
    # each image alone in one window, and the first leaks into the second's
    system, image = cylinder
    other = np.roll(image, 6, axis=1) * 0.5
    own, both = system.forward(image), system.forward(other) + np.float32(0.4) * system.forward(image)
    leak = (Part(system=system, image=1), Part(system=system, image=0, weight=0.4))
    channels = [_channel(system, own), _channel(system, both, 0.0, *leak)]
    assert channels[1].expected([image, other]) == pytest.approx(both, rel=1e-5, abs=1e-4)
    found = expectation_maximisation(channels, iterations=12, subsets=4)
    assert found.image.sum() == pytest.approx(image.sum(), rel=0.01)  # law: totals, noiseless, matched model
    assert found.images[1].sum() == pytest.approx(other.sum(), rel=0.01)
    assert found.measured_counts == pytest.approx(float(own.sum() + both.sum()), rel=1e-6)
    ignored = expectation_maximisation([_channel(system, both)], iterations=12, subsets=4).image
    assert ignored.sum() > 1.5 * other.sum()


def test_scatter_may_be_renewed_on_the_way(cylinder):
    system, image = cylinder
    counts = system.forward(image)
    scatter = np.full_like(counts, 0.2 * counts.mean())
    seen = []

    def rescatter(iteration, images):
        seen.append((iteration, images[0].shape))
        return [scatter] if iteration == 1 else None

    channel = _channel(system, counts + scatter)
    found = expectation_maximisation([channel], iterations=8, subsets=4, rescatter=rescatter)
    assert seen == [(n, image.shape) for n in range(1, 8)]  # not after the last
    assert found.additive[0] is scatter
    assert found.image.sum() == pytest.approx(image.sum(), rel=0.01)


def test_channels_that_do_not_fit_are_refused(cylinder):
    system, image = cylinder
    counts = system.forward(image)
    with pytest.raises(InputError, match="needs at least one image"):
        Channel(counts=counts, additive=counts, parts=())
    with pytest.raises(InputError, match="no energy window"):
        expectation_maximisation([])
    with pytest.raises(InputError, match=r"images \[1\]; expected 0 to 0 without a gap"):
        expectation_maximisation([_channel(system, counts, 0.0, Part(system=system, image=1))])
    with pytest.raises(InputError, match="2 images to start from; the windows see 1"):
        expectation_maximisation([_channel(system, counts)], start=[image, image])
