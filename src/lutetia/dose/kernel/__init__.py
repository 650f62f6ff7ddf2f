"""Voxel kernels, and absorbed dose maps by convolution with them."""

from lutetia.dose.kernel.convolution import (
    absorbed_dose_map,
    charged_dose_by_kernel,
    dose_by_kernel,
    electron_energy_by_density_mev,
    electron_energy_in_water_mev,
    photon_dose_by_kernel,
)
from lutetia.dose.kernel.voxels import (
    VoxelKernel,
    charged_particle_voxel_kernel,
    default_half_size,
    dose_voxel_kernel,
    photon_voxel_kernel,
    voxel_kernel,
)

__all__ = [
    "VoxelKernel",
    "absorbed_dose_map",
    "charged_dose_by_kernel",
    "charged_particle_voxel_kernel",
    "default_half_size",
    "dose_by_kernel",
    "dose_voxel_kernel",
    "electron_energy_by_density_mev",
    "electron_energy_in_water_mev",
    "photon_dose_by_kernel",
    "photon_voxel_kernel",
    "voxel_kernel",
]
