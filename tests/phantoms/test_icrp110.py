"""The ICRP 110 phantom from a user's archive: masses, sides, and archives that are not it."""

import zipfile

import numpy as np
import pytest

from lutetia.errors import InputError, MissingDataError
from lutetia.phantoms.icrp110 import SHAPES, SPACING_MM, import_icrp110


@pytest.fixture(scope="module")
def female(shared_data):
    return import_icrp110(next((shared_data / "icrp110").glob("*.zip")), "AF")


@pytest.fixture(scope="module")
def male(shared_data):
    return import_icrp110(next((shared_data / "icrp110").glob("*.zip")), "AM")


def organ(phantom, name):
    mask = phantom.regions.mask(name)
    mass = float(phantom.density.values[mask].sum(dtype=float)) * phantom.density.grid.voxel_ml
    return mass, phantom.density.grid.position_mm(np.argwhere(mask).mean(axis=0)[::-1])


# SOURCE.txt of the archive: liver 1799.8 g, kidneys 310.0 g, spleen 150.0 g; ICRP 110: pancreas 140, thyroid 20
@pytest.mark.parametrize(
    ("name", "mass"), [("liver", 1799.8), ("spleen", 150.0), ("pancreas", 140.0), ("thyroid", 20.0)]
)
def test_masses(male, name, mass):
    assert organ(male, name)[0] == pytest.approx(mass, rel=1e-3)


def test_kidneys(male):
    assert organ(male, "kidney left")[0] + organ(male, "kidney right")[0] == pytest.approx(310.0, rel=1e-3)


# ICRP 89 reference masses [g], female: kidneys 275, liver 1400, spleen 130, pancreas 120, thyroid 17
@pytest.mark.parametrize(
    ("names", "mass"),
    [
        (("kidney left", "kidney right"), 275.0), (("liver",), 1400.0), (("spleen",), 130.0),
        (("pancreas",), 120.0), (("thyroid",), 17.0),
    ],
)  # fmt: skip
def test_masses_of_the_woman(female, names, mass):
    assert sum(organ(female, name)[0] for name in names) == pytest.approx(mass, rel=2e-3)
    assert organ(female, "liver")[1][0] < 0 < organ(female, "spleen")[1][0]
    assert organ(female, "brain")[1][2] > organ(female, "urinary bladder")[1][2]


# ICRP 89: body 73 kg (male) and 60 kg (female); skeleton 10.5 kg and 7.8 kg
@pytest.mark.parametrize(("sex", "body_g", "bone_g"), [("male", 73e3, 10.5e3), ("female", 60e3, 7.8e3)])
def test_masses_of_body_and_skeleton(sex, body_g, bone_g, request):
    phantom = request.getfixturevalue(sex)
    whole = float(phantom.density.values[phantom.body].sum(dtype=float)) * phantom.density.grid.voxel_ml
    assert whole == pytest.approx(body_g, rel=0.01)
    # without cartilage, teeth and periosteum
    assert 0.75 * bone_g < organ(phantom, "bone")[0] < bone_g
    assert organ(phantom, "stomach")[1][0] > 0 > organ(phantom, "gallbladder")[1][0]


@pytest.mark.parametrize("phantom", ["AM", "AF"])
def test_size_is_that_of_the_archive(shared_data, phantom):
    with zipfile.ZipFile(next((shared_data / "icrp110").glob("*.zip"))) as content:
        name = next(n for n in content.namelist() if n.endswith(".mhd") and f"{phantom}_" in n)
        header = dict(line.split(" = ") for line in content.read(name).decode().splitlines() if " = " in line)
    assert tuple(map(int, header["DimSize"].split())) == SHAPES[phantom]
    assert tuple(map(float, header["ElementSpacing"].split())) == SPACING_MM[phantom]


def test_orientation_is_that_of_the_patient(male):
    centre = {name: organ(male, name)[1] for name in ("liver", "spleen", "brain", "heart", "urinary bladder")}
    assert centre["liver"][0] < 0 < centre["spleen"][0]  # LPS: +x to the patient's left
    assert centre["spleen"][1] > centre["heart"][1]  # +y to the back
    assert centre["brain"][2] > centre["heart"][2] > centre["urinary bladder"][2]


def test_missing_archive(tmp_path):
    with pytest.raises(MissingDataError, match="no such archive"):
        import_icrp110(tmp_path / "nothing.zip", "AM")


def test_another_archive(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data/AM_UINT16_254_127_222.raw", b"\x00" * 10)
        archive.writestr("data/AM_LabelsToMaterials.txt", "0 1 Air")
        archive.writestr("data/AM_GateMaterials.db", "Air: d=0.001 g/cm3 ; n=2")
    with pytest.raises(InputError, match="5 voxels"):
        import_icrp110(path, "AM")
