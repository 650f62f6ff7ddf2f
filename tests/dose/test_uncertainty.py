"""Uncertainty budgets."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lutetia.dose.absorbed_dose import UncertaintyComponent
from lutetia.dose.uncertainty import (
    combined,
    dose_budget,
    in_order,
    surface_area_mm2,
    volume_relative_uncertainty,
)
from lutetia.dose.uncertainty.volume import (
    displacement_relative_uncertainty,
    sphere_under_gaussian,
    volume_components_gear2018,
    volume_sensitivity,
)
from lutetia.errors import InputError


@given(st.lists(st.floats(1e-9, 1), min_size=1, max_size=6))
def test_independent_components_add_in_quadrature(parts):
    components = [UncertaintyComponent(name=str(i), relative=r) for i, r in enumerate(parts)]
    assert combined(components) == pytest.approx(math.hypot(*parts))
    assert combined(components) >= max(parts) * (1 - 1e-12)


def test_surface_of_a_ball():
    steps = np.arange(-40, 41)
    ball = steps[:, None, None] ** 2 + steps[:, None] ** 2 + steps**2 <= 30**2
    # closed form 4 pi r^2; faces over a surface of random direction are 1.5 times its area, to the size of a voxel
    assert surface_area_mm2(ball, (2.0, 2.0, 2.0)) == pytest.approx(4 * np.pi * 60**2, rel=0.03)


def test_surface_counts_the_edge_of_the_image():
    assert surface_area_mm2(np.ones((2, 3, 4), bool), (1.0, 2.0, 3.0)) == pytest.approx(
        2 * (4 * 6 + 4 * 6 + 6 * 6) / 1.5
    )


def test_a_balls_volume_is_as_uncertain_as_its_radius_cubed():
    r, u = 20.0, 0.5
    relative = volume_relative_uncertainty(
        surface_mm2=4 * np.pi * r**2, volume_mm3=4 / 3 * np.pi * r**3, boundary_mm=u
    )
    assert relative == pytest.approx(3 * u / r)  # closed form


def budget(**changes):
    given = {
        "calibration": 0.03,
        "fit": 0.05,
        "volume": 0.1,
        "recovery_coefficient": 0.7,
        "scatter_to_primary": 0.2,
    }
    return {c.name: c for c in dose_budget(**(given | changes))}


def test_a_better_recovery_leaves_less_of_correction_and_of_volume():
    poor, good = budget(recovery_coefficient=0.4), budget(recovery_coefficient=0.9)
    assert poor["recovery coefficient"].relative > good["recovery coefficient"].relative
    # closed form u / (1 + R): half of the volume's error for a large region, all of it for a vanishing one
    assert poor["volume"].relative == pytest.approx(0.1 / 1.4)
    assert good["volume"].relative == pytest.approx(0.1 / 1.9)
    assert "recovery coefficient" not in budget(recovery_coefficient=None)
    assert budget(recovery_coefficient=None)["volume"].relative == 0.1


def test_what_is_unknown_is_left_out_and_never_zero():
    parts = budget(calibration=None, fit=None, scatter_to_primary=None)
    assert not {"calibration", "counting, fit and extrapolation", "scatter correction"} & set(parts)
    assert all(part.relative > 0 for part in parts.values())


def test_errors_of_the_camera_are_shared_by_all_regions():
    assert {name for name, part in budget().items() if part.shared} == {
        "calibration",
        "scatter correction",
        "decay energy",
        "density",
        "recovery coefficient",
    }


def test_parts_of_the_fit_and_of_the_volume_are_shown_by_name():
    fit = [
        UncertaintyComponent(name="count rate", relative=0.02),
        UncertaintyComponent(name="extrapolation", relative=0.04),
    ]
    parts = budget(
        fit=fit, volume={"delineation": 0.06, "voxel size": 0.08}, recovery_relative=0.03, statistics=0.01
    )
    assert parts["count rate"].relative == 0.02
    assert parts["extrapolation"].relative == 0.04
    assert parts["delineation"].relative == pytest.approx(0.06 / 1.7)
    assert parts["voxel size"].relative == pytest.approx(0.08 / 1.7)
    assert parts["recovery coefficient"].relative == 0.03  # measured, in place of a tenth of the correction
    assert parts["Monte Carlo statistics"].relative == 0.01


# volume, recovery and mass together


def test_a_boundarys_volume_by_voxel_and_resolution():
    # closed form: u(d)^2 = a^2/6 + w^2/(4 ln 2), u(V)/V = 3 u(d)/d, here 4.8 mm voxels, 12 mm FWHM, 30 mm diameter
    parts = volume_components_gear2018(diameter_mm=30, voxel_mm=4.8, fwhm_mm=12, delineation_mm=0.5)
    assert parts["voxel size"] == pytest.approx(3 * math.sqrt(4.8**2 / 6) / 30)
    assert parts["resolution"] == pytest.approx(3 * math.sqrt(12**2 / (4 * math.log(2))) / 30)
    # one error of the whole surface: that of u_d S / V
    assert parts["delineation"] == pytest.approx(
        volume_relative_uncertainty(surface_mm2=math.pi * 30**2, volume_mm3=math.pi / 6 * 30**3, boundary_mm=0.5)
    )
    assert "resolution" not in volume_components_gear2018(diameter_mm=30, voxel_mm=4.8, fwhm_mm=0)


def test_a_displaced_ball_loses_its_shadow():
    r, d = 20.0, 1.0
    lost = displacement_relative_uncertainty(
        surface_mm2=4 * np.pi * r**2, volume_mm3=4 / 3 * np.pi * r**3, displacement_mm=d
    )
    assert lost == pytest.approx(
        np.pi * r**2 * d / (4 / 3 * np.pi * r**3)
    )  # closed form: shadow times displacement


def test_impossible_diameters_are_refused():
    with pytest.raises(InputError, match="Diameter 0 mm"):
        volume_components_gear2018(diameter_mm=0, voxel_mm=4, fwhm_mm=10)
    with pytest.raises(InputError, match="Recovery 0"):
        volume_sensitivity(recovery=0)


@pytest.mark.parametrize("ratio", [0.04, 0.06, 0.3, 1.0, 2.5, 6.0, 40.0])
def test_recovery_of_a_sphere_is_what_its_surface_shares_add_up_to(ratio):
    fwhm = 10.0
    r = ratio * fwhm
    recovery, share = sphere_under_gaussian(radius_mm=r, fwhm_mm=fwhm)
    # law: d(R V)/dV = 2 p for a symmetric kernel, so R = (3/r^3) int 2 p x^2 dx; 1e-3 for the limit of small spheres
    x = np.linspace(0, r, 4001)[1:]
    p = np.array([sphere_under_gaussian(radius_mm=float(v), fwhm_mm=fwhm)[1] for v in x])
    assert recovery == pytest.approx(3 / r**3 * np.trapezoid(2 * p * x**2, x), rel=2e-3)
    # p/R is 1/(1 + R) within 4 %
    assert share / recovery == pytest.approx(1 / (1 + recovery), rel=0.04)


def test_the_recovery_of_a_sphere_is_that_of_its_blurred_image():
    # numerical: a ball of radius 12 mm on voxels of 1 mm, blurred by 10 mm FWHM; 1 % for its voxels
    from scipy.ndimage import gaussian_filter

    steps = np.arange(-45, 46) * 1.0
    ball = (steps[:, None, None] ** 2 + steps[:, None] ** 2 + steps**2 <= 12**2).astype(float)
    image = gaussian_filter(ball, 10 / (2 * math.sqrt(2 * math.log(2))))
    recovery, _ = sphere_under_gaussian(radius_mm=12.0, fwhm_mm=10.0)
    assert recovery == pytest.approx(image[ball > 0].sum() / ball.sum(), rel=0.01)


@given(st.floats(0.05, 1.0), st.floats(0.0, 1.0), st.floats(0.3, 1.0))
def test_volume_acts_on_counts_recovery_and_mass_at_once(recovery, slope, exponent):
    found = volume_sensitivity(recovery=recovery, surface_share=0.5, recovery_slope=slope, mass_exponent=exponent)
    # closed form: p/R - eta - beta
    assert found.dose == pytest.approx(0.5 / recovery - slope - exponent, abs=1e-12)
    covariance = found.covariance(0.1)
    assert covariance[0, 0] == pytest.approx(0.01)
    assert covariance[0, 3] < 0  # more volume, less dose per decay
    # the variance of ln D = ln C - ln R + ln S from the covariances, V taking no part of its own
    weights = np.array([0.0, 1.0, -1.0, 1.0])
    assert weights @ covariance @ weights == pytest.approx((0.1 * found.dose) ** 2, abs=1e-12)


def test_an_outline_corrected_by_itself_is_a_special_case():
    # eta = 2 p/R - 1 and beta = 1 leave - p/R = - 1/(1 + R)
    for recovery in (0.2, 0.7, 1.0):
        assert volume_sensitivity(recovery=recovery).dose == pytest.approx(-1 / (1 + recovery))
    # no resolution loss and no correction: half of the shell's counts, all of its mass
    assert volume_sensitivity(recovery=1.0, surface_share=0.5, recovery_slope=0.0).dose == pytest.approx(-0.5)


def test_the_special_case_is_what_a_blurred_sphere_does():
    """Numerical: outline of radius r + d on a sphere of radius r, counts and recovery of the Gaussian, dose by its mass."""
    from scipy.integrate import quad
    from scipy.special import erf

    r, fwhm, d = 11.0, 10.0, 0.01
    s = fwhm / (2 * math.sqrt(2 * math.log(2)))

    def blurred(x):
        tail = math.exp(-((r - x) ** 2) / (2 * s * s)) - math.exp(-((r + x) ** 2) / (2 * s * s))
        return (
            0.5 * (erf((r + x) / (s * 2**0.5)) + erf((r - x) / (s * 2**0.5))) - s / (x * (2 * np.pi) ** 0.5) * tail
        )

    def dose(radius):
        counts = quad(lambda x: 4 * np.pi * x * x * blurred(x), 1e-9, radius)[0]
        return counts / sphere_under_gaussian(radius_mm=radius, fwhm_mm=fwhm)[0] / radius**3

    slope = (dose(r + d) - dose(r - d)) / dose(r) / (6 * d / r)
    recovery, share = sphere_under_gaussian(radius_mm=r, fwhm_mm=fwhm)
    exact = volume_sensitivity(recovery=recovery, surface_share=share).dose
    assert slope == pytest.approx(exact, rel=1e-4)  # second order of the step
    assert slope == pytest.approx(volume_sensitivity(recovery=recovery).dose, rel=0.04)


def test_components_are_listed_from_counts_to_dose():
    names = list(budget())
    assert names[0] == "calibration"
    assert names.index("count rate, fit and extrapolation") < names.index("volume") < names.index("decay energy")
    assert in_order(["volume", "of another program", "calibration", "volume"]) == [
        "calibration",
        "volume",
        "of another program",
    ]
