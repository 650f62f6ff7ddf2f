"""The true absorbed dose of a virtual patient, from its exact activities, apart from everything that images do."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lutetia.dose.energies import decay_energy
from lutetia.dose.montecarlo.follow import follow_photons
from lutetia.dose.montecarlo.scene import region_scene
from lutetia.phantoms.stylised import Rasterised, body_grid, rasterise
from lutetia.phantoms.virtual_patient import VirtualPatient, region_masses_g
from lutetia.physics.materials import hu_materials, material_index_from_hu
from lutetia.units import GY_PER_MEV_PER_G, MBQ_H_PER_BQ_S, MBQ_PER_BQ, S_PER_H

METHOD: Final = (
    "charged particles: exact time-integrated activity x energy / mass, none leaves its region; "
    "photons: Monte Carlo in the true densities and tissues, scored along their tracks ({n:.0e} histories, {spacing:g} mm "
    "voxels)"
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
    names, slot = list(patient.kinetics), _slots(patient, body)
    n_voxels = np.bincount(slot[slot >= 0], minlength=len(names))
    decays = np.array([patient.kinetics[name].time_integrated_activity_bq_s for name in names])
    scene = region_scene(body.density, material_index_from_hu(body.hu.values), hu_materials(), slot, len(names))
    energy = decay_energy(patient.administration.nuclide)
    photons = follow_photons(
        scene=scene,
        strength=np.append(decays / n_voxels, 0.0)[slot],  # slot -1, no region, holds no activity
        lines=energy.photons,
        n_histories=n_histories,
        seed=seed,
    )
    photons_gy = decays.sum() * GY_PER_MEV_PER_G / scene.mass_g[:-1]
    masses = region_masses_g(patient.anatomy)
    masses |= {name: float(mass) for name, mass in zip(names, scene.mass_g, strict=False) if name == "remainder"}
    doses = {}
    for k, name in enumerate(names):
        doses[name] = TrueDose(
            absorbed_dose_gy=float(
                decays[k] * energy.local_mev * GY_PER_MEV_PER_G / masses[name]
                + photons.energy_mev[k] * photons_gy[k]
            ),
            standard_uncertainty_gy=float(photons.standard_uncertainty_mev[k] * photons_gy[k]),
            mass_g=masses[name],
            time_integrated_activity_bq_s=float(decays[k]),
        )
    return Truth(doses=doses, method=METHOD.format(n=n_histories, spacing=spacing_mm))


def _slots(patient: VirtualPatient, body: Rasterised) -> NDArray[np.int32]:
    """Number of the region with activity that each voxel belongs to; the rest of the body is the remainder's."""
    slot = np.full(body.regions.labels.shape, -1, np.int32)
    names = list(patient.kinetics)
    if "remainder" in names:
        slot[body.body] = names.index("remainder")
    for k, name in enumerate(names):
        if name != "remainder":
            slot[body.regions.mask(name)] = k
    return slot


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
