"""Figure and table of docs/methods/alpha.md: one patient, the same dose to the lesion by four treatments.

python tools/docs/alpha_comparison.py docs/images/alpha_comparison.png
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from matplotlib import rc_context

from lutetia.app.case.redistribution import read_redistribution
from lutetia.app.report.chains import chain_figure
from lutetia.app.report.style import STYLE, encoded
from lutetia.app.workflow.chains import relative_u, scenario_of
from lutetia.app.workflow.prediction.source import Mass
from lutetia.dose.chains import (
    RADIATIONS,
    USUAL_HALF_LIVES,
    Body,
    chain_absorbed_doses,
    contributions,
    rbe_weighted,
)
from lutetia.kinetics.fit import fit_curve
from lutetia.kinetics.measured.curve_table import read_curves
from lutetia.kinetics.pairs.prediction import predict_curve
from lutetia.kinetics.pairs.uptake import pair_of, uptake_ratio
from lutetia.kinetics.redistribution import EQUILIBRIUM, Redistribution
from lutetia.physics.chains import chain
from lutetia.physics.nuclides import nuclide
from lutetia.units import BQ_PER_MBQ, MBQ_PER_BQ

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"
TARGETS = ("kidneys", "red marrow", "lesion")
LESION_GY = 10.0
BODY = Body(
    sex="female",
    masses={
        "kidneys": Mass(value_g=290.0, relative_u=0.05), "liver": Mass(value_g=1500.0, relative_u=0.05),
        "spleen": Mass(value_g=150.0, relative_u=0.05), "red marrow": Mass(value_g=900.0, relative_u=0.2),
        "lesion": Mass(value_g=12.0, relative_u=0.08),
    },
    lesions=frozenset({"lesion"}),
)  # fmt: skip


@dataclass(frozen=True)
class Curve:
    """A predicted curve as a sum of exponentials."""

    region: str
    exponentials: tuple[tuple[float, float], ...]


def measured(name: str, file: str) -> tuple[list, dict]:
    """Fits of a nuclide's own curves, and their relative uncertainties."""
    rate = nuclide(name).decay_constant_per_s
    fits = [fit_curve(c, decay_constant_per_s=rate, model="auto") for c in read_curves(EXAMPLES / file).curves]
    return fits, relative_u({fit.region: fit for fit in fits})


def predicted(imaging: str, therapy: str, file: str, given_bq: float) -> tuple[list[Curve], dict]:
    """Curves of the therapy for as much of it as was given for images, from those images."""
    pair, first, second = pair_of(imaging, therapy), nuclide(imaging), nuclide(therapy)
    curves, u = [], {}
    for curve in read_curves(EXAMPLES / file).curves:
        kind = "lesion" if curve.region == "lesion" else "organ"
        found = predict_curve(
            curve, imaging_per_s=first.decay_constant_per_s, therapy_per_s=second.decay_constant_per_s,
            administered_activity_bq=given_bq, ratio=uptake_ratio(pair, curve.region, kind=kind, agent=""),
            horizon_s=USUAL_HALF_LIVES * second.half_life_s,
        )  # fmt: skip
        curves.append(Curve(curve.region, found.fit.exponentials))
        u[curve.region] = found.relative_u
    return curves, u


def treatment(name: str, curves: list, u: dict, given_mbq: float, scenario: Redistribution) -> tuple[float, dict]:
    """Activity [MBq] that gives the lesion its dose, and the doses with it."""
    horizon_s = USUAL_HALF_LIVES * nuclide(name).half_life_s
    parts = contributions(chain(name), curves, horizon_s=horizon_s, scenario=scenario, relative_u=u)
    doses, _ = chain_absorbed_doses(parts, body=BODY)
    scale = LESION_GY / doses["lesion"].total_gy
    return given_mbq * scale, {target: doses[target].times(scale) for target in TARGETS}


def all_treatments() -> dict[str, tuple[float, dict]]:
    """Name -> activity and doses."""
    actinium = measured("Ac-225", "curves_ac225.csv")
    lead_mbq = 200.0
    return {
        "177Lu": treatment("Lu-177", *measured("Lu-177", "curves_lu177.csv"), 7400.0, EQUILIBRIUM),
        "225Ac\nstays": treatment("Ac-225", *actinium, 8.0, EQUILIBRIUM),
        "225Ac\nleaves": treatment(
            "Ac-225", *actinium, 8.0, read_redistribution(EXAMPLES / "ac225_daughters.yaml")
        ),
        "212Pb\n36 %": treatment(
            "Pb-212", *predicted("Pb-203", "Pb-212", "curves_pb203.csv", lead_mbq * BQ_PER_MBQ),
            lead_mbq, scenario_of("Pb-212", file=None, released="published"),
        ),
    }  # fmt: skip


def main() -> None:
    """Compute, print the tables, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    found = all_treatments()
    for name, (activity_mbq, doses) in found.items():
        print(f"{name!r}: {activity_mbq:.3g} MBq ({activity_mbq / MBQ_PER_BQ:.3g} Bq)")
        for target, dose in doses.items():
            parts = ", ".join(f"{kind} {dose.by_radiation.of(kind):.3g}" for kind in RADIATIONS)
            members = ", ".join(f"{member} {part.total_gy:.3g}" for member, part in dose.by_member.items())
            print(
                f"  {target}: {dose.total_gy:.3g} +- {dose.standard_uncertainty_gy or 0:.2g} Gy; {parts}; "
                f"RBE 5: {rbe_weighted(dose).weighted_gy:.3g}; {members}"
            )
    panels = [
        (target, [(name, rbe_weighted(doses[target])) for name, (_, doses) in found.items()]) for target in TARGETS
    ]
    with rc_context(STYLE):
        arguments.out.write_bytes(encoded(chain_figure(panels, columns=3)))


if __name__ == "__main__":
    main()
