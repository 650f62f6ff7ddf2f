"""Organ doses by S coefficients: scaling, sums and the remainder."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lutetia.dose.organ_level.coefficients import reference_table
from lutetia.dose.organ_level.doses import organ_absorbed_doses, remainder_coefficient, scaled_to_mass
from lutetia.dose.s_values.coefficients import SCoefficient
from lutetia.errors import InputError

LIVER = SCoefficient(
    source="liver", target="liver", charged_gy_per_bq_s=1.30e-14, photon_gy_per_bq_s=7e-16, target_mass_g=1800.0,
    u_relative=0.002,
)  # fmt: skip
SPLEEN = SCoefficient(
    source="spleen", target="spleen", charged_gy_per_bq_s=1.55e-13, photon_gy_per_bq_s=4.5e-15, target_mass_g=150.0,
    u_relative=0.003,
)  # fmt: skip
SPLEEN_TO_LIVER = SCoefficient(
    source="spleen", target="liver", charged_gy_per_bq_s=0.0, photon_gy_per_bq_s=4.1e-17, target_mass_g=1800.0,
    u_relative=0.03,
)  # fmt: skip


def table(*entries):
    return reference_table(
        list(entries), nuclide="Lu-177", phantom="a reference man", convention="without blood", origin="made up"
    )


@given(st.floats(10, 5000))
def test_charged_particles_scale_with_the_mass_and_photons_with_its_two_thirds_power(mass_g):
    scaled = scaled_to_mass(LIVER, mass_g)
    # the energy that charged particles leave in the organ does not depend on its mass
    assert scaled.charged_gy_per_bq_s * mass_g == pytest.approx(LIVER.charged_gy_per_bq_s * 1800, rel=1e-12)
    # that of photons grows with the cube root
    absorbed = scaled.photon_gy_per_bq_s * mass_g / (LIVER.photon_gy_per_bq_s * 1800)
    assert absorbed == pytest.approx((mass_g / 1800) ** (1 / 3), rel=1e-12)
    assert scaled.target_mass_g == mass_g


def test_a_cross_coefficient_is_not_scaled():
    assert scaled_to_mass(SPLEEN_TO_LIVER, 900.0) is SPLEEN_TO_LIVER


def test_dose_is_the_sum_over_the_sources():
    decays = {"liver": 2e12, "spleen": 5e11}
    doses = organ_absorbed_doses(
        time_integrated_activity_bq_s=decays,
        mass_g={"liver": 1800.0, "spleen": 150.0},
        coefficients=table(LIVER, SPLEEN, SPLEEN_TO_LIVER),
    )
    liver = doses["liver"]
    assert liver.self_charged_gy == pytest.approx(2e12 * 1.30e-14)
    assert liver.self_photon_gy == pytest.approx(2e12 * 7e-16)
    assert liver.cross_gy == pytest.approx(5e11 * 4.1e-17)
    assert liver.mean_gy == pytest.approx(2e12 * 1.37e-14 + 5e11 * 4.1e-17)
    # statistics of the table in quadrature
    expected = ((2e12 * 1.37e-14 * 0.002) ** 2 + (5e11 * 4.1e-17 * 0.03) ** 2) ** 0.5
    assert liver.standard_uncertainty_gy == pytest.approx(expected)
    assert liver.left_out == ()
    # nothing is invented: the table has no spleen <- liver
    assert doses["spleen"].left_out == ("liver",)
    assert doses["spleen"].cross_gy == 0.0


def test_only_targets_whose_mass_is_known():
    doses = organ_absorbed_doses(
        time_integrated_activity_bq_s={"liver": 1e12}, mass_g={"liver": 1500.0}, coefficients=table(LIVER, SPLEEN)
    )
    assert list(doses) == ["liver"]


def test_both_mass_conventions_give_one_dose_by_charged_particles():
    # kidneys of 310 g without blood (ICRP 89) and 422 g with it (ICRP 133): the tables differ by a third, the doses not
    doses = []
    for mass_g in (310.0, 422.0):
        s = SCoefficient(
            source="kidneys", target="kidneys", charged_gy_per_bq_s=0.1465 * 1.602e-10 / mass_g,
            photon_gy_per_bq_s=0.0, target_mass_g=mass_g, u_relative=None,
        )  # fmt: skip
        given = organ_absorbed_doses(
            time_integrated_activity_bq_s={"kidneys": 1e12}, mass_g={"kidneys": 350.0}, coefficients=table(s)
        )
        doses.append(given["kidneys"].mean_gy)
    assert doses[0] == pytest.approx(doses[1], rel=1e-12)


def whole_body(target, charged, photon):
    mass = {"liver": 1800.0, "spleen": 150.0, "total body": 73000.0}[target]
    return SCoefficient(
        source="total body",
        target=target,
        charged_gy_per_bq_s=charged,
        photon_gy_per_bq_s=photon, target_mass_g=mass,
        u_relative=None,
    )  # fmt: skip


def test_the_remainder_is_the_body_less_its_named_parts():
    # a body that is uniform but for names: energy in the liver per decay anywhere, weighted by mass, is as of the body
    full = table(
        LIVER, SPLEEN, SPLEEN_TO_LIVER, whole_body("liver", 3.2e-16, 1.1e-16), whole_body("spleen", 3.2e-16, 1e-16),
        whole_body("total body", 3.2e-16, 1.2e-16),
    )  # fmt: skip
    rest = remainder_coefficient("liver", ["liver", "spleen"], full)
    rest_g = 73000.0 - 1950.0
    again = (
        rest.photon_gy_per_bq_s * rest_g
        + 1800 * LIVER.photon_gy_per_bq_s
        + 150 * SPLEEN_TO_LIVER.photon_gy_per_bq_s
    )
    assert again == pytest.approx(73000 * 1.1e-16, rel=1e-12)
    assert rest.charged_gy_per_bq_s == 0.0
    # the table lacks spleen <- liver: no guess
    assert remainder_coefficient("spleen", ["liver", "spleen"], full) is None
    dose = organ_absorbed_doses(
        time_integrated_activity_bq_s={"liver": 1e12, "spleen": 1e11, "remainder": 1e13},
        mass_g={"liver": 1800.0, "spleen": 150.0},
        coefficients=full,
    )
    assert dose["liver"].cross_gy == pytest.approx(1e11 * 4.1e-17 + 1e13 * rest.photon_gy_per_bq_s)
    assert dose["liver"].standard_uncertainty_gy is None
    assert dose["spleen"].left_out == ("liver", "remainder")


def test_without_a_total_body_the_remainder_is_left_out_and_said_so():
    dose = organ_absorbed_doses(
        time_integrated_activity_bq_s={"liver": 1e12, "remainder": 1e12},
        mass_g={"liver": 1800.0},
        coefficients=table(LIVER),
    )
    assert dose["liver"].left_out == ("remainder",)


def test_what_cannot_be_is_refused():
    with pytest.raises(InputError, match="mass of 0"):
        scaled_to_mass(LIVER, 0)
    with pytest.raises(InputError, match="expected 0 or more"):
        organ_absorbed_doses(
            time_integrated_activity_bq_s={"liver": -1.0}, mass_g={"liver": 1.0}, coefficients=table(LIVER)
        )
    with pytest.raises(InputError, match="twice"):
        table(LIVER, LIVER)
    with pytest.raises(InputError, match="photon part"):
        table(replace(LIVER, photon_gy_per_bq_s=float("nan")))
    with pytest.raises(InputError, match="reference mass of 0"):
        table(replace(LIVER, target_mass_g=0))
    with pytest.raises(InputError, match="No target 'heart'"):
        table(LIVER).mass_g("heart")
