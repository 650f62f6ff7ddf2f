"""Virtual acquisitions of nuclides with daughters: windows, lines, maps of members, photons through the collimator."""

from dataclasses import replace

import numpy as np
import pytest

from lutetia.errors import InputError, MissingDataError
from lutetia.images.acquisition import EnergyWindow
from lutetia.phantoms.acquire import SMALL, expected_projections
from lutetia.phantoms.imaging import (
    ImagingSettings,
    flat_background,
    imaging_of,
    source_maps,
    sources_of,
    with_nuclide,
)
from lutetia.phantoms.virtual_patient import draw_patient
from lutetia.physics.nuclides import nuclide

COARSE = replace(SMALL, n_views=8, n_columns=32, n_rows=20, pixel_mm=19.2, fine_mm=9.6)


def maps_of(patient, imaging, members=None):
    return source_maps(patient, imaging, 24.0, motion=np.eye(4), spacing_mm=COARSE.fine_mm, members=members)


@pytest.mark.parametrize(
    ("name", "kev", "windows"),
    [("Lu-177", [208], 3), ("Ac-225", [218, 440], 6), ("Pb-212", [239], 3), ("Pb-203", [279], 3)],
)
def test_windows_hold_their_photopeaks(name, kev, windows):
    imaging = imaging_of(name)
    assert [round(1e3 * e) for e in imaging.photopeaks_mev] == kev
    assert len(imaging.windows) == windows
    for energy in imaging.photopeaks_mev:
        (own,) = [w for w in imaging.windows if w.lower_mev < energy < w.upper_mev]
        assert own.width_mev == pytest.approx(0.2 * energy, rel=2e-3)  # 20 %
    assert imaging.sensitivity_cps_per_mbq > 0


def test_what_is_not_known_is_named():
    with pytest.raises(MissingDataError, match=r"No energy windows are known for At-211, only for Ac-225, Lu-177"):
        imaging_of("At-211")
    with pytest.raises(InputError, match="at least one energy window and one photopeak"):
        ImagingSettings(windows=(), photopeaks_mev=(0.2,))
    with pytest.raises(MissingDataError, match="No energy window holds the photopeak of 440 keV"):
        ImagingSettings(windows=(EnergyWindow(lower_mev=0.19, upper_mev=0.22),), photopeaks_mev=(0.44,))
    with pytest.raises(InputError, match="penetration share -1"):
        replace(imaging_of("Lu-177"), penetration_share=-1)


def test_daughters_lines_come_from_their_own_map():
    francium, bismuth = sources_of("Ac-225", imaging_of("Ac-225"))
    assert (francium.member, bismuth.member) == ("Fr-221", "Bi-213")
    # 209Tl follows from 213Bi: 1567 keV, 0.998 * 0.0209 / 0.261 (ICRP 107)
    lines = {round(1e3 * e.energy_mev): e.relative_yield for e in bismuth.peak.emissions}
    assert lines[1567] == pytest.approx(0.998 * 0.0209 / 0.262, rel=0.01)
    assert not any(e.energy_mev > 1.0 for e in francium.peak.emissions)
    assert bismuth.peak.camera.tail.share > 0.3
    assert francium.peak.camera.tail is None


def test_the_same_biology_with_another_nuclide():
    patient = draw_patient(3)
    lead = with_nuclide(patient, "Pb-212", 130e6)
    assert lead.administration.nuclide == "Pb-212"
    assert lead.administration.activity_bq == 130e6
    given = patient.administration.activity_bq
    for region in patient.kinetics:
        for hours in (4.0, 18.0):
            # law: what is there, decay taken out, is the same share of what was given
            shares = [
                float(p.activity_bq_at(region, hours * 3600))
                / a
                * np.exp(nuclide(n).decay_constant_per_s * hours * 3600)
                for p, a, n in ((patient, given, "Lu-177"), (lead, 130e6, "Pb-212"))
            ]
            assert shares[0] == pytest.approx(shares[1], rel=1e-9)
    with pytest.raises(InputError, match="expected an activity above 0"):
        with_nuclide(patient, "Pb-212", 0.0)


def test_members_may_lie_elsewhere():
    patient = with_nuclide(draw_patient(3), "Ac-225", 8e6)
    imaging = imaging_of("Ac-225")
    kidneys = {n: k for n, k in patient.kinetics.items() if n.startswith("kidney")}
    together, apart = maps_of(patient, imaging), maps_of(patient, imaging, {"Bi-213": kidneys})
    total = [[float(m[1].values.sum(dtype=float)) for m in maps] for maps in (together, apart)]
    assert total[0][0] == pytest.approx(total[0][1])  # equilibrium: one map for both
    assert total[1][0] == pytest.approx(total[0][0])
    there = sum(float(k.activity_bq(24 * 3600)) for k in kidneys.values())
    grid = apart[1][1].grid
    # the map stands for the parent that would be in equilibrium with it
    assert total[1][1] * grid.voxel_ml == pytest.approx(there / apart[1][0].per_parent, rel=1e-5)
    with pytest.raises(InputError, match="Activity of At-217; imaged are Fr-221, Bi-213"):
        maps_of(patient, imaging, {"At-217": kidneys})


def test_photons_through_the_collimator_are_flat():
    imaging = replace(imaging_of("Ac-225"), penetration_share=0.1)
    flat = flat_background(imaging, {0.21812: 50.0, 0.44045: 80.0}, np.array([2.0, 4.0]), pixels=100)
    by_name = {w.name: row for w, row in zip(imaging.windows, flat, strict=True)}
    assert by_name["Bi213_EM"] == pytest.approx([0.1 * 80 * 2 / 100, 0.1 * 80 * 4 / 100])
    assert by_name["Fr221_EM"] == pytest.approx([0.1, 0.2])
    # law: even over energy, so that windows beside a peak have their widths' share
    low = next(w for w in imaging.windows if w.name == "Bi213_low")
    own = next(w for w in imaging.windows if w.name == "Bi213_EM")
    assert by_name["Bi213_low"] == pytest.approx(by_name["Bi213_EM"] * low.width_mev / own.width_mev)


def test_counts_of_lead_and_of_actinium():
    lutetium = draw_patient(3)
    counts = {}
    for name in ("Ac-225", "Pb-212"):
        patient = with_nuclide(lutetium, name, 8e6)
        settings = replace(COARSE, imaging=replace(imaging_of(name), penetration_share=0.0))
        maps = maps_of(patient, settings.imaging)
        counts[name] = expected_projections(patient, maps, 310.0, settings, seed=1)
        assert counts[name].windows == settings.imaging.windows
        more = replace(settings, imaging=replace(settings.imaging, penetration_share=0.1))
        with_flat = expected_projections(patient, maps, 310.0, more, seed=1)
        rest = (with_flat.counts - counts[name].counts)[0]
        assert rest.std() < 1e-3 * rest.mean() + 1e-4 * counts[name].counts[0].max()
        assert rest.sum() > 0
    named = {w.name: float(c.sum()) for w, c in zip(counts["Ac-225"].windows, counts["Ac-225"].counts, strict=True)}
    # 440 keV scattered down to 218 keV is a large part of what is counted there
    assert named["Fr221_EM"] > named["Bi213_EM"] > named["Bi213_low"] > named["Bi213_high"]
