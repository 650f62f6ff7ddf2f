"""Write the numbers of other Monte Carlo codes that the tests compare with.

    python benchmarks/contenders/write_references.py --ompmc PYTHON --pypenred PYTHON [--only NAME ...] [--scale 1]

PYTHON are interpreters with ompmc 0.4.0 and pypenred 1.15; about an hour on one core. Writes
tests/reference/montecarlo/NAME.csv. Cut-offs are kinetic energies; "kerma" means that electrons are absorbed where they
are set free.
"""

import argparse
import csv
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from bodies import Body, box_phantom, slabs, write
from contenders.contest import Found, compete

TARGET = Path(__file__).resolve().parents[2] / "tests/reference/montecarlo"
PHOTONS_MEV = (0.03, 0.06, 0.113, 0.208, 0.364, 0.511, 1.0, 2.614)
ELECTRONS_MEV = (0.1, 0.5, 1.0, 2.0)
CSDA_RANGE_CM = {0.1: 0.01431, 0.5: 0.1766, 1.0: 0.4367, 2.0: 0.9785}
"""In water (NIST ESTAR): the unit of depths and distances."""
KERMA_MEV = 3.0
CUT_MEV = 0.01
FINE_CUT_MEV = {0.1: 0.001, 0.5: 0.002, 1.0: 0.005, 2.0: 0.01}
"""Electron cut-off of penRed around a point; its range is below 0.2 % of the electron's."""
WATER, BONE, LUNG = ("water", 1.0), ("bone", 1.85), ("lung", 0.26)
RUNS = 10
Row = tuple[Any, ...]


def rows_of(found: Found, energy: float, places: list[Any]) -> Iterator[Row]:
    """Energy per particle and its standard uncertainty, by place."""
    if found.error:
        print(f"{found.name}: {found.error}", file=sys.stderr)
        return
    histories = sum(found.told["histories"])
    program = f"{found.name} {found.told['versions'][found.name]}"
    for place, mean, u in zip(places, found.energy_mev, found.u_mev, strict=True):
        yield energy, place, program, histories, f"{mean:.6g}", f"{u:.3g}"


class Writer:
    """Runs both programs in a folder of its own."""

    def __init__(self, pythons: Mapping[str, str | None], folder: Path, scale: float) -> None:
        self.pythons, self.folder, self.scale = pythons, folder, scale

    def both(
        self, body: Body, kind: str, energy: float, histories: float, places: list[Any], **more: Any
    ) -> Iterator[Row]:
        """One body, one energy, both programs (or those named); penRed tells its uncertainty itself."""
        file = self.folder / "body.npz"
        write(file, body)
        common = {
            "threads": 1, "seed": 1, "image": False, "photon_cut_mev": CUT_MEV, "electron_cut_mev": CUT_MEV,
            "radiations": {kind: [[energy, energy, 1.0]]}, **more,
        }  # fmt: skip
        for name in more.get("programs", ("ompmc", "pypenred")):
            runs = RUNS if name == "ompmc" else 1
            settings = {**common, "runs": runs, "histories": int(histories * self.scale / runs)}
            yield from rows_of(compete(name, self.pythons[name], file, settings), energy, places)

    def phantom_photons(self) -> Iterator[Row]:
        """Regions of the box phantom, photons, kerma."""
        body = box_phantom()
        for energy in PHOTONS_MEV:
            yield from self.both(body, "photon", energy, 4e6, list(body.regions), electron_cut_mev=KERMA_MEV)

    def phantom_photons_coupled(self) -> Iterator[Row]:
        """The same with their electrons followed."""
        body = box_phantom()
        for energy in (0.208, 1.0, 2.614):
            yield from self.both(body, "photon", energy, 1e6, list(body.regions))

    def phantom_electrons(self) -> Iterator[Row]:
        """Regions of the box phantom, electrons."""
        body = box_phantom()
        for energy in ELECTRONS_MEV:
            yield from self.both(body, "electron", energy, 4e5, list(body.regions))

    def depth_water(self) -> Iterator[Row]:
        """Perpendicular beam on water, slices of 1/40 of the range."""
        for energy in ELECTRONS_MEV:
            body = slabs([(WATER, 48)], CSDA_RANGE_CM[energy] / 40)
            yield from self.both(body, "electron", energy, 2e5, list(range(48)), profile=True)

    def _layers(self, insert: tuple[str, float], thick_mm: Mapping[float, tuple[int, int]]) -> Iterator[Row]:
        for energy, (first, second) in thick_mm.items():
            body = slabs([(WATER, 2 * first), (insert, 2 * second), (WATER, 40 - 2 * (first + second))], 0.05)
            yield from self.both(body, "electron", energy, 2e5, list(range(40)), profile=True)

    def depth_bone(self) -> Iterator[Row]:
        """Perpendicular beam on water, bone, water: slices of 0.5 mm."""
        yield from self._layers(BONE, {1.0: (1, 1), 2.0: (2, 3)})

    def depth_lung(self) -> Iterator[Row]:
        """Perpendicular beam on water, lung, water: slices of 0.5 mm."""
        yield from self._layers(LUNG, {1.0: (1, 5), 2.0: (2, 8)})

    def plane_water(self) -> Iterator[Row]:
        """Isotropic point in the middle of water, slices of 1/20 of the range across one axis."""
        for energy in ELECTRONS_MEV:
            step = CSDA_RANGE_CM[energy] / 20
            body = slabs([(WATER, 45)], step, beam=(7.5, 7.5, 22.5 * step))
            slices = list(range(45))
            yield from self.both(body, "electron", energy, 2e5, slices, profile=True, programs=("pypenred",))

    def shells_electrons(self) -> Iterator[Row]:
        """Isotropic point in infinite water, shells of 1/40 of the range."""
        for energy in ELECTRONS_MEV:
            radius = 1.2 * CSDA_RANGE_CM[energy]
            yield from self.both(
                slabs([(WATER, 1)], 1.0, beam=(0.0, 0.0, 0.0)), "electron", energy, 2e5, list(range(48)),
                spheres=(radius, 48), programs=("pypenred",), electron_cut_mev=FINE_CUT_MEV[energy],
            )  # fmt: skip

    def shells_photons(self) -> Iterator[Row]:
        """Isotropic point in infinite water, shells of 1 cm, kerma."""
        for energy in PHOTONS_MEV:
            yield from self.both(
                slabs([(WATER, 1)], 1.0, beam=(0.0, 0.0, 0.0)), "photon", energy, 1e6, list(range(30)),
                spheres=(30.0, 30), programs=("pypenred",), electron_cut_mev=KERMA_MEV,
            )  # fmt: skip


NAMES = (
    "phantom_photons", "phantom_electrons", "depth_water", "depth_bone", "depth_lung", "shells_electrons",
    "plane_water", "shells_photons", "phantom_photons_coupled",
)  # fmt: skip


def main() -> None:
    """Run what is asked for, a file at a time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ompmc", metavar="PYTHON")
    parser.add_argument("--pypenred", metavar="PYTHON")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--scale", type=float, default=1.0, help="factor on all numbers of histories")
    options = parser.parse_args()
    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        writer = Writer({"ompmc": options.ompmc, "pypenred": options.pypenred}, Path(folder), options.scale)
        for name in options.only:
            made: Callable[[], Iterator[Row]] = getattr(writer, name)
            with (TARGET / f"{name}.csv").open("w", newline="") as file:
                table = csv.writer(file, lineterminator="\n")
                table.writerow(["energy_mev", "place", "program", "histories", "absorbed_mev", "u_mev"])
                for row in made():
                    table.writerow(row)
                    file.flush()


if __name__ == "__main__":
    main()
