"""Reference masses of organs."""

import pytest

from lutetia.errors import InputError, MissingDataError
from lutetia.physics.anatomy import organ_mass_g


@pytest.mark.parametrize(
    ("region", "male_g", "female_g"),  # ICRP 89, table 2.8
    [
        ("kidneys", 310, 275),
        ("liver", 1800, 1400),
        ("spleen", 150, 130),
        ("red marrow", 1170, 900),
        ("pancreas", 140, 120),
        ("lungs", 1200, 950),
        ("thyroid", 20, 17),
        ("salivary glands", 85, 70),
        ("adrenals", 14, 13),
        ("heart wall", 330, 250),
        ("urinary bladder wall", 50, 40),
        ("total body", 73000, 60000),
    ],
)
def test_masses(region, male_g, female_g):
    assert organ_mass_g(region, "male") == male_g
    assert organ_mass_g(region, "female") == female_g


def test_one_side_is_half_the_pair():
    assert organ_mass_g("kidney left", "female") == 137.5
    assert organ_mass_g("Kidney right", "male") == 155.0


def test_synonyms():
    assert organ_mass_g("bone marrow", "male") == organ_mass_g("red marrow", "male")


def test_refusals():
    with pytest.raises(InputError, match=r"No reference mass of 'antenna'.*kidneys"):
        organ_mass_g("antenna", "male")
    with pytest.raises(InputError, match="No reference mass of 'liver left'"):
        organ_mass_g("liver left", "male")
    with pytest.raises(InputError, match="for 'male' and 'female'"):
        organ_mass_g("liver", "M")  # type: ignore[arg-type]
    with pytest.raises(MissingDataError, match="for a female"):
        organ_mass_g("prostate", "female")
