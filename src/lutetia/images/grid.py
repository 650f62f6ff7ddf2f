"""Where voxels are: size, spacing, origin and directions, in the patient's LPS coordinates as DICOM has them."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lutetia.errors import GridError
from lutetia.units import ML_PER_MM3

POSITION_TOLERANCE_MM = 0.05
"""Two grids are the same when no corner of one lies farther than this from the other's."""

IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """A regular grid of voxels in the patient.

    Attributes
    ----------
    size : (nx, ny, nz)
        Number of voxels along the i, j and k index axes. Arrays on the grid have shape (nz, ny, nx).
    spacing_mm : (si, sj, sk)
        Positive distances between voxel centres. [mm]
    origin_mm : (x, y, z)
        Centre of voxel (0, 0, 0), LPS: +x to the patient's left, +y to the back, +z to the head. [mm]
    directions : 3 x 3
        Rows x, y, z; columns are the unit vectors of the i, j, k axes (the matrix of SimpleITK's GetDirection).
    frame_of_reference_uid : str
        DICOM frame of reference; empty when unknown.
    """

    size: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin_mm: tuple[float, float, float]
    directions: tuple[tuple[float, float, float], ...] = IDENTITY
    frame_of_reference_uid: str = ""

    def __post_init__(self) -> None:
        if len(self.size) != 3 or min(self.size) < 1:
            raise GridError(f"A grid needs three sizes of at least 1, got {self.size}.")
        if min(self.spacing_mm) <= 0 or not np.all(np.isfinite(self.spacing_mm + self.origin_mm)):
            raise GridError(
                f"A grid needs positive finite spacing, got {self.spacing_mm} mm at {self.origin_mm} mm; "
                "a reversed axis belongs in its directions."
            )
        d = np.asarray(self.directions, dtype=float)
        if d.shape != (3, 3) or not np.allclose(d.T @ d, np.eye(3), atol=1e-3):
            raise GridError(f"Grid directions must be three orthogonal unit columns, got {self.directions}.")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (nz, ny, nx) of an array on this grid."""
        return self.size[2], self.size[1], self.size[0]

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel. [mL]"""
        return float(np.prod(self.spacing_mm)) * ML_PER_MM3

    @property
    def affine(self) -> NDArray[np.float64]:
        """4 x 4 matrix from index (i, j, k, 1) to LPS position (x, y, z, 1). [mm]"""
        matrix = np.eye(4)
        matrix[:3, :3] = np.asarray(self.directions) * np.asarray(self.spacing_mm)
        matrix[:3, 3] = self.origin_mm
        return matrix

    @property
    def centre_mm(self) -> NDArray[np.float64]:
        """LPS position of the middle of the grid. [mm]"""
        return self.position_mm((np.asarray(self.size, dtype=float) - 1) / 2)

    def position_mm(self, index: NDArray[np.float64] | tuple[float, float, float]) -> NDArray[np.float64]:
        """LPS position of (fractional) indices (..., 3) in order i, j, k. [mm]"""
        return np.asarray(index, dtype=float) @ self.affine[:3, :3].T + self.affine[:3, 3]

    def index(self, position_mm: NDArray[np.float64] | tuple[float, float, float]) -> NDArray[np.float64]:
        """Fractional index (..., 3) in order i, j, k of LPS positions."""
        inverse = np.linalg.inv(self.affine)
        result: NDArray[np.float64] = np.asarray(position_mm, dtype=float) @ inverse[:3, :3].T + inverse[:3, 3]
        return result

    def corners_mm(self) -> NDArray[np.float64]:
        """LPS positions of the eight corner voxels' centres, shape (8, 3). [mm]"""
        last = np.asarray(self.size) - 1
        picks = np.array(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij")).reshape(3, -1).T
        return self.position_mm((picks * last).astype(float))

    def same_as(self, other: "Grid") -> bool:
        """Whether both grids have the same voxels (within POSITION_TOLERANCE_MM) in no contradicting frames."""
        if self.size != other.size or not self.same_frame_as(other):
            return False
        return bool(np.max(np.abs(self.corners_mm() - other.corners_mm())) <= POSITION_TOLERANCE_MM)

    def same_frame_as(self, other: "Grid") -> bool:
        """Whether the frames of reference agree; an unknown one contradicts nothing."""
        frames = {self.frame_of_reference_uid, other.frame_of_reference_uid} - {""}
        return len(frames) <= 1

    def moved_to_frame(self, frame_of_reference_uid: str) -> "Grid":
        """The same grid under another frame of reference."""
        return replace(self, frame_of_reference_uid=frame_of_reference_uid)
