import math
import shutil
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pydicom
import pytest

from lutetia.errors import DicomError, InputError, MissingDataError
from lutetia.images.acquisition import EnergyWindow
from lutetia.images.dicom.ct import read_ct
from lutetia.images.dicom.nm import read_projections
from lutetia.images.dicom.nm_static import read_nm_static
from lutetia.images.dicom.write_common import Identity
from lutetia.images.dicom.write_ct import write_ct_series
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume
from lutetia.physics.attenuation import linear_attenuation_per_cm
from lutetia.physics.materials import material
from lutetia.physics.nuclides import nuclide
from lutetia.recon.calibrate import from_images
from lutetia.recon.calibrate.conditions import Source
from lutetia.recon.calibrate.from_images import (
    Names,
    ct_files_in,
    inside_phantom,
    photopeak_of,
    planar_from_files,
    settings_in_words,
    tomographic_from_files,
)
from lutetia.recon.calibrate.sensitivity import slab_transmission
from lutetia.recon.reconstruct import ReconSettings

START = datetime(2026, 3, 2, 12)
SOURCE = Source(
    nuclide="Lu-177",
    activity_bq=100e6,
    reference_time=START,
    relative_uncertainty=0.02,
    clock_uncertainty_s=0.0,
    meter="Meter A",
)
DURING = 1 + nuclide("Lu-177").decay_constant_per_s * 150.0  # mean over 300 s, to first order (second: 1e-8)
NO_NAMES = Names()


@pytest.mark.filterwarnings("ignore:The value length")  # a version text of 22 letters in some of the files
def test_static_counts_of_a_real_camera(shared_data):
    for file in ("FourBar.dcm", "QuadrantBar.dcm", "Spatial_Resol_X.dcm", "UNIFORMIDAD_1.dcm"):
        path = shared_data / "nmqc_mediso_nm" / file
        stated = pydicom.dcmread(path, stop_before_pixels=True).CountsAccumulated
        image = read_nm_static(path)
        assert image.counts.sum(dtype=float) == float(stated)  # as the camera counted them (0018,0070)
        assert image.nuclide == "Tc-99m"
        assert image.windows == (EnergyWindow(lower_mev=0.126, upper_mev=0.154),)
        assert image.start_time is not None
    assert image.duration_s == 812.39  # Actual Frame Duration


def test_planar_factor_without_scatter_windows(write_static):
    image, empty = write_static([[300_000, 297_000]]), write_static([[3000, 3000]], "empty.dcm")
    found = planar_from_files(image, SOURCE, names=NO_NAMES, background=empty)
    mean = (297_000 + 294_000) / 2 / 300.0 / 100e6 * DURING
    assert found.value_cps_per_bq == pytest.approx(mean, rel=1e-6)
    assert found.per_head_cps_per_bq[0] / found.per_head_cps_per_bq[1] == pytest.approx(297 / 294, rel=1e-9)
    assert found.conditions.describe() == "Maker Two heads, MEGP, Lu-177, 187.2-228.8 keV"
    assert found.measured_at == START
    assert len(found.source_sha256) == 2
    assert any("no scatter windows" in w for w in found.warnings)
    one = planar_from_files(image, SOURCE, names=NO_NAMES, background=empty, head=2)
    assert one.value_cps_per_bq == pytest.approx(294_000 / 300 / 100e6 * DURING, rel=1e-6)


def test_scatter_is_taken_out_by_the_windows_there_are(write_static):
    three = write_static([[300_000], [8000], [2000]])
    peak, low, high = 41.6, 19.42, 21.53  # widths of the windows, keV
    scatter = (8000 / low + 2000 / high) * peak / 2  # Ogawa 1991
    found = planar_from_files(three, SOURCE, names=NO_NAMES)
    assert found.value_cps_per_bq == pytest.approx((300_000 - scatter) / 300 / 100e6 * DURING, rel=1e-6)
    variance = 300_000 + (peak / 2) ** 2 * (8000 / low**2 + 2000 / high**2)
    assert found.budget["counting"] == pytest.approx(math.sqrt(variance) / (300_000 - scatter), rel=1e-5)
    # a tenth of scattered over unscattered counts, as in the doses
    assert found.budget["scatter correction"] == pytest.approx(0.1 * scatter / (300_000 - scatter), rel=1e-6)
    lower = planar_from_files(write_static([[300_000], [8000]], "dew.dcm"), SOURCE, names=NO_NAMES)
    dew = 0.5 * 8000 * peak / low
    assert lower.value_cps_per_bq == pytest.approx((300_000 - dew) / 300 / 100e6 * DURING, rel=1e-6)
    plain = planar_from_files(three, SOURCE, names=NO_NAMES, scatter="none")
    assert plain.value_cps_per_bq == pytest.approx(300_000 / 300 / 100e6 * DURING, rel=1e-6)


def test_dead_time_is_that_of_all_windows_of_one_head(write_static):
    path = write_static([[300_000] * 2, [8000] * 2, [2000] * 2])
    plain, corrected = (
        planar_from_files(path, SOURCE, names=NO_NAMES, dead_time_s=tau).value_cps_per_bq for tau in (0.0, 1e-5)
    )
    assert corrected / plain == pytest.approx(1 / (1 - 310_000 / 300 * 1e-5), rel=1e-6)  # closed form


def test_attenuation_in_the_source(write_static):
    path = write_static([[300_000]])
    air, water = (planar_from_files(path, SOURCE, names=NO_NAMES, depth_mm=d) for d in (0.0, 5.0))
    energy = next(line.energy_mev for line in nuclide("Lu-177").photon_lines if 0.2 < line.energy_mev < 0.21)
    share = slab_transmission(float(linear_attenuation_per_cm(material("water"), energy)), 5.0)
    assert air.value_cps_per_bq / water.value_cps_per_bq == pytest.approx(share, rel=1e-6)
    assert water.budget["attenuation in the source"] == pytest.approx((1 / share - 1) / 4, rel=1e-6)
    assert any("its uncertainty was assumed" in w for w in water.warnings)
    given = planar_from_files(path, SOURCE, names=NO_NAMES, depth_mm=5.0, transmission_relative_uncertainty=0.01)
    assert given.budget["attenuation in the source"] == 0.01


def test_what_the_file_does_not_say_is_asked_for(write_static):
    undated = write_static([[300_000]], AcquisitionDate=None)
    with pytest.raises(MissingDataError, match=r"static\.dcm: the time of the acquisition .*--date"):
        planar_from_files(undated, SOURCE, names=NO_NAMES)
    assert planar_from_files(undated, SOURCE, names=NO_NAMES, start_time=START).measured_at == START
    bare = write_static([[300_000]], DetectorInformationSequence=None)
    with pytest.raises(MissingDataError, match="--collimator"):
        planar_from_files(bare, SOURCE, names=NO_NAMES)
    named = planar_from_files(bare, SOURCE, names=Names(camera="Camera 1", collimator="LEHR"))
    assert named.conditions.describe().startswith("Camera 1, LEHR")
    with pytest.raises(
        MissingDataError, match=r"No energy window \(0054,0012\) covers a photopeak of Tc-99m \(141 keV\)"
    ):
        planar_from_files(bare, replace(SOURCE, nuclide="Tc-99m"), names=NO_NAMES)
    with pytest.raises(InputError, match="head 3 of 1"):
        planar_from_files(bare, SOURCE, names=NO_NAMES, head=3)


def test_another_nuclide_in_the_file_is_told(write_static):
    code = pydicom.Dataset()
    code.CodeMeaning = "^99m^Technetium"
    item = pydicom.Dataset()
    item.RadionuclideCodeSequence = [code]
    path = write_static([[300_000]], RadiopharmaceuticalInformationSequence=[item])
    found = planar_from_files(path, SOURCE, names=NO_NAMES)
    assert "The file names Tc-99m as its nuclide; Lu-177 was used as given." in found.warnings


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "TOMO"]}, "expected NM with STATIC"),
        ({"ActualFrameDuration": None}, r"Duration \(0018,1242\) is None"),
        ({"EnergyWindowInformationSequence": None}, "has 0 usable windows"),
        ({"DetectorVector": [1, 1]}, "2 frames for 1 energy windows x 1 heads"),
        ({"EnergyWindowVector": [1, 3]}, "expected one of each"),
    ],
)
def test_files_that_are_no_static_image(write_static, elements, message):
    with pytest.raises(DicomError, match=message):
        read_nm_static(write_static([[1000, 1000]], **elements))


def test_rescale_slope_is_told(write_static):
    image = read_nm_static(write_static([[1000, 1000]], RescaleSlope="2"))
    assert image.counts.sum() == 4000
    assert "Rescale Slope 2" in image.warnings[0]


def test_strongest_line_with_a_window():
    both = [EnergyWindow(lower_mev=a, upper_mev=b) for a, b in ((0.1, 0.125), (0.187, 0.229))]
    assert photopeak_of("Lu-177", both) == pytest.approx(0.2084, abs=1e-3)
    assert photopeak_of("Lu-177", both[:1]) == pytest.approx(0.1129, abs=1e-3)


def test_inside_of_a_cylinder():
    grid = Grid(size=(40, 40, 30), spacing_mm=(5.0, 5.0, 6.0), origin_mm=(-97.5, -97.5, -87.0))
    x, y, z = (grid.origin_mm[a] + np.arange(grid.size[a]) * grid.spacing_mm[a] for a in range(3))
    radius = np.hypot(x[None, None, :], y[None, :, None])
    filled = (radius < 80) & (np.abs(z) < 70)[:, None, None]
    image = Volume(grid=grid, values=filled * 3.0, unit="counts/s")
    inside = inside_phantom(image, 25.0)
    depth = np.minimum(80 - radius, (70 - np.abs(z))[:, None, None])
    assert np.all(depth[inside] > 25 - 6)  # a voxel's width
    assert np.all(inside[depth > 25 + 6])
    with pytest.raises(InputError, match="choose a smaller margin"):
        inside_phantom(image, 90.0)
    with pytest.raises(InputError, match="No voxel lies"):
        inside_phantom(image.with_values(image.values * 0), 5.0)


def test_phantom_through_the_own_chain(phantom):
    folder, volume_ml = phantom
    source = replace(SOURCE, activity_bq=400e6 * 2 ** (1 / 6.647), reference_time=START - timedelta(days=1))
    given = {
        "names": Names(camera="Camera 1", collimator="MEGP"),
        "response": "GE-Discovery-670-MEGP",
        "settings": ReconSettings(iterations=6, subsets=4),
    }
    ct = ct_files_in(folder / "ct")
    whole = tomographic_from_files(folder / "tomo.dcm", ct, source, **given)
    # simulated with 9.0 cps/MBq and scatter as the windows take it; counting 0.1 %, lattices of phantom and image 1 %
    assert whole.value_cps_per_bq == pytest.approx(9.0e-6, rel=0.01)
    inside = tomographic_from_files(
        folder / "tomo.dcm", ct, source, **given, phantom_ml=volume_ml, phantom_relative_uncertainty=0.002
    )
    assert inside.value_cps_per_bq == pytest.approx(9.0e-6, rel=0.02)  # and stopped before the middle is flat
    assert 0 < whole.budget["counting"] < inside.budget["counting"] < 0.02
    assert whole.reconstruction == settings_in_words(given["settings"])
    assert whole.reconstruction == "OSEM 6 x 4, scatter tew, attenuation, resolution"
    peak, low, high = read_projections(folder / "tomo.dcm").counts[:, :, 6:24].sum(axis=(1, 2, 3), dtype=float)
    a, b = 41.6 / 2 / 19.42, 41.6 / 2 / 21.53  # usable rows; half the peak window over each scatter window
    expected = math.sqrt(peak + a**2 * low + b**2 * high) / (peak - a * low - b * high)
    assert whole.budget["counting"] == pytest.approx(expected, rel=0.02)  # closed form; smoothing crosses the edges
    ratio = (a * low + b * high) / (peak - a * low - b * high)
    assert ratio == pytest.approx(0.30, rel=0.02)  # as simulated
    assert whole.budget["scatter correction"] == pytest.approx(0.1 * ratio, rel=0.02)
    assert not any("field of view" in w for w in (*whole.warnings, *inside.warnings))
    assert len(whole.source_sha256) == 2


def test_ct_of_the_phantom_must_be_one(phantom, tmp_path):
    folder, _ = phantom
    assert len(ct_files_in(folder)) == 60
    with pytest.raises(MissingDataError, match="No CT series below"):
        ct_files_in(tmp_path)
    shutil.copytree(folder / "ct", tmp_path / "ct")
    hu = read_ct(ct_files_in(folder))
    identity = Identity(patient_id="PHANTOM", frame_of_reference_uid=hu.grid.frame_of_reference_uid)
    write_ct_series(hu, tmp_path / "again", identity=identity, acquisition_time=START, description="again")
    with pytest.raises(InputError, match="2 CT series below"):
        ct_files_in(tmp_path)


def test_a_phantom_without_time_is_refused(phantom, monkeypatch):
    folder, _ = phantom
    undated = replace(read_projections(folder / "tomo.dcm"), start_time=None)
    monkeypatch.setattr(from_images, "read_projections", lambda _path: undated)
    given = {
        "names": NO_NAMES,
        "response": "GE-Discovery-670-MEGP",
        "settings": ReconSettings(iterations=1, subsets=2, scatter="none"),
    }
    files = folder / "tomo.dcm", ct_files_in(folder / "ct"), SOURCE
    with pytest.raises(MissingDataError, match=r"tomo\.dcm: the time of the acquisition .*--date"):
        tomographic_from_files(*files, **given)
    assert tomographic_from_files(*files, **given, start_time=START).measured_at == START


def test_a_phantom_longer_than_the_field_is_told(phantom, tmp_path, monkeypatch):
    folder, _ = phantom
    projections = read_projections(folder / "tomo.dcm")
    short = replace(projections, counts=np.ascontiguousarray(projections.counts[:, :, 9:21]))
    monkeypatch.setattr(from_images, "read_projections", lambda _path: short)
    found = tomographic_from_files(
        folder / "tomo.dcm",
        ct_files_in(folder / "ct"),
        SOURCE,
        names=NO_NAMES,
        response="GE-Discovery-670-MEGP",
        settings=ReconSettings(iterations=1, subsets=4),
    )
    assert any("reaches out of the field of view" in w for w in found.warnings)
