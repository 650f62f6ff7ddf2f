"""Histories on a CUDA device against the processor's: in numba's simulator, on a device where there is one, as PTX."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lutetia import devices
from lutetia.dose.montecarlo.device import launch
from lutetia.dose.montecarlo.device.port import Port
from lutetia.dose.montecarlo.follow import follow_electrons, follow_photons
from lutetia.dose.montecarlo.nuclide import nuclide_deposits
from lutetia.dose.montecarlo.stack import deposit, floored, slot_of
from lutetia.errors import InputError, MissingDataError

from .device_checks import lines, two_parts

CHECKS = Path(__file__).with_name("device_checks.py")
KERNELS = ("track length", "track length twice", "collision", "analog", "coupled", "electrons")


def checked(*arguments, **environment):
    done = subprocess.run(
        [sys.executable, *(("-W", "error") if environment else ()), str(CHECKS), *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def simulated():
    # 5 launches of 8 threads, so that threads take several histories and launches go on where one ended
    return checked("compare", 32, 4, 2, 7, NUMBA_ENABLE_CUDASIM="1")


@pytest.mark.parametrize("name", ["track length", "track length twice", "collision", "analog", "electrons"])
def test_the_simulator_counts_what_the_processor_counts(simulated, name):
    tallies, emitted, escaped, most = simulated[name]
    # law: the same functions on the same random numbers; a rounding may shift a deposit by 1 unit of 2^-34 MeV, and 2
    # histories of a batch make fewer than 200 deposits in a region
    assert most > 2**29
    assert emitted == 0
    assert tallies <= 200
    assert escaped <= 4


@pytest.mark.parametrize("name", ["coupled", "positrons"])
def test_coupled_histories_are_the_same_in_single_precision(simulated, name):
    tallies, emitted, escaped, most = simulated[name]
    # photons of electrons see the densities here, on the processor those that carry the material (2^-16 apart); the
    # simulator divides by single-precision majorants as numpy does, in single precision, where processor and device use
    # double: places shift by 1e-7 of a path, energies at the borders of voxels with them
    assert emitted == 0
    assert max(tallies, escaped) < 1e-5 * most


def test_a_device_counts_what_the_processor_counts():
    if not devices.available():
        pytest.skip(f"no CUDA device here: {devices.missing()}")
    for name, (tallies, emitted, escaped, most) in checked("compare", 40_000, 128, 64, 30_000).items():
        # other libraries' logarithms differ in the last bit, so that one in many choices may fall otherwise: a few
        # histories of a few thousand in a batch
        assert emitted == 0, name
        assert max(tallies, escaped) < 2e-3 * most, name


@pytest.mark.parametrize("capability", [75, 90])
def test_every_kernel_compiles_without_a_device(capability):
    if importlib.util.find_spec("numba_cuda") is None:
        pytest.skip("numba-cuda is not installed, and the target built into numba does not compile min and max")
    found = checked("compile", capability)
    assert found == {name: [] for name in KERNELS}


@pytest.mark.parametrize("follow", [follow_photons, follow_electrons])
def test_without_a_device_nothing_is_computed(monkeypatch, follow):
    monkeypatch.setattr(devices, "missing", lambda: "the driver was not found")
    scene = two_parts()
    run = {"scene": scene, "strength": np.ones(scene.grid.shape), "seed": 1}
    with pytest.raises(MissingDataError, match="used here: the driver was not found"):
        follow(**run, lines=lines(0.2), n_histories=10, device="cuda")
    with pytest.raises(MissingDataError, match="used here: the driver was not found"):
        nuclide_deposits(**run, nuclide="Lu-177", relative_uncertainty=0.1, device="cuda")
    with pytest.raises(InputError, match="Device 'tpu'; expected one of cpu, cuda"):
        follow(**run, lines=lines(0.2), n_histories=10, device="tpu")


def test_a_device_without_its_compiler_is_told(monkeypatch):
    monkeypatch.setattr(devices, "missing", lambda: "")
    monkeypatch.setattr(launch.importlib.util, "find_spec", lambda name: None)
    scene = two_parts()
    with pytest.raises(MissingDataError, match=r"numba-cuda, which is not installed\. Install the extra"):
        follow_photons(
            scene=scene, strength=np.ones(scene.grid.shape), lines=lines(0.2), n_histories=10, seed=1, device="cuda"
        )


def test_a_port_takes_along_what_is_called_and_compiles_it_once():
    compiled = []

    def compiler(function):
        compiled.append(function.__name__)
        return function

    port = Port(compiler, {"floored": lambda value: -1})
    assert port(floored)(2.5) == -1  # in other words
    assert port(deposit) is port(deposit)
    tally = np.zeros(2, np.int64)
    port(deposit)(tally, 0, 1.0)
    assert tally.tolist() == [2**34, 0]
    assert port(slot_of)((np.zeros((2, 3, 4)), None, np.zeros((0, 0, 0))), 1, 2, 1) == 21
    assert compiled == ["deposit", "slot_of"]
