"""Which dose methods are computed, and which of them is the result."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lutetia.app.case.settings import DoseSettings
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
    settings: DoseSettings, maps: PatientMaps, table: ReferenceTable | None, *, progress: Progress
) -> DoseMethods:
    """The methods that are cheap, and Monte Carlo where it is asked for or fits its time."""
    wanted = settings.method
    progress("Absorbed dose by kernels", 0.0)
    water = water_maps(maps)
    found: dict[MethodName, MethodDoses] = {
        "local": local_method(maps, water), "kernel": kernel_method(maps, water), "organ": organ_method(maps, table),
    }  # fmt: skip
    chosen: MethodName = "kernel" if wanted == "auto" else wanted
    reason, warnings = "asked for", list[str]()
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
