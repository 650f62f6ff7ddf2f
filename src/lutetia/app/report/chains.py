"""Doses of decay chains for reports: keys of documents, and a picture by radiation."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from lutetia.dose.chains import ChainAbsorbedDose, RbeWeightedDose

RADIATIONS: Final = ("alpha", "recoil", "electron", "photon")
COLOURS: Final = {"alpha": "#D55E00", "recoil": "#E69F00", "electron": "#0072B2", "photon": "#999999"}
"""Okabe and Ito's palette."""
Bar = tuple[str, "RbeWeightedDose"]
Panel = tuple[str, Sequence[Bar]]


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
        "rbe": None if weighted is None else rbe_keys(weighted),
        "rbe_weighted_dose_Gy": None if weighted is None else weighted.weighted_gy,
    }  # fmt: skip


def rbe_keys(weighted: "RbeWeightedDose") -> dict[str, Any]:
    """The factor of a weighted dose, the effect it is for, and whose it is."""
    return {
        "value": weighted.rbe, "endpoint": weighted.endpoint, "source": weighted.source, "verified": weighted.verified,
    }  # fmt: skip


def premises_sentence(document: Mapping[str, Any], rbe: Mapping[str, Any] | None) -> str:
    """Horizon and assumption of a document's doses, and ``rbe_keys`` of those weighted, in words."""
    text = f"Decays within {document['horizon_h']:.4g} h; {document['assumption']}."
    if rbe is None:
        return text
    checked = "" if rbe["verified"] else ", not verified"
    return f"{text} RBE {rbe['value']:g} for {rbe['endpoint']} ({rbe['source']}{checked})."


def chain_figure(panels: Sequence[Panel], *, columns: int = 2) -> Any:
    """Small multiples: absorbed doses stacked by radiation, the RBE-weighted dose marked beside each.

    Parameters
    ----------
    panels : title of each, and its bars with their names
    columns : of panels
    """
    from lutetia.app.report.style import TEXT, figure_of_height

    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    figure = figure_of_height(2.7 * rows + 0.5)
    for place, (title, bars) in enumerate(panels):
        axis = figure.add_subplot(rows, columns, place + 1)
        _panel(axis, bars)
        axis.set_title(title, loc="left", fontsize=TEXT, wrap=True)
    handles, labels = max(
        (axis.get_legend_handles_labels() for axis in figure.axes), key=lambda found: len(found[1])
    )
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.supylabel("dose / Gy", fontsize=TEXT)
    return figure


def _panel(axis: Any, bars: Sequence[Bar]) -> None:
    doses = [dose for _, dose in bars]
    bottom = [0.0] * len(doses)
    places = list(range(len(doses)))
    for kind in RADIATIONS:
        heights = [getattr(dose.absorbed.by_radiation, f"{kind}_gy") for dose in doses]
        axis.bar(places, heights, 0.55, bottom=bottom, color=COLOURS[kind], label=kind)
        bottom = [low + height for low, height in zip(bottom, heights, strict=True)]
    u = [dose.absorbed.standard_uncertainty_gy or 0.0 for dose in doses]
    axis.errorbar(places, bottom, u, fmt="none", ecolor="#333333", elinewidth=0.9, capsize=2)
    # without alphas the weighted dose is the absorbed one
    marked = [
        (place, dose.weighted_gy) for place, dose in enumerate(doses) if dose.absorbed.by_radiation.alpha_gy > 0
    ]
    axis.plot(
        [place + 0.4 for place, _ in marked], [weighted for _, weighted in marked], "D", color="#333333", ms=4,
        mfc="white", ls="none", label=f"weighted, RBE {doses[0].rbe:g} for {doses[0].endpoint}" if doses else "weighted",
    )  # fmt: skip
    for place, top, error in zip(places, bottom, u, strict=True):
        _number(axis, place, top + error, top)
    for place, weighted in marked:
        _number(axis, place + 0.4, weighted, weighted, lift=5, color="#555555")
    axis.set(xticks=places, xlim=(-0.6, len(doses) - 0.1))
    axis.set_xticklabels([name for name, _ in bars])
    axis.set_ylim(0, 1.15 * max([*bottom, *(weighted for _, weighted in marked), 1e-9]))


def _number(axis: Any, place: float, height: float, value: float, *, lift: int = 3, color: str = "black") -> None:
    axis.annotate(
        f"{value:.2g}", (place, height), xytext=(0, lift), textcoords="offset points", ha="center", fontsize=7,
        color=color,
    )  # fmt: skip
