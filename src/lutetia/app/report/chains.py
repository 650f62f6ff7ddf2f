"""Doses of decay chains for reports: keys of documents, and a picture by radiation."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from lutetia.dose.chains import ChainAbsorbedDose, RbeWeightedDose

RADIATIONS: Final = ("alpha", "recoil", "electron", "photon")
COLOURS: Final = {"alpha": "#D55E00", "recoil": "#E69F00", "electron": "#0072B2", "photon": "#999999"}
"""Okabe and Ito's palette."""
Panel = tuple[str, Sequence["RbeWeightedDose"]]


def chain_keys(dose: "ChainAbsorbedDose", weighted: "RbeWeightedDose | None") -> dict[str, Any]:
    """Keys of one region about its chain; those of the weighted dose null where none was asked for."""
    parts = dose.by_radiation
    return {
        "by_radiation_Gy": {kind: getattr(parts, f"{kind}_gy") for kind in RADIATIONS},
        "by_member_Gy": {name: member.total_gy for name, member in dose.by_member.items()},
        "by_member_and_radiation_Gy": {
            name: {kind: getattr(member, f"{kind}_gy") for kind in RADIATIONS}
            for name, member in dose.by_member.items()
        },
        "rbe": None
        if weighted is None
        else {
            "value": weighted.rbe, "endpoint": weighted.endpoint, "source": weighted.source,
            "verified": weighted.verified,
        },
        "rbe_weighted_dose_Gy": None if weighted is None else weighted.weighted_gy,
    }  # fmt: skip


def chain_figure(panels: Sequence[Panel], *, columns: int = 2) -> Any:
    """Small multiples: absorbed dose of each region stacked by radiation, the RBE-weighted dose marked beside.

    Parameters
    ----------
    panels : title and doses of each
    columns : of panels
    """
    from lutetia.app.report.style import TEXT, figure_of_height

    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    figure = figure_of_height(2.7 * rows + 0.5)
    for place, (title, doses) in enumerate(panels):
        axis = figure.add_subplot(rows, columns, place + 1)
        _panel(axis, doses)
        axis.set_title(title, loc="left", fontsize=TEXT, wrap=True)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.supylabel("dose / Gy", fontsize=TEXT)
    return figure


def _panel(axis: Any, doses: Sequence["RbeWeightedDose"]) -> None:
    bottom = [0.0] * len(doses)
    places = list(range(len(doses)))
    for kind in RADIATIONS:
        heights = [getattr(dose.absorbed.by_radiation, f"{kind}_gy") for dose in doses]
        axis.bar(places, heights, 0.55, bottom=bottom, color=COLOURS[kind], label=kind)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    axis.errorbar(
        places, bottom, [dose.absorbed.standard_uncertainty_gy or 0.0 for dose in doses], fmt="none", ecolor="#333333",
        elinewidth=0.9, capsize=2,
    )  # fmt: skip
    rbe = doses[0].rbe if doses else 1.0
    axis.plot(
        [place + 0.38 for place in places], [dose.weighted_gy for dose in doses], "D", color="#333333", ms=4,
        mfc="white", label=f"weighted, RBE {rbe:g}",
    )  # fmt: skip
    for place, dose, top in zip(places, doses, bottom, strict=True):
        axis.annotate(
            f"{top:.3g}", (place, top), xytext=(0, 3), textcoords="offset points", ha="center", fontsize=7
        )
        axis.annotate(
            f"{dose.weighted_gy:.3g}", (place + 0.38, dose.weighted_gy), xytext=(0, 5), textcoords="offset points",
            ha="center", fontsize=7, color="#555555",
        )  # fmt: skip
    axis.set(xticks=places, xlim=(-0.6, len(doses) - 0.2))
    axis.set_xticklabels([dose.absorbed.target for dose in doses])
    axis.set_ylim(0, 1.15 * max([*bottom, *(dose.weighted_gy for dose in doses), 1e-9]))
