import numpy as np
import pytest

from lutetia.errors import InputError, MissingDataError, OutOfRangeError
from lutetia.recon.camera import (
    Camera,
    Collimator,
    camera_from_collimator,
    collimators,
    lead_attenuation_per_cm,
    read_camera,
)


def test_geometric_resolution_of_a_collimator():
    megp = collimators()["GE-Discovery-670-MEGP"]
    camera = camera_from_collimator(collimator=megp, photopeak_mev=0.2, intrinsic_fwhm_mm=0.0)
    effective = 58.0 - 20.0 / (0.9985 * 11.35)  # NISTIR 5632: lead, 200 keV, 0.9985 cm2/g, 11.35 g/cm3
    fwhm = camera.sigma_mm(100.0) * np.sqrt(8 * np.log(2))
    assert fwhm == pytest.approx(3.0 * (effective + 100.0) / effective)  # closed form: Cherry 2012 eq. 14-7


def test_width_adds_in_quadrature_and_does_not_shrink_behind_the_face():
    camera = Camera(name="c", intrinsic_fwhm_mm=3.0, intercept_mm=4.0, slope=0.05)
    assert camera.sigma_mm(0.0) * np.sqrt(8 * np.log(2)) == pytest.approx(5.0)  # closed form: 3-4-5
    assert camera.sigma_mm(-20.0) == camera.sigma_mm(0.0)


def test_a_camera_from_yaml(tmp_path):
    path = tmp_path / "camera.yaml"
    path.write_text("name: mine\nintrinsic_fwhm_mm: 3.9\nresolution: {intercept_mm: 3.5, slope: 0.05}\n")
    camera = read_camera(path)
    assert (camera.name, camera.intercept_mm, camera.warnings) == ("mine", 3.5, ())
    path.write_text(
        "collimator: {hole_diameter_mm: 3.0, hole_length_mm: 58, septa_mm: 1.05}\nphotopeak_keV: 208.4\n"
    )
    assert read_camera(path).slope == read_camera("GE-Discovery-670-MEGP", photopeak_mev=0.2084).slope
    assert "3.8 mm FWHM assumed" in read_camera(path).warnings[0]


def test_cameras_that_cannot_be(tmp_path):
    with pytest.raises(MissingDataError, match="neither a file nor one of the collimators"):
        read_camera("unheard-of")
    with pytest.raises(MissingDataError, match="needs photopeak_mev"):
        read_camera("Siemens-Symbia-ME")
    with pytest.raises(InputError, match="all must be positive"):
        Collimator(name="c", hole_diameter_mm=0, hole_length_mm=1, septa_mm=1)
    with pytest.raises(InputError, match="expected values of at least 0"):
        Camera(name="c", intrinsic_fwhm_mm=-1, intercept_mm=1, slope=1)
    with pytest.raises(OutOfRangeError, match="the table holds"):
        lead_attenuation_per_cm(2.0)
    thin = Collimator(name="thin", hole_diameter_mm=1, hole_length_mm=5, septa_mm=0.2)
    with pytest.raises(OutOfRangeError, match="give a measured resolution"):
        camera_from_collimator(collimator=thin, photopeak_mev=0.44, intrinsic_fwhm_mm=3.8)
    for text, match in (
        ("- 1\n", "expected the keys"),
        ("collimator: no\nphotopeak_keV: 200\n", "is not known"),
        ("resolution: {slope: a}\n", "expected numbers"),
    ):
        path = tmp_path / "bad.yaml"
        path.write_text(text)
        with pytest.raises((InputError, MissingDataError), match=match):
            read_camera(path)
