"""What a run counted: energy per decay in every tally, with its standard uncertainty from batches."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lutetia.dose.montecarlo.stack import FIXED_POINT


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Deposits:
    """Energy absorbed, per decay.

    Attributes
    ----------
    tallies : (n_batches, n_slots + 1) int64, in units of 2^-34 MeV; the last slot gathers what lies in no region
    emitted, escaped : (n_batches,) int64 in the same unit
    per_batch : histories in each batch
    yield_per_decay : histories that a decay stands for
    seed : as run
    """

    tallies: NDArray[np.int64]
    emitted: NDArray[np.int64]
    escaped: NDArray[np.int64]
    per_batch: int
    yield_per_decay: float
    seed: int

    @property
    def n_histories(self) -> int:
        """Histories followed."""
        return self.per_batch * int(self.tallies.shape[0])

    def _per_decay(self, counted: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(counted * np.float64(self.yield_per_decay / FIXED_POINT / self.per_batch), np.float64)

    @property
    def batches_mev(self) -> NDArray[np.float64]:
        """(n_batches, n_slots) each batch as if it were all. [MeV per decay]"""
        return self._per_decay(self.tallies[:, :-1])

    def scaled_batches(self, decays: float) -> NDArray[np.float32]:
        """(n_batches, n_slots) each batch as if it were all, of so many decays. [MeV]"""
        scale = np.float32(decays * self.yield_per_decay / FIXED_POINT / self.per_batch)
        return np.stack([row[:-1].astype(np.float32) * scale for row in self.tallies])

    @property
    def energy_mev(self) -> NDArray[np.float64]:
        """(n_slots,) mean of the batches. [MeV per decay]"""
        return np.asarray(self._per_decay(self.tallies[:, :-1].sum(axis=0)) / self.tallies.shape[0])

    @property
    def standard_uncertainty_mev(self) -> NDArray[np.float64]:
        """(n_slots,) of the mean, from the spread of the batches. [MeV per decay]"""
        n = self.tallies.shape[0]
        mean, square = np.zeros(self.tallies.shape[1] - 1), np.zeros(self.tallies.shape[1] - 1)
        for k, row in enumerate(self.tallies[:, :-1], 1):  # Welford's update: one row in memory at a time
            value = self._per_decay(row)
            step = value - mean
            mean += step / k
            square += step * (value - mean)
        return np.asarray(np.sqrt(square / (n * (n - 1))))

    def weighted(self, weights: NDArray[np.floating]) -> tuple[float, float]:
        """Weighted sum over slots (n_slots,) and its standard uncertainty. [MeV per decay]"""
        flat = np.asarray(weights, dtype=np.float64).ravel()
        used = np.flatnonzero(flat)
        sums = self._per_decay(self.tallies[:, used]) @ flat[used]
        return float(sums.mean()), float(sums.std(ddof=1) / math.sqrt(sums.size))

    @property
    def emitted_mev(self) -> float:
        """Energy that the histories started with. [MeV per decay]"""
        return float(self._per_decay(self.emitted).mean())

    @property
    def escaped_mev(self) -> float:
        """Energy that left the voxels. [MeV per decay]"""
        return float(self._per_decay(self.escaped).mean())

    @property
    def elsewhere_mev(self) -> float:
        """Energy absorbed in voxels of no region. [MeV per decay]"""
        return float(self._per_decay(self.tallies[:, -1]).mean())

    def plus(self, other: "Deposits") -> "Deposits":
        """Both runs as one: the same scene and source, other histories."""
        return Deposits(
            tallies=self.tallies + other.tallies,
            emitted=self.emitted + other.emitted,
            escaped=self.escaped + other.escaped,
            per_batch=self.per_batch + other.per_batch,
            yield_per_decay=self.yield_per_decay,
            seed=self.seed,
        )
