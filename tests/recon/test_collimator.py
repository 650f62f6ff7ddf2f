import numpy as np
import pytest

from lutetia.errors import InputError, MissingDataError, OutOfRangeError
from lutetia.recon.camera import camera_from_collimator, read_camera
from lutetia.recon.collimator import (
    Collimator,
    SeptalTail,
    collimators,
    lead_attenuation_per_cm,
    radial_profile,
    septal_tail,
    transmission,
    usable_energy,
)

MATCHED = (("GE-Discovery-670-LEHR", 0.140), ("Siemens-Symbia-ME", 0.208), ("GE-Discovery-670-HEGP", 0.239))
ENERGIES = (0.113, 0.140, 0.208, 0.239, 0.364, 0.440)


def effective_length_mm(collimator, energy):
    return collimator.hole_length_mm - 20.0 / lead_attenuation_per_cm(energy)


def anger(collimator, length_mm):
    hole, pitch = collimator.hole_diameter_mm, collimator.hole_diameter_mm + collimator.septa_mm
    return np.sqrt(3) / (8 * np.pi) * (hole / length_mm) ** 2 * (hole / pitch) ** 2


@pytest.mark.parametrize(("name", "energy"), MATCHED)
def test_photons_through_the_holes_are_those_of_angers_formula(name, energy):
    collimator = collimators()[name]
    seen = transmission(collimator, energy)
    geometric = anger(collimator, collimator.hole_length_mm)
    assert seen.geometric == pytest.approx(geometric, rel=0.01)  # closed form at small angles: K = 0.2625
    published = geometric * 0.26**2 / (np.sqrt(3) / (8 * np.pi))
    assert seen.geometric == pytest.approx(
        published, rel=0.03
    )  # Anger 1967: K = 0.26 for hexagonal holes, flat to flat


@pytest.mark.parametrize(("name", "energy"), MATCHED)
def test_edges_are_what_the_effective_length_stands_for(name, energy):
    collimator = collimators()[name]
    seen = transmission(collimator, energy)
    expected = anger(collimator, effective_length_mm(collimator, energy))
    assert seen.geometric + seen.edge == pytest.approx(expected, rel=0.01)  # Anger 1967: L_e = L - 2/mu
    assert seen.edge > 0.02 * seen.geometric  # the agreement is not that of a vanishing edge


@pytest.mark.parametrize(("name", "energy"), MATCHED)
@pytest.mark.parametrize("distance", [50.0, 100.0, 200.0])
def test_width_of_the_core_is_that_of_the_formula(name, energy, distance):
    collimator = collimators()[name]
    length = effective_length_mm(collimator, energy)
    expected = collimator.hole_diameter_mm * (length + distance) / length
    radii = np.linspace(0.0, 2.0 * expected, 81)
    profile = radial_profile(collimator, energy, distance_mm=distance, radii_mm=radii)
    middle = 0.5 * (radii[1:] + radii[:-1])
    centre = np.sum(profile[:8] * middle[:8]) / np.sum(middle[:8])
    fwhm = 2.0 * np.interp(-0.5, -profile / centre, middle)
    assert fwhm == pytest.approx(expected, rel=0.05)  # Anger 1967; the profile is a hexagon's, not a Gaussian's


def test_a_hole_seen_at_an_angle_is_its_overlap_with_itself():
    collimator = Collimator(name="c", hole_diameter_mm=3.0, hole_length_mm=60.0, septa_mm=1.0)
    tangent = np.array([0.5, 0.6]) * 3.0 / 60.0
    density = radial_profile(collimator, 0.06, distance_mm=100.0, radii_mm=160.0 * tangent)  # lead opaque at 60 keV
    azimuth = np.linspace(0.0, np.pi / 6.0, 201)
    run = 60.0 * tangent.mean() * np.abs(np.cos(azimuth[:, None] - np.arange(3) * np.pi / 3.0))
    _, mid, most = np.sort(run, axis=1).T
    overlap = (3 - most) * (3 - mid) / np.sin(np.pi / 3) - 2 * np.maximum(1.5 - mid, 0) ** 2 / np.sqrt(3)
    share = overlap.mean() / (4.0**2 * np.sqrt(3) / 2.0)
    expected = share / (4 * np.pi * 160.0**2)
    assert density[0] == pytest.approx(expected, rel=0.03)  # closed form: overlap of two hexagons, inverse square


def test_a_source_without_absorption_fills_the_solid_angle():
    thin = Collimator(name="thin", hole_diameter_mm=5.0, hole_length_mm=20.0, septa_mm=1e-6)
    seen = transmission(thin, 0.5, distance_mm=200.0)
    total = seen.geometric + seen.edge + seen.septal
    assert total == pytest.approx(0.5 * (1 - 220.0 / np.hypot(220.0, 262.0)), rel=0.002)  # cone of the field


@pytest.mark.parametrize("name", ["Siemens-Symbia-LEHR", "GE-Discovery-670-MEGP", "Philips-Brightview-HEGP"])
def test_penetration_rises_with_energy(name):
    seen = [transmission(collimators()[name], energy) for energy in ENERGIES]
    assert np.all(np.diff([part.penetration_share for part in seen]) > 0)
    assert np.all(np.diff([part.septal_share for part in seen]) > 0)


def test_thicker_septa_let_less_through():
    shares = [
        transmission(
            Collimator(name="c", hole_diameter_mm=4.0, hole_length_mm=60.0, septa_mm=septa), 0.364
        ).septal_share
        for septa in (1.5, 2.0, 2.5)
    ]
    assert np.all(np.diff(shares) < 0)


def test_published_shares_of_penetration():
    known = collimators()

    def share(name, energy):
        return transmission(known[name], energy).penetration_share

    # Cot et al., IEEE Trans Nucl Sci 49 (2002) 12 (PENELOPE): fan beam, about 95 % geometric at 140 keV
    assert 1 - share("GE-Discovery-670-LEHR", 0.140) == pytest.approx(0.95, abs=0.03)
    # SIMIND 7.0.3 (github.com/hhonda5427/simind_study, me_calib.res), Symbia ME, 123I at 15 cm, 15 % window, without
    # backscatter: 88.3 % geometric, 3.7 % penetration, 2.2 % scattered in lead. Ours, 5.0 %, is Anger's edge
    assert share("Siemens-Symbia-ME", 0.159) == pytest.approx(3.74 / (3.74 + 88.32), abs=0.02)
    # "Investigation of different components of parallel-hole collimator response ..." (SIMIND), shares of all photons
    # with those scattered in lead: geometric above 60 % at 364 keV (HEGP), above 70 % at 185 and 245 keV (MEGP),
    # below 20 % at 511 keV for every type
    assert 1 - share("GE-Discovery-670-HEGP", 0.364) > 0.60
    assert 1 - share("GE-Discovery-670-MEGP", 0.245) > 0.70
    assert 1 - share("GE-Discovery-670-MEGP", 0.511) < 0.20
    # Dewaraja et al., J Nucl Med 41 (2000) 123: 27 % geometric for 131I with lead scatter and the photons of 637 and
    # 723 keV, which ours at 364 keV alone are without
    assert 0.27 < 1 - share("Philips-Brightview-HEGP", 0.364) < 0.80


def test_the_tail_repeats_the_traced_response_and_grows_with_distance():
    collimator = collimators()["GE-Discovery-670-HEGP"]
    tail = septal_tail(collimator, 0.440)
    for distance in (50.0, 150.0, 300.0):
        seen = transmission(collimator, 0.440, distance_mm=distance)
        assert tail.share == pytest.approx(seen.septal_share, abs=0.02)
        assert tail.sigma_mm(distance) == pytest.approx(seen.septal_sigma_mm, rel=0.10)  # a line through a curve
    assert tail.sigma_mm(-20.0) == tail.sigma_mm(0.0) == tail.intercept_mm
    assert septal_tail(collimator, 0.208) is None  # fewer than one photon in a thousand


def test_counts_around_a_point_follow_from_core_and_tail():
    collimator, distance = collimators()["GE-Discovery-670-HEGP"], 150.0
    camera = camera_from_collimator(collimator=collimator, photopeak_mev=0.440, intrinsic_fwhm_mm=0.0)
    tail = septal_tail(collimator, 0.440)
    radii = np.append(np.arange(0.0, 262.0, 2.0), 262.0)
    traced = radial_profile(collimator, 0.440, distance_mm=distance, radii_mm=radii) * np.pi * np.diff(radii**2)
    within = np.cumsum(traced) / traced.sum()

    def model(share):
        core = 1 - np.exp(-0.5 * (radii / camera.sigma_mm(distance)) ** 2)
        wide = 1 - np.exp(-0.5 * (radii / tail.sigma_mm(distance)) ** 2)
        both = (1 - share) * core + share * wide
        return both[1:] / both[-1]

    assert (
        np.abs(model(tail.share) - within).max() < 0.05
    )  # of all counts; a Gaussian core for a hexagon's costs most
    assert np.abs(model(0.0) - within).max() > 0.3  # without a tail


def test_energies_that_a_collimator_does_not_hold_are_named():
    (warning,) = usable_energy(collimators()["Siemens-Symbia-LEHR"], 0.208)
    assert "Siemens-Symbia-LEHR" in warning
    assert "84 % of the photons of 208 keV" in warning
    assert usable_energy(collimators()["Siemens-Symbia-ME"], 0.208) == ()
    assert warning in read_camera("Siemens-Symbia-LEHR", photopeak_mev=0.208).warnings
    assert "not verified" in read_camera("GE-NM-870-DR-MEGP", photopeak_mev=0.208).warnings[1]


def test_a_tail_from_the_camera_file(tmp_path):
    path = tmp_path / "camera.yaml"
    hole = "{hole_diameter_mm: 4, hole_length_mm: 66, septa_mm: 1.8}"
    path.write_text(f"intrinsic_fwhm_mm: 3.8\nphotopeak_keV: 440\ncollimator: {hole}\nseptal_tail: computed\n")
    assert read_camera(path).tail == septal_tail(
        Collimator(name="camera.yaml", hole_diameter_mm=4.0, hole_length_mm=66.0, septa_mm=1.8), 0.44
    )
    path.write_text(
        "intrinsic_fwhm_mm: 3.8\nresolution: {intercept_mm: 4, slope: 0.06}\n"
        "septal_tail: {share: 0.3, intercept_mm: 25, slope: 0.2}\n"
    )
    camera = read_camera(path, intrinsic_fwhm_mm=3.5)
    assert camera.tail == SeptalTail(share=0.3, intercept_mm=25.0, slope=0.2)
    assert (camera.intrinsic_fwhm_mm, camera.warnings) == (3.5, ())
    assert read_camera("GE-Discovery-670-HEGP", photopeak_mev=0.44).tail is None


def test_tails_that_cannot_be(tmp_path):
    for share, intercept, slope in ((1.2, 10, 0.1), (-0.1, 10, 0.1), (0.1, 0, 0), (0.1, np.nan, 0.1)):
        with pytest.raises(InputError, match="expected a share of 0 to 1"):
            SeptalTail(share=share, intercept_mm=intercept, slope=slope)
    with pytest.raises(OutOfRangeError, match="rays are traced from 50"):
        transmission(collimators()["Siemens-Symbia-ME"], 0.208, distance_mm=10.0)
    path = tmp_path / "camera.yaml"
    for text, match in (
        ("septal_tail: {share: 0.3}\n", "septal_tail: expected numbers for share"),
        ("septal_tail: wide\n", "septal_tail: expected numbers for share"),
        ("septal_tail: computed\n", "is not known"),
        ("septal_tail: computed\ncollimator: Siemens-Symbia-HE\n", "needs photopeak_mev"),
    ):
        path.write_text("resolution: {intercept_mm: 4, slope: 0.06}\n" + text)
        with pytest.raises(MissingDataError, match=match):
            read_camera(path)
