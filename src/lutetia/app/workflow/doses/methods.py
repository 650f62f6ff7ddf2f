"""Which dose methods are computed, and which of them is the result."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lutetia.app.case.settings import DoseMethod, DoseSettings
from lutetia.app.workflow.doses.maps import MASS_CONVENTION, PatientMaps
from lutetia.app.workflow.doses.montecarlo import monte_carlo_method
from lutetia.app.workflow.doses.organs import organ_method
from lutetia.app.workflow.doses.voxel_methods import (
    MethodDoses,
    MethodName,
    kernel_method,
    local_method,
    water_maps,
)  # fmt: skip
from lutetia.dose.chains import ChainAbsorbedDose, Contribution
from lutetia.dose.organ_level.coefficients import ReferenceTable
from lutetia.images.volume import Volume

Progress = Callable[[str, float], None]

ORDER: Final[tuple[MethodName, ...]] = ("local", "kernel", "montecarlo", "organ")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DoseMethods:
    """All methods that were computed.

    Attributes
    ----------
    chosen : the one whose doses are the result
    reason : why, in words
    by_name : name -> doses, in the order of the report's columns
    warnings : what the user should know of the choice
    """

    chosen: MethodName
    reason: str
    by_name: Mapping[MethodName, MethodDoses]
    warnings: tuple[str, ...]

    @property
    def result(self) -> MethodDoses:
        """The chosen method."""
        return self.by_name[self.chosen]

    @property
    def voxels(self) -> Volume:
        """Dose map for histograms and images: of the chosen method, or of local deposition where it has none."""
        found = self.result.voxels if self.result.voxels is not None else self.by_name["local"].voxels
        assert found is not None, "local deposition always has a map"
        return found

    @property
    def chain(self) -> Mapping[str, ChainAbsorbedDose]:
        """Doses of regions by chain member: of the chosen method, or of local deposition where it has none."""
        return self.result.chain or self.by_name["local"].chain

    def record(self) -> dict[str, Any]:
        """What provenance keeps."""
        return {
            "method": self.chosen,
            "chosen because": self.reason,
            "mass convention": MASS_CONVENTION,
            "methods": {
                name: {"description": method.description, **method.record} for name, method in self.by_name.items()
            },
        }


def compute_methods(
    settings: DoseSettings,
    maps: PatientMaps,
    table: ReferenceTable | None,
    *,
    parts: Sequence[Contribution] = (),
    progress: Progress,
) -> DoseMethods:
    """The methods that are cheap, and Monte Carlo where it is asked for or fits its time.

    ``parts`` are the decays of the chain where daughters are followed. Of an alpha emitter ``auto`` is local deposition,
    for its particles end within a voxel, or organs where daughters leave.
    """
    wanted, why = _for_alphas(settings.method, maps)
    progress("Absorbed dose by kernels", 0.0)
    water = water_maps(maps)
    found: dict[MethodName, MethodDoses] = {
        "local": local_method(maps, water), "kernel": kernel_method(maps, water), "organ": organ_method(maps, table, parts),
    }  # fmt: skip
    chosen: MethodName = "kernel" if wanted == "auto" else wanted
    reason, warnings = why or "asked for", _of_leaving(maps)
    if wanted in ("auto", "montecarlo"):
        budget_s = settings.time_budget_s if wanted == "auto" else None
        run = monte_carlo_method(
            maps, water, found["kernel"].mean_gy, settings, time_budget_s=budget_s, progress=progress
        )
        if isinstance(run, MethodDoses):
            found["montecarlo"], chosen = run, "montecarlo"
            warnings.extend(run.warnings)
            reason = "asked for" if wanted == "montecarlo" else "the default, and it fits the time allowed"
        else:
            reason = run
            warnings.append(f"Absorbed doses by kernel in place of Monte Carlo: {run}")
    kept = {name: found[name] for name in ORDER if name in found}
    return DoseMethods(chosen=chosen, reason=reason, by_name=kept, warnings=tuple(warnings))


def _for_alphas(wanted: DoseMethod, maps: PatientMaps) -> tuple[DoseMethod, str]:
    """The method that ``auto`` is for an alpha emitter, and why; any other as it is."""
    if wanted != "auto" or maps.chain is None:
        return wanted, ""
    if maps.chain.leaves:
        return "organ", "daughters that leave are followed by organs"
    return "local", "alpha particles end within a voxel"


def _of_leaving(maps: PatientMaps) -> list[str]:
    if maps.chain is None or not maps.chain.leaves:
        return []
    return [
        "Maps, histograms and the methods by voxels hold daughters that decay where the parent does; doses by organ follow "
        f"{maps.chain.scenario.name!r}."
    ]
