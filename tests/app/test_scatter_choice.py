"""Which scatter estimate `auto` takes: by the lines that the chain emits, and the windows that there are."""

from pathlib import Path

import numpy as np
import pytest

from lutetia.app.case.settings import Case, ReconstructionSettings
from lutetia.app.workflow.quantify import settings_of
from lutetia.images.acquisition import EnergyWindow, Projections
from lutetia.recon.lines import hard_lines


def projections(*kev):
    windows = tuple(EnergyWindow(lower_mev=a / 1e3, upper_mev=b / 1e3) for a, b in kev)
    return Projections(
        counts=np.ones((len(windows), 2, 2, 2), np.float32), windows=windows, angle_rad=np.array([0.0, np.pi]),
        radius_mm=np.full(2, 200.0), frame_duration_s=np.ones(2), pixel_mm=(9.6, 9.6), centre_mm=(0.0, 0.0, 0.0),
        detector=np.zeros(2, int), start_time=None, duration_s=2.0,
    )  # fmt: skip


PEAK, LOW, HIGH = (214.8, 262.5), (202.8, 214.7), (262.6, 274.5)
CASES = {"Pb-212": 0.23863, "Lu-177": 0.20837, "Ac-225": 0.44045, "I-131": 0.36449}


def chosen(name, windows, energy=0.23863, *, wanted="auto", has_ct=True):
    case = Case(folder=Path(), reconstruction=ReconstructionSettings(scatter=wanted))
    settings, told = settings_of(case, projections(*windows), [(name, energy)], has_ct=has_ct)
    return settings.scatter, " ".join(told)


def test_hard_lines_are_those_of_the_chain():
    found = {
        name: [(x.member, round(1e3 * x.energy_mev)) for x in hard_lines(name, e)] for name, e in CASES.items()
    }
    # ICRP 107: 0.992 of 208Tl * 0.359 * 1.11 per decay of 212Pb
    assert found["Pb-212"][0] == ("Tl-208", 2615)
    assert ("Tl-209", 1567) in found["Ac-225"]
    assert found["Lu-177"] == found["I-131"] == []  # 321 keV; 637 and 723 keV
    assert hard_lines("Bi-213", 0.44045)[0].member == "Tl-209"


@pytest.mark.parametrize(
    ("windows", "method", "said"),
    [
        ((LOW, PEAK, HIGH), "tew", "as they hold photons of 2615 keV of Tl-208"),
        ((LOW, PEAK), "dew", "from the lower one alone"),
        ((PEAK,), "model", "scatter by transport does not hold photons of 2615 keV of Tl-208"),
    ],
)
def test_hard_photons_are_left_to_the_windows(windows, method, said):
    found, told = chosen("Pb-212", windows)
    assert found == method
    assert said in told


def test_all_others_keep_the_model_and_an_order_is_an_order():
    windows = ((166.9, 186.3), (187.2, 228.8), (229.6, 251.2))
    assert chosen("Lu-177", windows, CASES["Lu-177"]) == ("model", "")
    assert chosen("Lu-177", windows, CASES["Lu-177"], has_ct=False)[0] == "tew"
    assert chosen("Pb-212", (LOW, PEAK, HIGH), wanted="model") == ("model", "")
    assert chosen("Pb-212", (PEAK,), has_ct=False)[0] == "none"
