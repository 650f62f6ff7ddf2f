"""The true absorbed dose of a virtual patient, from its exact activities, apart from everything that images do."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from lutetia.dose.energies import decay_energy
from lutetia.dose.montecarlo.voxels import photon_absorbed_dose
from lutetia.images.volume import Volume
from lutetia.phantoms.stylised import body_grid, rasterise
from lutetia.phantoms.virtual_patient import VirtualPatient, region_masses_g
from lutetia.physics.materials import hu_materials, material_index_from_hu
from lutetia.units import GY_PER_MEV_PER_G, MBQ_H_PER_BQ_S, MBQ_PER_BQ, S_PER_H

METHOD: Final = (
    "charged particles: exact time-integrated activity x energy / mass, none leaves its region; "
    "photons: Monte Carlo in the true densities ({n:.0e} histories, {spacing:g} mm voxels)"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrueDose:
    """True mean absorbed dose of one region; the uncertainty is that of the Monte Carlo part. [Gy]"""

    absorbed_dose_gy: float
    standard_uncertainty_gy: float
    mass_g: float
    time_integrated_activity_bq_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Truth:
    """True doses of all regions with activity, and how they were made."""

    doses: dict[str, TrueDose]
    method: str


def true_doses(
    patient: VirtualPatient, *, spacing_mm: float = 3.5, n_histories: int = 1_000_000, seed: int = 7
) -> Truth:
    """True mean dose of every region with activity.

    Parameters
    ----------
    patient : the virtual patient
    spacing_mm : grid of the photon transport; masses come from the anatomy's equations
    n_histories, seed : of the Monte Carlo
    """
    body = rasterise(patient.anatomy, body_grid(patient.anatomy, spacing_mm))
    labels = body.regions.labels
    masks = {name: body.regions.mask(name) for name in patient.kinetics if name != "remainder"}
    masks["remainder"] = body.body & ~np.isin(labels, [body.regions.label_of(name) for name in masks])
    voxel_ml = body.density.grid.voxel_ml
    concentration = np.zeros(labels.shape, np.float32)
    for name, kinetics in patient.kinetics.items():
        volume_ml = float(np.count_nonzero(masks[name])) * voxel_ml
        concentration[masks[name]] = kinetics.time_integrated_activity_bq_s / volume_ml
    photons = photon_absorbed_dose(
        time_integrated_activity=Volume(grid=body.density.grid, values=concentration, unit="Bq s/mL"),
        density=body.density,
        material_index=material_index_from_hu(body.hu.values),
        materials=hu_materials(),
        nuclide=patient.administration.nuclide,
        n_histories=n_histories,
        seed=seed,
    )
    masses = region_masses_g(patient.anatomy)
    masses["remainder"] = float(body.density.values[masks["remainder"]].sum(dtype=np.float64)) * voxel_ml
    local = decay_energy(patient.administration.nuclide).local_mev * GY_PER_MEV_PER_G
    doses = {}
    for name, kinetics in patient.kinetics.items():
        mean, u = photons.region(np.where(masks[name], body.density.values, 0))
        tia = kinetics.time_integrated_activity_bq_s
        doses[name] = TrueDose(
            absorbed_dose_gy=tia * local / masses[name] + mean,
            standard_uncertainty_gy=u,
            mass_g=masses[name],
            time_integrated_activity_bq_s=tia,
        )
    return Truth(doses=doses, method=METHOD.format(n=n_histories, spacing=spacing_mm))


def truth_document(patient: VirtualPatient, truth: Truth, time_h: tuple[float, ...]) -> dict[str, Any]:
    """truth.json: activities at the scans, time-integrated activities and doses in people's units."""
    regions = []
    for name, dose in truth.doses.items():
        activity = patient.kinetics[name].activity_bq(np.array(time_h) * S_PER_H) * MBQ_PER_BQ
        regions.append(
            {
                "region": name,
                "mass_g": dose.mass_g,
                "time_h": list(time_h),
                "activity_MBq": [float(a) for a in activity],
                "time_integrated_activity_MBq_h": dose.time_integrated_activity_bq_s * MBQ_H_PER_BQ_S,
                "absorbed_dose_Gy": dose.absorbed_dose_gy,
                "u_absorbed_dose_Gy": dose.standard_uncertainty_gy,
            }
        )
    return {"seed": patient.seed, "sex": patient.sex, "method": truth.method, "regions": regions}
