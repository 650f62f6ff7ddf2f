"""Every table says where it comes from."""

from importlib import resources

import pytest

from lutetia.errors import MissingDataError
from lutetia.physics.tables import read_table, source_of


def test_every_folder_has_a_source():
    folders = [one.name for one in resources.files("lutetia.physics").joinpath("data").iterdir() if one.is_dir()]
    assert len(folders) >= 6
    for folder in folders:
        assert {"title", "table", "doi", "licence", "verified", "extractor"} <= set(source_of(folder)), folder


def test_missing_table():
    with pytest.raises(MissingDataError, match=r"No table nowhere/nothing\.csv"):
        read_table("nowhere", "nothing.csv")
    with pytest.raises(MissingDataError, match=r"No SOURCE.toml for 'nowhere'"):
        source_of("nowhere")
