"""The bodies of the Monte Carlo benchmark are what its peers were first run with, and Lutetia's own compositions."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

from lutetia.physics.materials import material

ROOT = Path(__file__).resolve().parents[2]


def loaded(path: Path, name: str):
    spec = spec_from_file_location(name, path)
    module = module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[name]
    return module


@pytest.fixture(scope="module")
def bodies():
    return loaded(ROOT / "benchmarks" / "contenders" / "bodies.py", "bodies")


def test_box_phantom_is_that_of_the_peers(bodies):
    path = ROOT.parent / "shared" / "peers" / "phantom.py"
    if not path.exists():
        pytest.skip("the peers' phantom ../shared/peers/phantom.py is not here")
    peers, ours = loaded(path, "peers_phantom"), bodies.box_phantom()
    assert np.array_equal(ours.material, peers.material_map().transpose(2, 1, 0))
    assert np.array_equal(ours.strength > 0, peers.source_mask().transpose(2, 1, 0))
    for name, where in peers.rois().items():
        assert np.array_equal(ours.region == ours.regions.index(name), where.transpose(2, 1, 0)), name


def test_mass_of_the_box_phantom_does_not_depend_on_its_voxels(bodies):
    masses = []
    for n in (32, 64):
        body = bodies.box_phantom(n)
        masses.append(float((body.density * np.prod(body.spacing_cm))[body.material > 0].sum()))
    # the surface of the body is cut off at voxels of 16 and 8 mm
    assert masses[0] == pytest.approx(masses[1], rel=0.01)


def test_compositions_are_whole_and_those_of_the_same_name_here(bodies):
    for name, parts in bodies.COMPOSITIONS.items():
        # rounded to four or more digits by their source, at most thirteen of them
        assert sum(parts.values()) == pytest.approx(1.0, abs=2e-4), name
        assert set(parts) <= set(bodies.ATOMIC_NUMBER)
    for name in ("water", "air", "soft tissue"):
        ours = material(name).mass_fractions
        assert set(ours) == set(bodies.COMPOSITIONS[name])
        for symbol, part in bodies.COMPOSITIONS[name].items():
            assert ours[symbol] == pytest.approx(part, abs=2e-4)


def test_source_of_the_patient_lies_in_the_body(bodies):
    body = bodies.patient(64)
    assert np.all(body.material[body.strength > 0] > 0)
    uptakes = [
        body.strength[body.region == body.regions.index(name)].max() for name in ("liver", "kidneys", "tumour")
    ]
    assert uptakes == [6.0, 40.0, 80.0]


def test_a_body_survives_its_file(bodies, tmp_path):
    body = bodies.slabs([(("water", 1.0), 3), (("bone", 1.85), 2)], 0.1)
    bodies.write(tmp_path / "body.npz", body)
    again = bodies.read(tmp_path / "body.npz")
    assert again.materials == body.materials
    assert tuple(again.regions) == tuple(body.regions)
    assert np.array_equal(again.density, body.density)
    assert np.array_equal(again.beam, body.beam)
