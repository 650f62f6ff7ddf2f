"""The ICRP 110 phantom from a user's archive: masses, sides, and archives that are not it."""

import zipfile

import numpy as np
import pytest

from lutetia.errors import InputError, MissingDataError
from lutetia.phantoms.icrp110 import import_icrp110


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
