"""The relative difference prior, and whether the maximum that is found is the one of another optimiser."""

import numpy as np
import pytest
from scipy.optimize import minimize

from lutetia.errors import InputError
from lutetia.recon.bsrem import Penalty, _penalty, neighbour_weights, penalised_likelihood
from lutetia.recon.camera import Camera
from lutetia.recon.channels import Channel, Part
from lutetia.recon.osem import expectation_maximisation
from lutetia.recon.projector import spect_system

from .conftest import cylinder_mu, make_orbit, positions_mm

CAMERA = Camera(name="test", intrinsic_fwhm_mm=3.8, intercept_mm=3.0, slope=0.055)
STRENGTH = 0.2


def value_and_gradient(image, support, *, edge, floor, spacing=(4.8, 4.8, 3.0)):
    gradient = np.zeros_like(image)
    weights = neighbour_weights(spacing)
    value = _penalty(image, support, weights, np.float32(edge), np.float32(floor), gradient)
    return value, gradient


@pytest.mark.parametrize("edge", [0.0, 2.0])
def test_the_penalty_is_its_formula_and_its_gradient_the_slope(edge):
    rng = np.random.default_rng(1)
    image = rng.uniform(0.5, 3.0, (4, 5, 3)).astype(np.float32)
    support = np.ones((4, 5), bool)
    support[0, 0] = False
    floor = 0.01
    value, gradient = value_and_gradient(image, support, edge=edge, floor=floor)

    def formula(x):
        total, spacing = 0.0, np.array([4.8, 4.8, 3.0])
        places = [p for p in np.ndindex(*x.shape) if support[p[:2]]]
        for k, p in enumerate(places):
            for q in places[:k]:
                apart = np.abs(np.subtract(p, q))
                if apart.max() == 1:
                    difference = x[p] - x[q]
                    weight = 3.0 / np.linalg.norm(apart * spacing)
                    total += weight * difference**2 / (x[p] + x[q] + edge * abs(difference) + floor)
        return total

    x = image.astype(float)
    assert value == pytest.approx(formula(x), rel=1e-5)  # formula: Nuyts et al. 2002, distances as weights
    for place in ((1, 2, 1), (3, 4, 2), (0, 1, 0)):
        step = np.zeros_like(x)
        step[place] = 1e-4
        slope = (formula(x + step) - formula(x - step)) / 2e-4
        assert gradient[place] == pytest.approx(slope, rel=1e-3, abs=1e-4)  # float32 kernel
    assert not gradient[0, 0].any()
    assert value_and_gradient(np.ones_like(image), support, edge=edge, floor=floor)[0] == 0  # law: even, no penalty


@pytest.fixture(scope="module")
def noisy():
    """A hot sphere in a cylinder, 16 views, with counts and a little scatter."""
    orbit = make_orbit(np.arange(16) * 22.5, n=16, rows=8, pixel_mm=(6.0, 6.0), radius_mm=80.0, seconds=16.0)
    mu = cylinder_mu(orbit.grid(), orbit, 36.0, 0.13)
    system = spect_system(orbit=orbit, camera=CAMERA, attenuation=mu)
    x, y, z = positions_mm(orbit.grid())
    truth = ((x**2 + y**2 < 36**2) * (np.abs(z) < 12) + 4.0 * ((x - 12) ** 2 + y**2 + z**2 < 10**2)).astype(
        np.float32
    )
    expected = system.forward(truth) + 1.0
    counts = np.random.default_rng(2).poisson(expected).astype(np.float32)
    return Channel(counts=counts, additive=np.ones_like(counts), parts=(Part(system=system),)), truth


def objective(channel, strength, edge=2.0):
    """Minus log-likelihood plus penalty, with gradient, of a native image in float64; all with all views at once."""
    system = channel.parts[0].system
    y, s = (system.to_native_projections(a) for a in (channel.counts, channel.additive))
    views = np.arange(system.n_views)
    sensitivity = system.backproject(np.ones_like(y), views)
    seen = sensitivity > 1e-4 * sensitivity.max()
    beta = strength * float(sensitivity[seen].mean())

    def of(flat, floor):
        image = np.zeros(sensitivity.shape, np.float32)
        image[seen] = flat
        expected = system.project(image, views).astype(float) + s
        value, slope = value_and_gradient(
            image, system.support, edge=edge, floor=floor, spacing=system.grid.spacing_mm
        )
        likelihood = float((y * np.log(expected) - expected).sum())
        gradient = system.backproject((y / expected).astype(np.float32), views) - sensitivity - beta * slope
        return beta * value - likelihood, -gradient[seen].astype(float)

    return of, seen


def apart(a, b):
    """Root mean square of the difference over that of the second image."""
    return float(np.sqrt(((a - b) ** 2).sum() / (b**2).sum()))


@pytest.fixture(scope="module")
def best(noisy):
    """The maximum by a quasi-Newton method with bounds, scipy's own."""
    channel, _ = noisy
    of, seen = objective(channel, STRENGTH)
    start = expectation_maximisation([channel], iterations=2, subsets=4).images[0]
    native = channel.parts[0].system.to_native(start)[seen].astype(float)
    found = native
    for _ in range(3):  # begun again when rounding in float32 has ended its line search
        found = minimize(
            of, found, args=(1e-6 * native.mean(),), jac=True, method="L-BFGS-B", bounds=[(0, None)] * native.size,
            options={"maxiter": 200, "ftol": 1e-13, "gtol": 1e-6},
        ).x  # fmt: skip
    image = np.zeros(seen.shape, np.float32)
    image[seen] = found
    return channel.parts[0].system.from_native(image)


@pytest.fixture(scope="module")
def converged(noisy):
    """By the method itself, with 4 and with 8 subsets."""
    penalty = Penalty(strength=STRENGTH)
    return [penalised_likelihood([noisy[0]], penalty, iterations=150, subsets=n) for n in (4, 8)]


def test_the_maximum_is_that_of_another_optimiser(noisy, best, converged):
    channel, _ = noisy
    of, seen = objective(channel, STRENGTH)
    value = lambda image: -of(channel.parts[0].system.to_native(image)[seen].astype(float), 1e-6)[0]  # noqa: E731
    for found in converged:
        # law: one maximum; 150 iterations with shrinking steps come within 5 units of a log-likelihood of 360000
        assert value(found.image) > value(best) - 5
        assert apart(found.image, best) < 0.01


def test_the_maximum_does_not_depend_on_the_subsets(converged):
    assert apart(converged[0].image, converged[1].image) < 0.01  # law; 150 iterations of shrinking steps


def test_the_penalty_takes_from_the_total_what_it_weighs(noisy, converged):
    # closed form: the penalty is of first degree in the image, so that at the maximum x grad(L) = strength R(x)
    channel, _ = noisy
    system, image = channel.parts[0].system, converged[0].image
    seen = system.forward(image)
    missing = float(((channel.counts / (seen + 1.0) - 1) * seen).sum())
    sensitivity = system.adjoint(np.ones_like(seen))
    beta = STRENGTH * float(sensitivity[:, system.support][sensitivity[:, system.support] > 0].mean())
    value, _ = value_and_gradient(
        system.to_native(image), system.support, edge=2.0, floor=1e-6, spacing=system.grid.spacing_mm
    )
    assert missing == pytest.approx(beta * value, rel=0.02)
    assert missing > 0.01 * channel.counts.sum()


def test_the_objective_rises_and_settles(converged):
    for found in converged:
        course = np.array([w["objective"] for w in found.watched])
        assert np.all(np.diff(course) > -1e-3 * (course[-1] - course[0]))  # steps of subsets may overshoot a little
        assert course[-1] - course[-30] < 0.01 * (course[-1] - course[0])
        assert found.iterations == course.size == 150


def test_without_a_penalty_it_is_maximum_likelihood(noisy):
    channel, _ = noisy
    of, seen = objective(channel, 0.0)
    system = channel.parts[0].system
    value = lambda image: -of(system.to_native(image)[seen].astype(float), 1e-6)[0]  # noqa: E731
    mlem = expectation_maximisation([channel], iterations=100, subsets=1).image
    found = penalised_likelihood([channel], Penalty(strength=0.0), iterations=60, subsets=8, relaxation=0.02).image
    assert value(found) > value(mlem)  # law: both climb to the maximum; steps of subsets climb faster


def test_stronger_penalties_are_smoother(noisy):
    channel, _ = noisy
    system = channel.parts[0].system
    images = [
        penalised_likelihood([channel], Penalty(strength=s), iterations=20, subsets=4).image
        for s in (0.0, 0.05, 0.5)
    ]
    rough = [
        value_and_gradient(system.to_native(i), system.support, edge=2.0, floor=1e-6, spacing=(6.0,) * 3)[0]
        for i in images
    ]
    assert (
        rough[0] > 1.2 * rough[1] > 1.2 * 1.2 * rough[2]
    )  # law: the prior of the best image falls with its weight


def test_two_images_are_penalised_each_for_itself(noisy):
    channel, _ = noisy
    system = channel.parts[0].system
    other = Channel(
        counts=channel.counts, additive=channel.additive, parts=(Part(system=system, image=1, weight=2.0),)
    )
    both = penalised_likelihood([channel, other], Penalty(strength=STRENGTH), iterations=10, subsets=4).images
    alone = penalised_likelihood([channel], Penalty(strength=STRENGTH), iterations=10, subsets=4).image
    assert both[0] == pytest.approx(alone, rel=1e-4, abs=1e-4)
    assert both[1].sum() == pytest.approx(alone.sum() / 2, rel=0.01)  # twice the counts for each of its own


def test_impossible_settings_are_refused(noisy):
    channel, truth = noisy
    with pytest.raises(InputError, match="Penalty of strength -1"):
        Penalty(strength=-1.0)
    with pytest.raises(InputError, match="expected 0 or more"):
        Penalty(edge=np.inf)
    with pytest.raises(InputError, match="0 iterations with relaxation"):
        penalised_likelihood([channel], iterations=0)
    with pytest.raises(InputError, match="relaxation 0"):
        penalised_likelihood([channel], relaxation=0.0)
    with pytest.raises(InputError, match="2 images to start from; the windows see 1"):
        penalised_likelihood([channel], start=[truth, truth])
