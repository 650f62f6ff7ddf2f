"""Labelled phantoms: masses, sides, names, sources, tallies."""

import csv
from pathlib import Path

import numpy as np
import pytest

from lutetia.errors import InputError, MissingDataError
from lutetia.phantoms.dosimetric import laid_out
from lutetia.phantoms.icrp110 import icrp110_phantom, materials_of
from lutetia.phantoms.s_values import default_sources, default_targets
from lutetia.phantoms.stylised_dosimetric import SPINE_MARROW, stylised_phantom

ARCHIVE = "Input_GateLab_AM_2019-04-02.zip"


@pytest.fixture(scope="module", params=["male", "female"])
def phantom(request, shared_data):
    path = shared_data / "icrp110" / ARCHIVE
    if not path.is_file():
        pytest.skip(f"{ARCHIVE} is not in the reference data")
    return icrp110_phantom(path, request.param)


@pytest.fixture(scope="module")
def male(shared_data):
    path = shared_data / "icrp110" / ARCHIVE
    if not path.is_file():
        pytest.skip(f"{ARCHIVE} is not in the reference data")
    return icrp110_phantom(path, "male")


@pytest.fixture(scope="module")
def stylised():
    return stylised_phantom("male", 8.0)


# ICRP 89 [g], male / female: without blood; lungs with theirs; OpenDose and the archive agree with these for the man
MASSES = {
    "kidneys": (310, 275), "liver": (1800, 1400), "spleen": (150, 130), "pancreas": (140, 120), "lungs": (1200, 950),
    "thyroid": (20, 17), "salivary glands": (85, 70), "adrenals": (14, 13), "heart wall": (330, 250),
    "urinary bladder wall": (50, 40), "brain": (1450, 1300), "red marrow": (1170, 900), "total body": (73000, 60000),
    "muscle": (29000, 17500), "stomach contents": (250, 230), "colon wall": (370, 360),
}  # fmt: skip


def test_masses_are_the_reference_ones(phantom):
    column = 0 if phantom.sex == "male" else 1
    for name, masses in MASSES.items():
        # voxels of 37 and 15 mm3: an organ of 13 g has 340 of them
        assert phantom.share_by_label(name)[0] == pytest.approx(masses[column], rel=3e-3), name


def test_sides(phantom):
    x = np.arange(phantom.labels.shape[2])
    for name in ("kidney", "lung", "adrenal"):
        left, right = (
            (np.isin(phantom.labels, phantom.regions[f"{name} {side}"]) * x).sum()
            / np.isin(phantom.labels, phantom.regions[f"{name} {side}"]).sum()
            for side in ("left", "right")
        )
        assert left > right  # LPS: +x to the patient's left


def test_organs_have_the_medium_of_their_name(male):
    medium = {m.name: m for m in male.materials}
    for organ, expected in {
        "liver": "Liver", "spleen": "Spleen", "brain": "Brain", "thyroid": "Thyroid", "pancreas": "Pancreas",
        "urinary bladder contents": "Urine", "ribs spongiosa": "Ribs+spongiosa", "muscle of legs": "Muscle_tissue",
        "oesophagus": "Oesophagus", "prostate": "Prostate", "testis left": "Testes", "kidney pelvis right": "Kidneys",
        "sternum spongiosa": "Sternum+spongiosa", "mandible cortical": "Mineral_bone", "skin of arms": "Skin",
        "lymph nodes of trunk": "Lymph", "stomach wall": "Stomach", "sigmoid colon wall": "Large_intestine",
        "small intestine contents": "Gastro-intestinal_tract_-_contents", "heart contents": "Blood",
    }.items():  # fmt: skip
        number = male.regions[organ][0]
        index = male.material_index[male.labels == number][0]
        assert male.materials[index].name == expected, organ
    for material in medium.values():
        assert sum(material.mass_fractions.values()) == pytest.approx(1.0, abs=1e-9)
    assert medium["Liver"].mass_fractions["O"] == pytest.approx(0.725, abs=0.002)  # ICRP 110


def test_spongiosa_of_every_marrow_site(male):
    for part in male.marrow:
        assert male.organs[part.label] == f"{part.site.name} spongiosa"
        assert part.site.mass_g < male.label_mass_g[part.label]
    assert sum(part.site.mass_g for part in male.marrow) == pytest.approx(1170.0)


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("left kidney", "kidney left"), ("Kidneys", "kidneys"), ("red marrow", "red marrow"), ("marrow", "red marrow"),
        ("UB wall", "urinary bladder wall"), ("bladder contents", "urinary bladder contents"),
        ("GI contents", "gastrointestinal contents"), ("salivary_glands", "salivary glands"), ("Thyroid gland", "thyroid"),
    ],
)  # fmt: skip
def test_spellings(male, spelling, name):
    assert male.region(spelling) == name


def test_unknown_region_lists_the_known(male, stylised):
    with pytest.raises(
        InputError, match=r"no region 'lever'\. Did you mean 'liver'.*It has .*adrenals.*uterus|no region"
    ) as e:
        male.region("lever")
    assert "pancreas" in str(e.value)
    with pytest.raises(InputError, match="The stylised body has no salivary glands"):
        stylised.region("salivary glands")


def test_the_sexes_differ_where_they_do(phantom):
    assert ("prostate" in phantom.region_names) == (phantom.sex == "male")
    assert ("uterus" in phantom.region_names) == (phantom.sex == "female")
    assert {"kidneys", "gastrointestinal contents", "red marrow", "remainder"} <= set(default_sources(phantom))
    assert 30 <= len(default_targets(phantom)) <= 45


def test_remainder_and_its_complement_are_the_body(male):
    apart = (
        "kidneys", "liver", "spleen", "lungs", "pancreas", "salivary glands", "thyroid", "urinary bladder contents",
        "gastrointestinal contents",
    )  # fmt: skip
    labels = [label for name in apart for label in male.regions[name]] + [part.label for part in male.marrow]
    assert sorted([*male.regions["remainder"], *labels]) == sorted(male.regions["total body"])


def test_strength_of_marrow_follows_its_mass(male):
    strength = male.strength("red marrow").astype(float)
    for part in male.marrow:
        share = strength[male.labels == part.label].sum() / strength.sum()
        assert share == pytest.approx(part.site.mass_g / 1170.0, rel=1e-4)


def test_tallies_make_up_the_targets(male):
    layout = laid_out(male, default_targets(male))
    mass = layout.scene.mass_g
    for target in layout.targets:
        if target.name != "red marrow":
            assert sum(mass[slot] for slot in target.share) == pytest.approx(target.mass_g, rel=1e-6)
            # mean dose of a uniform dose is that dose
            assert float(target.per_gram(mass[:-1]) @ mass[:-1]) == pytest.approx(1.0)
    marrow = next(t for t in layout.targets if t.name == "red marrow")
    where, _ = layout.second
    assert set(np.flatnonzero(where >= 0)) == set(marrow.share)
    assert not np.any(mass[:-1][where[where >= 0]])
    assert float(marrow.per_gram(mass[:-1], photons=True).sum()) == pytest.approx(
        float(marrow.per_gram(mass[:-1]).sum())
    )


def test_stylised(stylised):
    # 8 mm voxels keep the mass of large organs within 5 %
    assert stylised.share_by_label("liver")[0] == pytest.approx(1800, rel=0.05)
    assert stylised.share_by_label("kidneys")[0] == pytest.approx(310, rel=0.05)
    assert SPINE_MARROW in stylised.region_names
    assert "red marrow" not in stylised.region_names
    whole = set(stylised.regions["total body"])
    assert whole - set(stylised.regions["remainder"]) == {
        label
        for name in ("kidneys", "liver", "spleen", "lungs", "pancreas", SPINE_MARROW)
        for label in stylised.regions[name]
    }
    bone = next(m for m in stylised.materials if m.name == "bone with marrow")
    assert bone.mass_fractions["Ca"] == pytest.approx(0.10, abs=0.01)  # ORNL/TM-8381: 10 % in its skeleton


def test_what_is_refused(tmp_path):
    with pytest.raises(MissingDataError, match="no such archive"):
        icrp110_phantom(tmp_path / "none.zip", "male")
    (tmp_path / "text.zip").write_text("no archive", "utf-8")
    with pytest.raises(InputError, match="not a zip archive"):
        icrp110_phantom(tmp_path / "text.zip", "male")
    with pytest.raises(InputError, match="Sex 'child'"):
        icrp110_phantom(tmp_path / "none.zip", "child")
    with pytest.raises(InputError, match="1 to 10 mm"):
        stylised_phantom("male", 20.0)
    with pytest.raises(InputError, match="no element Unobtainium"):
        materials_of(
            "[Elements]\n\nHydrogen: S= H ; Z= 1.\n\n[Materials]\n\nA: d=1.0 g/cm3 ; n=1\n+el: name=Unobtainium ; f=1.0\n"
        )


def test_organ_table_is_complete():
    path = Path(__file__).resolve().parents[2] / "src/lutetia/phantoms/data/icrp_110/organs.csv"
    rows = list(csv.DictReader(path.read_text("utf-8").splitlines()))
    assert [int(row["number"]) for row in rows] == list(range(142))
    assert len({row["organ"] for row in rows}) == 142
