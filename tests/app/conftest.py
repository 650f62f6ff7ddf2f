"""A small patient whose whole report is known."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from lutetia.app.report.content import RegionResult, ReportContent, ScanSummary
from lutetia.dose.absorbed_dose import AbsorbedDose, UncertaintyComponent
from lutetia.images.acquisition import Administration, TimePoint
from lutetia.images.grid import Grid
from lutetia.images.regions import Region, Regions
from lutetia.images.volume import Volume
from lutetia.kinetics.curve import CurveFit, TimeActivityCurve
from lutetia.units import BQ_PER_MBQ, H_PER_S, S_PER_H

CT = Grid(size=(110, 80, 100), spacing_mm=(4.0, 4.0, 5.0), origin_mm=(-218.0, -158.0, -247.5))
SPECT = Grid(size=(64, 48, 72), spacing_mm=(7.0, 7.0, 7.5), origin_mm=(-220.5, -164.5, -266.25))

# name, kind, centre [mm], half axes [mm], HU, dose [Gy], half-life [h]; left of the patient is +x, the back +y
ORGANS = [
    ("liver", "organ", (-75, -5, 60), (85, 65, 70), 60, 3.1, 68.0),
    ("spleen", "organ", (100, 35, 70), (30, 30, 45), 50, 6.4, 72.0),
    ("kidney left", "organ", (65, 50, -20), (25, 25, 52), 35, 4.9, 51.0),
    ("kidney right", "organ", (-65, 50, -30), (25, 25, 52), 35, 4.4, 53.0),
    ("red marrow", "organ", (0, 60, 0), (18, 18, 230), 220, 0.21, 60.0),
    ("lesion 1", "lesion", (-95, -15, 85), (22, 22, 22), 45, 38.0, 96.0),
    ("lesion 2", "lesion", (35, -50, -120), (12, 12, 12), 40, 24.0, 110.0),
]
BODY = (175.0, 120.0)
TIMES_H = (4.2, 23.9, 71.5, 167.0)


def ellipsoid(grid: Grid, centre, axes) -> np.ndarray:
    k, j, i = np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij")
    position = grid.position_mm(np.stack((i, j, k), axis=-1).astype(float))
    return (((position - centre) / axes) ** 2).sum(axis=-1) <= 1


def result_of(name, kind, dose_gy, half_life_h, times_h, volume_ml) -> RegionResult:
    decay = np.log(2) / (half_life_h * S_PER_H)
    start_bq = max(dose_gy, 0.01) * volume_ml * 0.45 * BQ_PER_MBQ
    time_s = np.array(times_h) * S_PER_H
    activity = start_bq * np.exp(-decay * time_s) * (1 + 0.04 * np.cos(3 * np.arange(time_s.size)))
    total = start_bq / decay
    known = len(times_h) > 1
    fit = CurveFit(
        region=name,
        model="mono-exponential" if known else "single time point (Hänscheid 2018)",
        parameters={"activity_bq": start_bq, "rate_per_s": decay},
        covariance=None,
        aicc=None,
        time_integrated_activity_bq_s=total,
        standard_uncertainty_bq_s=0.06 * total if known else None,
        effective_half_life_s=half_life_h * S_PER_H if known else None,
        extrapolated_fraction=float(np.exp(-decay * time_s[-1])),
        activity_at=lambda t: start_bq * np.exp(-decay * np.asarray(t)),
        band_at=(lambda t: 0.05 * start_bq * np.exp(-0.7 * decay * np.asarray(t))) if known else None,
        warnings=() if known else ("one time point: the effective half-life is assumed",),
    )
    histogram = np.linspace(0, 2.2 * dose_gy, 60)
    dose = AbsorbedDose(
        region=name,
        kind=kind,
        mass_g=1.05 * volume_ml,
        mean_gy=dose_gy,
        standard_uncertainty_gy=0.118 * dose_gy if known else None,
        method="local deposition with sphere model",
        budget=(
            UncertaintyComponent(name="calibration", relative=0.05, shared=True),
            UncertaintyComponent(name="volume and partial volume", relative=0.08),
            UncertaintyComponent(name="curve fit", relative=0.06),
            UncertaintyComponent(name="S-coefficient", relative=0.03),
        )
        if known
        else (),
        dvh_dose_gy=histogram if kind != "remainder" else np.zeros(0),
        dvh_volume_fraction=1 / (1 + (histogram / dose_gy) ** 6) if kind != "remainder" else np.zeros(0),
        cross_checks={"S-coefficients": 1.03 * dose_gy},
    )
    u = 0.05 * activity if known else None
    return RegionResult(
        region=name,
        kind=kind,
        side="left" if "left" in name else "right" if "right" in name else "",
        source="RTSTRUCT",
        volume_ml=volume_ml,
        curve=TimeActivityCurve(region=name, time_s=time_s, activity_bq=activity, standard_uncertainty_bq=u),
        fit=fit,
        dose=dose,
        recovery_coefficients=tuple(0.85 for _ in times_h) if kind == "lesion" else (),
    )


def build(organs, times_h, *, with_ct=True, truth=True) -> ReportContent:
    labels = np.zeros(CT.shape, dtype=np.int16)
    body = ellipsoid(CT, (0, 0, 0), (*BODY, 1e6))
    hu = np.where(body, 20.0, -1000.0)
    gy = np.where(ellipsoid(SPECT, (0, 0, 0), (*BODY, 1e6)), 0.08, 0.0)
    table = {}
    for label, (name, kind, centre, axes, density, dose, _) in enumerate(organs, start=1):
        inside = ellipsoid(CT, centre, axes)
        labels[inside], hu[inside] = label, density
        gy[ellipsoid(SPECT, centre, axes)] = dose
        table[label] = Region(name=name, kind=kind, source="RTSTRUCT")
    labels[(labels == 0) & body] = len(organs) + 1
    table[len(organs) + 1] = Region(name="remainder", kind="remainder", source="remainder")
    regions = Regions(grid=CT, labels=labels, table=table)
    rows = [(n, k, d, t) for n, k, _, _, _, d, t in organs] + [("remainder", "remainder", 0.15, 55.0)]
    results = tuple(result_of(n, k, d, t, times_h, max(regions.volume_ml(n), 1.0)) for n, k, d, t in rows)
    dose = Volume(grid=SPECT, values=gy.astype(np.float32), unit="Gy")
    points = tuple(
        TimePoint(
            label=f"scan {i}", time_s=t * S_PER_H, image=dose.with_values(gy * 1.5e5 * 2 ** (-t / 60.0), "Bq/mL")
        )
        for i, t in enumerate(times_h, start=1)
    )
    return ReportContent(
        subject="SUBJECT-01",
        administration=Administration(
            nuclide="Lu-177",
            activity_bq=7.4e9,
            agent="177Lu-DOTATATE",
            time=datetime(2024, 3, 4, 9, 30),  # noqa: DTZ001, RUF100
        ),
        scans=tuple(
            ScanSummary(
                label=p.label,
                time_h=p.time_s * H_PER_S,
                start="2024-03-04 13:42",
                equipment="Maker Camera 870",
                beds=1,
                counts=8.4e6,
                total_activity_mbq=5200 * 2 ** (-p.time_s * H_PER_S / 60),
                registration="reference" if p is points[0] else "rigid: moved by 3.1 mm, outlines within 1.2 mm",
            )
            for p in points
        ),
        time_points=points,
        reference=points[0].label,
        ct=Volume(grid=CT, values=hu.astype(np.float32), unit="HU") if with_ct else None,
        regions=regions,
        time_integrated_activity=dose.with_values(gy * 4e10, "Bq s/mL"),
        dose=dose,
        results=results,
        methods={"images": "OSEM, 8 iterations", "absorbed dose": "local deposition <checked>"},
        warnings=("kidney left: 12 % of the activity lies outside the CT & was left out",),
        provenance={"software": "Lutetia", "inputs": {"scan 1": {"emission_sha256": ["ab12" * 16, "cd34" * 16]}}},
        checklist={"administered activity": True, "CT of every scan": with_ct, "three or more scans": len(times_h) > 2},
        truth_gy={n: d * 1.04 for n, _, d, _ in rows} if truth else None,
    )  # fmt: skip


@pytest.fixture(scope="session")
def content() -> ReportContent:
    """Eight regions, four scans, a CT and the truth."""
    return build(ORGANS, TIMES_H)


@pytest.fixture(scope="session")
def sparse() -> ReportContent:
    """One scan, no CT, no truth, nothing known about the uncertainty."""
    return build(ORGANS[2:4], TIMES_H[1:2], with_ct=False, truth=False)


@pytest.fixture(scope="session")
def crowded() -> ReportContent:
    """Thirty regions with long names, six scans."""
    grid = [(x, y, z) for z in (-200, -120, -40, 40, 120) for x in (-100, -30, 40, 110) for y in (-50, 40)][:29]
    organs = [
        (f"metastasis segment {n}", "lesion", at, (16, 16, 16), 45, 2.0 + 1.5 * n, 70.0)
        for n, at in enumerate(grid)
    ]
    return build(organs, (1.0, 4.0, 24.0, 48.0, 96.0, 168.0), truth=False)


@pytest.fixture(scope="session")
def changed() -> Callable[..., ReportContent]:
    """A report with some of its content replaced."""
    return replace
