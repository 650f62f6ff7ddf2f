"""A body whose every voxel has a label, a medium and a density, and the regions that people name in it."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from lutetia.dose.montecarlo.scene import Scene, region_scene
from lutetia.dose.s_values.marrow import MarrowSite
from lutetia.dose.s_values.targets import Second, Target, kerma_slots
from lutetia.errors import InputError, MissingDataError
from lutetia.images.volume import Volume
from lutetia.physics.materials import Material, material

Sex = Literal["male", "female"]
RED_MARROW: Final = "red marrow"


@dataclass(frozen=True, kw_only=True, slots=True)
class ActiveMarrow:
    """Active marrow of one bone.

    Attributes
    ----------
    label : of the spongiosa that holds it
    site : the bone, its active marrow and its cellularity
    """

    label: int
    site: MarrowSite


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DosimetricPhantom:
    """A labelled body for transport.

    Attributes
    ----------
    name : for people, with its publication
    sex : "male" or "female"
    labels : (z, y, x) uint8, 0 outside the body
    label_mass_g : (256,) mass of every label. [g]
    density : [g/mL]
    material_index : (z, y, x) uint8 index into ``materials``
    materials : compositions
    organs : label -> name of the part
    regions : name -> labels, the parts included
    marrow : bones with active marrow, empty where the phantom does not resolve its spongiosa
    mass_convention : which masses these are
    lacking : what the phantom does not have, for messages
    """

    name: str
    sex: Sex
    labels: NDArray[np.uint8]
    label_mass_g: NDArray[np.float64]
    density: Volume
    material_index: NDArray[np.uint8]
    materials: tuple[Material, ...]
    organs: Mapping[int, str]
    regions: Mapping[str, tuple[int, ...]]
    marrow: tuple[ActiveMarrow, ...]
    mass_convention: str
    lacking: str

    @property
    def region_names(self) -> tuple[str, ...]:
        """All regions, sorted."""
        found = set(self.regions) | ({RED_MARROW} if self.marrow else set())
        return tuple(sorted(found))

    @property
    def marrow_sites(self) -> tuple[MarrowSite, ...]:
        """Bones with active marrow."""
        return tuple(part.site for part in self.marrow)

    def region(self, name: str) -> str:
        """The standard name of a region, from any spelling that is understood.

        Raises
        ------
        InputError
            The phantom has no such region; the message lists those it has.
        """
        return known_region(name, self.region_names, self.name, self.lacking)

    def strength(self, source: str) -> NDArray[np.float32]:
        """Decays per voxel of a source, up to a factor: in proportion to mass, in red marrow to active marrow. (z, y, x)"""
        name = self.region(source)
        per_label = np.zeros(256)
        if name == RED_MARROW:
            mass = self.label_mass_g
            for part in self.marrow:
                per_label[part.label] = part.site.mass_g / mass[part.label]
        else:
            per_label[list(self.regions[name])] = 1.0
        return np.asarray(per_label.astype(np.float32)[self.labels] * self.density.values)

    def share_by_label(self, region: str) -> tuple[float, dict[int, float]]:
        """Mass of a target [g], and label -> its weight in the mean dose."""
        name = self.region(region)
        if name == RED_MARROW:
            total = sum(part.site.mass_g for part in self.marrow)
            return total, {part.label: part.site.mass_g / total for part in self.marrow}
        mass = self.label_mass_g
        parts = {label: float(mass[label]) for label in self.regions[name] if mass[label] > 0}
        total = sum(parts.values())
        return total, {label: m / total for label, m in parts.items()}


def mass_by_label(labels: NDArray[np.uint8], density: Volume) -> NDArray[np.float64]:
    """Mass of every label. (256,) [g]"""
    counted = np.bincount(labels.ravel(), weights=density.values.ravel(), minlength=256)
    return np.asarray(counted * density.grid.voxel_ml)


def present_regions(
    regions: Mapping[str, tuple[int, ...]], label_mass_g: NDArray[np.float64]
) -> dict[str, tuple[int, ...]]:
    """Regions without the labels that a body does not have, and without those of which it has none."""
    found = {name: tuple(label for label in labels if label_mass_g[label] > 0) for name, labels in regions.items()}
    return {name: labels for name, labels in found.items() if labels}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Layout:
    """A phantom prepared for transport.

    Attributes
    ----------
    scene : voxels; its tallies are the parts that the targets are made of
    targets : in terms of these tallies
    second : tallies for the kerma of photons in red marrow, None without that target
    """

    scene: Scene
    targets: tuple[Target, ...]
    second: Second | None


def laid_out(phantom: DosimetricPhantom, targets: Sequence[str]) -> Layout:
    """Scene and targets of a phantom.

    Labels that all targets weigh alike share a tally, so that there are no more than needed. Photons' dose to red marrow
    is their kerma in red marrow in the voxels of spongiosa, which have tallies of their own for it.

    Raises
    ------
    InputError
        Unknown target.
    """
    named = list(dict.fromkeys(phantom.region(target) for target in targets))
    shares = [phantom.share_by_label(name) for name in named]
    mass = phantom.label_mass_g
    signature = {
        label: tuple(f"{share.get(label, 0.0) / mass[label]:.9e}" for _, share in shares)
        for label in sorted({label for _, share in shares for label in share})
    }
    slot_of = {key: number for number, key in enumerate(dict.fromkeys(signature.values()))}
    slots = np.full(256, -1, np.int32)
    for label, key in signature.items():
        slots[label] = slot_of[key]
    bones = sorted({int(slots[part.label]) for part in phantom.marrow}) if RED_MARROW in named else []
    kerma = {slot: len(slot_of) + number for number, slot in enumerate(bones)}
    n_slots = len(slot_of) + len(kerma)
    found = tuple(
        Target(name=name, mass_g=total, share=_by_slot(share, slots), kerma=kerma if name == RED_MARROW else {})
        for name, (total, share) in zip(named, shares, strict=True)
    )
    media = [*phantom.materials, material(RED_MARROW)]
    return Layout(
        scene=region_scene(phantom.density, phantom.material_index, media, slots[phantom.labels], n_slots),
        targets=found,
        second=kerma_slots(found, n_slots, len(media) - 1),
    )


def _by_slot(share: Mapping[int, float], slots: NDArray[np.int32]) -> dict[int, float]:
    found: dict[int, float] = {}
    for label, weight in share.items():
        slot = int(slots[label])
        found[slot] = found.get(slot, 0.0) + weight
    return found


def known_region(name: str, known: Sequence[str], where: str, lacking: str = "") -> str:
    """The standard name of a region among those known, from any spelling that is understood.

    Raises
    ------
    InputError
        There is none; the message lists them.
    """
    asked = " ".join(name.strip().lower().replace("_", " ").split())
    asked = asked if asked in known else synonyms().get(asked, asked)
    if asked in known:
        return asked
    near = get_close_matches(asked, known, n=3, cutoff=0.6)
    hint = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
    raise InputError(f"{where} has no region {name!r}.{hint} It has {', '.join(known)}. {lacking}".rstrip())


@lru_cache(maxsize=1)
def synonyms() -> dict[str, str]:
    """Spelling -> name of a region."""
    return {row["spelling"]: row["region"] for row in phantom_rows("icrp_110", "synonyms.csv")}


def phantom_rows(publication: str, name: str) -> list[dict[str, str]]:
    """Rows of a table under phantoms/data."""
    path = files("lutetia.phantoms") / "data" / publication / name
    if not path.is_file():
        raise MissingDataError(f"No table {publication}/{name} in lutetia.phantoms; reinstall the package.")
    with path.open("r", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def numbers_of(text: str) -> tuple[int, ...]:
    """Numbers of a list like "1 2 62-65"."""
    return tuple(_numbers(text))


def _numbers(text: str) -> Iterator[int]:
    for part in text.split():
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)
