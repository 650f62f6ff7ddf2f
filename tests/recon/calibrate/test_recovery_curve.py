import math
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lutetia.errors import FitError, InputError, OutOfRangeError
from lutetia.recon.calibrate.conditions import Conditions
from lutetia.recon.calibrate.recovery_curve import SphereRecovery, fit_recovery, sphere_volume_ml

CONDITIONS = Conditions(camera="Camera 1", collimator="MEGP", nuclide="Lu-177", window_mev=(0.1872, 0.2288))
GIVEN = {"conditions": CONDITIONS, "measured_at": datetime(2026, 3, 2), "reconstruction": "OSEM 6 x 6"}
VOLUMES = np.array([sphere_volume_ml(d) for d in (10, 13, 17, 22, 28, 37)])  # NEMA NU 2 body phantom


def _curve(volume, alpha=2.0, beta=0.9, plateau=1.0):
    return plateau / (1 + (alpha / np.asarray(volume)) ** beta)


def _fit(values, u=0.02, **changes):
    spheres = [
        SphereRecovery(volume_ml=float(v), recovery=float(r), u_recovery=u)
        for v, r in zip(VOLUMES, values, strict=True)
    ]
    return fit_recovery(spheres, **(GIVEN | changes))


@given(alpha=st.floats(0.3, 30), beta=st.floats(0.4, 2.5))
def test_points_of_the_curve_give_it_back(alpha, beta):
    found = _fit(_curve(VOLUMES, alpha, beta))
    assert found.alpha_ml == pytest.approx(alpha, rel=1e-4)  # law
    assert found.beta == pytest.approx(beta, rel=1e-4)
    assert found.plateau == 1.0
    assert found.degrees_of_freedom == 4


def test_a_plateau_is_found():
    found = _fit(_curve(VOLUMES, plateau=0.92), model="plateau")
    assert (found.alpha_ml, found.beta, found.plateau) == pytest.approx((2.0, 0.9, 0.92), rel=1e-4)
    assert not found.warnings
    forced = _fit(_curve(VOLUMES, beta=1.5, plateau=0.8), u=0.005)
    assert any("A fitted plateau may describe them better" in w for w in forced.warnings)


def test_half_of_the_plateau_at_alpha():
    found = _fit(_curve(VOLUMES, plateau=0.92), model="plateau")
    assert found.recovery(found.alpha_ml)[0] == pytest.approx(0.46, rel=1e-4)  # closed form


@pytest.mark.parametrize(("model", "plateau"), [("logistic", 1.0), ("plateau", 0.95)])
def test_uncertainty_covers_the_truth_as_often_as_it_says(model, plateau):
    rng, true, pulls = np.random.default_rng(8), _curve(VOLUMES, plateau=plateau), []
    for _ in range(300):
        found = _fit(rng.normal(true, 0.02), model=model)
        pulls.append(
            [(r - t) / u for (r, u), t in ((found.recovery(v), _curve(v, plateau=plateau)) for v in (1, 8))]
        )
    # the covariance is never made smaller by chi2 below its mean, so pulls are a little narrower than 1
    assert np.mean(pulls, axis=0) == pytest.approx([0, 0], abs=0.25)  # 4 sigma: 0.23
    assert np.all((np.std(pulls, axis=0) > 0.7) & (np.std(pulls, axis=0) < 1.15))  # 1 less 1/sqrt(600) x 4, or less


def test_propagation_is_that_of_drawn_activities_and_volumes():
    found = _fit(_curve(VOLUMES), common_relative_uncertainty=0.02)
    rng = np.random.default_rng(4)
    r, n = 0.6, 200_000
    by_activity, by_volume = rng.multivariate_normal([0, 0], [[1, r], [r, 1]], n).T
    parameters = rng.multivariate_normal([math.log(2.0), math.log(0.9)], np.asarray(found.covariance)[:2, :2], n)
    volume = 6.0 + 0.5 * by_volume
    recovery = _curve(volume, np.exp(parameters[:, 0]), np.exp(parameters[:, 1])) * (1 + 0.02 * rng.normal(size=n))
    drawn = (5e6 + 0.2e6 * by_activity) / recovery
    got = found.apply(5e6, 6.0, u_activity_bq=0.2e6, u_volume_ml=0.5, correlation=r)
    assert got.activity_bq == pytest.approx(5e6 / _curve(6.0), rel=1e-4)
    assert got.u_activity_bq == pytest.approx(np.std(drawn), rel=0.02)  # first order against drawn
    assert found.apply(5e6, 6.0, u_activity_bq=0.2e6, u_volume_ml=0.5).u_activity_bq > got.u_activity_bq
    assert got.u_recovery > found.recovery(6.0)[1]
    assert not got.warnings


def test_volumes_outside_the_spheres():
    found = _fit(_curve(VOLUMES))
    with pytest.raises(
        OutOfRangeError, match=r"0\.4 mL; .* from 0\.523599 to 26\.5218 mL and is not extended below"
    ):
        found.recovery(0.4)
    with pytest.raises(OutOfRangeError, match="measure a smaller sphere"):
        found.apply(1e6, 0.1, u_activity_bq=0.0, u_volume_ml=0.0)
    large = found.apply(1e6, 150.0, u_activity_bq=0.0, u_volume_ml=0.0)
    assert any("larger than the largest sphere" in w for w in large.warnings)
    assert large.recovery == pytest.approx(_curve(150.0), rel=1e-4)
    steep = _fit(_curve(VOLUMES, alpha=10.0, beta=1.0)).apply(1e6, 1.0, u_activity_bq=0.0, u_volume_ml=0.0)
    assert any("activity was multiplied by 11.0" in w for w in steep.warnings)


def test_what_the_curve_does_not_say_is_told():
    assert any("reconstructed was not told" in w for w in _fit(_curve(VOLUMES), reconstruction="").warnings)
    scattered = _curve(VOLUMES) + 0.1 * np.array([1, -1, 1, -1, 1, -1])
    found = _fit(scattered, u=0.01)
    assert any("deny the curve" in w for w in found.warnings)
    assert np.asarray(found.covariance)[0, 0] > 10 * np.asarray(_fit(_curve(VOLUMES), u=0.01).covariance)[0, 0]
    assert any("above 1" in w for w in _fit(_curve(VOLUMES, plateau=1.2), model="plateau").warnings)


def test_spheres_that_make_no_curve():
    with pytest.raises(FitError, match="does not rise with volume"):
        _fit(_curve(VOLUMES)[::-1])
    with pytest.raises(InputError, match="needs at least 3 different"):
        fit_recovery([SphereRecovery(volume_ml=1.0, recovery=0.4, u_recovery=0.02)] * 5, **GIVEN)
    with pytest.raises(InputError, match="expected one of logistic, plateau"):
        _fit(_curve(VOLUMES), model="line")
    with pytest.raises(InputError, match="ratio above 1"):
        _fit(_curve(VOLUMES), sphere_to_background=0.5)
    with pytest.raises(InputError, match="expected numbers above 0"):
        SphereRecovery(volume_ml=1.0, recovery=0.4, u_recovery=0.0)
    with pytest.raises(InputError, match="expected an activity above 0"):
        _fit(_curve(VOLUMES)).apply(0.0, 5.0, u_activity_bq=0.0, u_volume_ml=0.0)


def test_order_of_spheres_does_not_matter():
    ordered = _fit(_curve(VOLUMES))
    assert fit_recovery(ordered.spheres[::-1], **GIVEN) == ordered
    assert replace(ordered, beta=1.0) != ordered
    assert (ordered.smallest_ml, ordered.largest_ml) == (VOLUMES[0], VOLUMES[-1])
