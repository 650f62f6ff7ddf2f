"""A population as a file that can be read, kept and passed on: numbers and their origin, no patients."""

import json
import math
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import InputError, OutputError
from lutetia.kinetics.population.model import PopulationModel, RegionKinetics, Tried
from lutetia.units import S_PER_H

Array = NDArray[np.float64]

FORMAT: Final = "lutetia population 1"


def population_document(population: PopulationModel) -> dict[str, Any]:
    """JSON document of a population; keys as in docs/reference/json.md."""
    return {
        "format": FORMAT,
        "agent": population.agent,
        "nuclide": population.nuclide,
        "source": population.source,
        "verified": population.verified,
        "provenance": dict(population.provenance),
        "regions": [_region_document(region) for region in population.regions.values()],
        "note": "Research use only. Logarithms are natural, of Bq (or of 1, per administered activity) and 1/s.",
    }


def _region_document(region: RegionKinetics) -> dict[str, Any]:
    return {
        "region": region.region,
        "model": region.model,
        "effective_half_life_h": region.effective_half_life_s / S_PER_H,
        "effective_half_life_cv": math.sqrt(math.expm1(float(region.omega[1, 1]))),
        "parameters": list(region.shape.names),
        "mean_log": region.mean_log.tolist(),
        "omega_log": region.omega.tolist(),
        "u_mean_log": None
        if region.mean_covariance is None
        else np.sqrt(region.mean_covariance.diagonal()).tolist(),
        "mean_log_covariance": _listed(region.mean_covariance),
        "sd_log": region.spread.tolist(),
        "u_sd_log": _listed(region.spread_standard_error),
        "shrinkage": _listed(region.shrinkage),
        "residual_proportional": region.proportional,
        "residual_additive": region.additive,
        "residual_added_to_stated_uncertainties": region.stated_uncertainties,
        "amplitude": region.amplitude,
        "n_patients": region.n_patients,
        "n_curves": region.n_curves,
        "n_points": region.n_points,
        "log_likelihood": region.log_likelihood,
        "aic": region.aic,
        "bic": region.bic,
        "converged": region.converged,
        "tried": [
            {"model": t.model, "log_likelihood": t.log_likelihood, "aic": t.aic, "bic": t.bic, "reason": t.reason}
            for t in region.tried
        ],
        "warnings": list(region.warnings),
    }


def _listed(values: Array | None) -> list[Any] | None:
    return None if values is None else values.tolist()


def write_population(population: PopulationModel, path: Path) -> None:
    """Write a population; all of it or nothing.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    text = json.dumps(population_document(population), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OutputError(f"{path.name}: could not be written ({error.strerror}).") from error


def read_population(path: Path) -> PopulationModel:
    """Read what `write_population` wrote.

    Raises
    ------
    InputError
        No such file, another format, or a value that is missing or cannot be; with the file and the key.
    """
    if not path.is_file():
        raise InputError(f"{path.name}: no such file.")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name}: not a JSON file ({error}).") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        kind = found.get("format") if isinstance(found, dict) else type(found).__name__
        raise InputError(f"{path.name}: format {kind!r}; expected {FORMAT!r}, as population fit --out writes it.")
    try:
        regions = [_region(item) for item in found["regions"]]
        return PopulationModel(
            agent=str(found["agent"]),
            nuclide=str(found["nuclide"]),
            regions={region.region: region for region in regions},
            source=str(found["source"]),
            verified=bool(found["verified"]),
            provenance={str(k): str(v) for k, v in found.get("provenance", {}).items()},
        )
    except KeyError as error:
        raise InputError(f"{path.name}: no key {error.args[0]!r}.") from error
    except (TypeError, ValueError) as error:
        raise InputError(f"{path.name}: {error}") from error


def _region(item: dict[str, Any]) -> RegionKinetics:
    return RegionKinetics(
        region=str(item["region"]),
        model=str(item["model"]),
        mean_log=np.array(item["mean_log"], dtype=float),
        omega=np.array(item["omega_log"], dtype=float),
        proportional=float(item["residual_proportional"]),
        additive=float(item["residual_additive"]),
        stated_uncertainties=bool(item["residual_added_to_stated_uncertainties"]),
        amplitude=item["amplitude"],
        n_patients=int(item["n_patients"]),
        n_curves=int(item["n_curves"]),
        n_points=int(item["n_points"]),
        log_likelihood=item["log_likelihood"],
        aic=item["aic"],
        bic=item["bic"],
        converged=bool(item["converged"]),
        mean_covariance=_array(item["mean_log_covariance"]),
        spread_standard_error=_array(item["u_sd_log"]),
        shrinkage=_array(item["shrinkage"]),
        tried=tuple(Tried(**t) for t in item["tried"]),
        warnings=tuple(item["warnings"]),
    )


def _array(values: list[Any] | None) -> Array | None:
    return None if values is None else np.array(values, dtype=float)
