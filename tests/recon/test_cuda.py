"""The CUDA projector against the processor's: in numba's simulator, and on a device where there is one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lutetia import devices
from lutetia.errors import InputError, MissingDataError
from lutetia.recon import cuda
from lutetia.recon.projector import spect_system

from .conftest import make_orbit

CHECKS = Path(__file__).with_name("cuda_checks.py")
WHERE = [
    # edge in voxels, views, block; the blocks are smaller than a plane, so that threads take several turns
    pytest.param(("simulator", (8, 4, 2, 3)), id="simulator-8"),  # 5 s in all
    pytest.param(("simulator", (12, 4, 3, 2)), id="simulator-12", marks=pytest.mark.slow),  # 12 s
    pytest.param(("device", (64, 16)), id="device-64"),
]


def python(code, *arguments, **environment):
    """Output of a process of its own, as numba reads its environment when it is imported."""
    done = subprocess.run(
        [sys.executable, "-W", "error", *code, *(str(a) for a in arguments)],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=WHERE)
def differences(request):
    where, arguments = request.param
    if where == "device" and not devices.available():
        pytest.skip("no CUDA device here")
    environment = {"NUMBA_ENABLE_CUDASIM": "1"} if where == "simulator" else {}
    return json.loads(python([str(CHECKS)], *arguments, **environment))


@pytest.mark.parametrize("model", ["plain", "full", "wide", "tail"])
def test_projections_are_those_of_the_processor(differences, model):
    found = differences[model]
    # law: one model; float32 sums of the same terms in another order, eps 6e-8 times a few hundred roundings at most
    assert found["forward"] < 1e-5
    assert found["adjoint"] < 1e-5
    assert found["transpose"] < 1e-5


def test_the_models_take_every_way_through_the_kernels(differences):
    assert differences["full"]["columns"] < 1  # planes end inside the detector, their ends are walked
    assert differences["wide"]["passes"] > 1
    assert differences["plain"]["passes"] == 1
    assert [differences[m]["components"] for m in ("full", "tail")] == [1, 2]


def test_osem_gives_the_same_image(differences):
    # law: one algorithm; 0.5 % of the largest voxel is allowed to rounding that iterations amplify
    assert differences["osem"] < 5e-3


def test_the_processor_is_the_system_itself():
    system = spect_system(orbit=make_orbit([0.0]), camera=None, attenuation=None)
    assert cuda.on_device(system, "cpu") is system
    with pytest.raises(InputError, match="Device 'tpu'; expected one of cpu, cuda"):
        cuda.on_device(system, "tpu")


def test_without_a_device_the_error_names_what_is_missing(monkeypatch):
    system = spect_system(orbit=make_orbit([0.0]), camera=None, attenuation=None)
    monkeypatch.setattr(devices, "missing", lambda: "the driver was not found")
    assert not devices.available()
    with pytest.raises(MissingDataError, match=r"used here: the driver was not found\. Expected an NVIDIA GPU"):
        cuda.on_device(system, "cuda")


def test_the_reason_comes_from_the_driver_and_nothing_is_imported_before():
    code = (
        "import sys, lutetia.devices as c, lutetia.dose.montecarlo.nuclide, lutetia.recon.reconstruct; "
        "early = [m for m in sys.modules if m.startswith('numba.cuda')]; "
        "import json; print(json.dumps([early, c.available(), c.missing()]))"
    )
    early, available, missing = json.loads(python(["-c", code], NUMBA_DISABLE_CUDA="1", NUMBA_ENABLE_CUDASIM="0"))
    assert early == []
    assert not available
    assert missing.startswith("Error at driver init: CUDA is disabled due to setting NUMBA_DISABLE_CUDA=1")


def test_more_views_than_the_system_has_are_refused():
    code = (
        "import numpy as np; from lutetia.recon.cuda import on_device; from lutetia.errors import InputError\n"
        "from lutetia.recon.orbit import Orbit\n"
        "from lutetia.recon.projector import spect_system\n"
        "orbit = Orbit(angle_rad=np.zeros(1), radius_mm=np.full(1, 50.0), frame_duration_s=np.ones(1), n_rows=4,"
        " pixel_mm=(4.0, 4.0), centre_mm=(0.0, 0.0, 0.0), n_columns=4)\n"
        "system = on_device(spect_system(orbit=orbit, camera=None, attenuation=None), 'cuda')\n"
        "try: system.project(np.zeros((4, 4, 4), np.float32), np.zeros(2, int))\n"
        "except InputError as error: print(error)"
    )
    told = python(["-c", code], NUMBA_ENABLE_CUDASIM="1")
    assert told.strip() == "2 views at once; expected at most the 1 of the system."
