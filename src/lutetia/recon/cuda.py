"""The projector of :mod:`lutetia.recon.projector` on a CUDA device: same tables, same formulas, same order of axes."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lutetia.devices import Device, on_cuda
from lutetia.errors import InputError
from lutetia.images.grid import Grid
from lutetia.recon.orbit import Orbit
from lutetia.recon.projector import Projector, SpectSystem

BLOCK: Final = (32, 12)
"""Threads (z, columns) that walk one view. The walk takes up to 114 of the 170 registers that this leaves to each."""


def on_device(system: SpectSystem, device: Device) -> Projector:
    """A system whose projections are computed on the processor, or on a CUDA device.

    Parameters
    ----------
    system : forward model
    device : "cpu" gives the system itself back, "cuda" one that holds a copy of its tables on the current device

    Raises
    ------
    InputError
        Another device.
    MissingDataError
        No CUDA device can be used here.
    """
    return _cuda_system(system) if on_cuda(device) else system


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CudaSystem:
    """A :class:`SpectSystem` whose :meth:`project` and :meth:`backproject` run on a CUDA device.

    Images and projections come from and go to the host in each call; attenuation, tables and working memory stay on
    the device. One call at a time. Views add to the image in the order in which they come along, so the last bits of
    a backprojection differ from run to run.

    Attributes
    ----------
    system : on the host
    block : threads (z, columns) per view
    model, components, mask : the system's arrays on the device, as the kernels take them; one component or two
    image, planes : working memory on the device: (y, x, z), and three times (views, columns, z)
    """

    system: SpectSystem
    block: tuple[int, int] = BLOCK
    model: tuple[Any, ...]
    components: tuple[tuple[Any, ...], ...]
    mask: Any
    image: Any
    planes: tuple[Any, Any, Any]

    @property
    def grid(self) -> Grid:
        """Image grid."""
        return self.system.grid

    @property
    def orbit(self) -> Orbit:
        """Detector positions and pixels."""
        return self.system.orbit

    @property
    def support(self) -> NDArray[np.bool_]:
        """Columns of voxels (y, x) that may hold activity."""
        return self.system.support

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Detector pixels (rows, columns) that count."""
        return self.system.usable

    @property
    def n_views(self) -> int:
        """Number of views."""
        return self.system.n_views

    def forward(self, image: NDArray[np.floating], views: Sequence[int] | None = None) -> NDArray[np.float32]:
        """As :meth:`SpectSystem.forward`."""
        chosen = self.system.chosen_views(views)
        return self.system.from_native_projections(self.project(self.to_native(image), chosen))

    def to_native(self, image: NDArray[np.floating]) -> NDArray[np.float32]:
        """(z, y, x) to the kernels' (y, x, z)."""
        return self.system.to_native(image)

    def to_native_projections(self, counts: NDArray[np.floating]) -> NDArray[np.float32]:
        """(views, rows, columns) to the kernels' (views, columns, z)."""
        return self.system.to_native_projections(counts)

    def from_native(self, native: NDArray[np.float32]) -> NDArray[np.float32]:
        """The kernels' (y, x, z) to (z, y, x)."""
        return self.system.from_native(native)

    def scratch(self) -> NDArray[np.float32]:
        """Nothing: the working memory is on the device."""
        return np.empty(0, np.float32)

    def project(self, native: NDArray[np.float32], views: NDArray[np.int64]) -> NDArray[np.float32]:
        """As :meth:`SpectSystem.project`."""
        from lutetia.recon import cuda_kernels

        one, other, out = (plane[: self._count(views)] for plane in self.planes)
        self.image.copy_to_device(np.ascontiguousarray(native, dtype=np.float32))
        counts = np.zeros(out.shape, np.float32)
        for share, tables in zip(self.system.component_shares, self.components, strict=True):
            self._run(cuda_kernels.forward, self.image, views, tables, (one, other, out))
            counts += np.float32(share) * out.copy_to_host()
        return np.multiply(counts, self.system.weights(views), out=counts)

    def backproject(
        self, native: NDArray[np.float32], views: NDArray[np.int64], scratch: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """As :meth:`SpectSystem.backproject`; ``scratch`` is not used."""
        from lutetia.recon import cuda_kernels

        del scratch
        one, other, given = (plane[: self._count(views)] for plane in self.planes)
        weighted = np.ascontiguousarray(native * self.system.weights(views), dtype=np.float32)
        image = np.zeros(self.image.shape, np.float32)
        for share, tables in zip(self.system.component_shares, self.components, strict=True):
            given.copy_to_device(weighted)
            self.image.copy_to_device(np.zeros(self.image.shape, np.float32))
            self._run(cuda_kernels.adjoint, given, views, tables, (self.mask, one, other, self.image))
            image += np.float32(share) * self.image.copy_to_host()
        return image

    def _count(self, views: NDArray[np.int64]) -> int:
        if views.size > self.n_views:
            raise InputError(f"{views.size} views at once; expected at most the {self.n_views} of the system.")
        return int(views.size)

    def _run(
        self, kernel: Any, source: Any, views: NDArray[np.int64], tables: tuple[Any, ...], last: tuple[Any, ...]
    ) -> None:
        """Launch a walk, one block per view."""
        from numba import cuda
        from numba.core.errors import NumbaPerformanceWarning

        on_it = cuda.to_device(np.ascontiguousarray(views, dtype=np.int64))
        with warnings.catch_warnings():
            # a subset has fewer views than the device has processors, which numba remarks on
            warnings.simplefilter("ignore", NumbaPerformanceWarning)
            launch = kernel[int(views.size), self.block]
        launch(source, *self.model, on_it, *tables, *last)


def _cuda_system(system: SpectSystem) -> CudaSystem:
    from numba import cuda

    nx, ny, nz = system.grid.size
    shape = (system.n_views, system.orbit.n_columns, system.orbit.n_rows)
    return CudaSystem(
        system=system,
        model=(
            cuda.to_device(system.through),
            (system.attenuates, system.resolves),
            system.axis,
        ),
        components=tuple(
            tuple(
                cuda.to_device(np.ascontiguousarray(table))
                for table in (t.turns, t.ranges, t.spans, t.steps, t.passes, t.wide)
            )
            for t in system.tables
        ),
        mask=cuda.to_device(system.support),
        image=cuda.device_array((ny, nx, nz), np.float32),
        planes=(
            cuda.device_array(shape, np.float32),
            cuda.device_array(shape, np.float32),
            cuda.device_array(shape, np.float32),
        ),
    )
