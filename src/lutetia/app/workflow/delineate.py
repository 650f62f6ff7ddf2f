"""Which scan is the reference, where the regions come from, and the motion between scans."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from lutetia.app.case.settings import Case
from lutetia.app.workflow.load import LoadedScan, series_by_uid
from lutetia.app.workflow.quantify import QuantifiedScan
from lutetia.errors import GridError, InputError, MissingDataError
from lutetia.images.dicom.index import DicomIndex, SeriesInfo
from lutetia.images.dicom.open import open_dicom
from lutetia.images.dicom.rtstruct import read_rtstruct
from lutetia.images.dicom.seg import read_seg
from lutetia.images.grid import Grid
from lutetia.images.nifti import read_nifti_labels
from lutetia.images.region_names import PLANNING
from lutetia.images.regions import Regions
from lutetia.images.register import Registration, identity_registration, register
from lutetia.images.segment import segment_from_spect, segment_with_totalsegmentator

Progress = Callable[[str, float], None]

MANY_REGIONS = 30
"""Above this many unnamed structures (a whole-body label map) only organs and lesions are kept."""


def contour_sources(case: Case, index: DicomIndex | None) -> list[tuple[Path, str]]:
    """Files with regions that the case names, each with its frame of reference ("" when unknown)."""
    known = series_by_uid(index)
    sources = []
    for name in case.regions:
        if name in known:
            info: SeriesInfo = known[name]
            sources += [(file, info.frame_of_reference_uid) for file in info.files]
            continue
        path = Path(name) if Path(name).is_absolute() else case.folder / name
        if not path.is_file():
            raise InputError(f"regions: {name} is neither a series in {case.folder} nor a file.")
        sources.append((path, ""))
    return sources


def choose_reference(case: Case, scans: Sequence[LoadedScan], sources: Sequence[tuple[Path, str]]) -> int:
    """Index of the reference scan: the one named, else the one whose CT carries the contours, else the second.

    The second of several scans is nearer to the middle of the curve than the first, which often shows the gut.
    """
    labels = [scan.label for scan in scans]
    if case.reference is not None:
        if case.reference not in labels:
            raise InputError(f"reference: no scan {case.reference!r}; there are {', '.join(labels)}.")
        return labels.index(case.reference)
    frames = {frame for _, frame in sources if frame}
    for number, scan in enumerate(scans):
        if scan.ct is not None and scan.ct.grid.frame_of_reference_uid in frames:
            return number
    return min(1, len(scans) - 1)


def find_regions(
    case: Case, scan: QuantifiedScan, sources: Sequence[tuple[Path, str]], *, progress: Progress
) -> Regions:
    """Regions on the reference CT (or image): contours where there are some, else automatic ones.

    Raises
    ------
    GridError
        The contours belong to another frame of reference.
    MissingDataError
        No contours and none to be made.
    """
    ct = scan.loaded.ct
    grid = ct.grid if ct is not None else scan.image.grid
    own = grid.frame_of_reference_uid
    fitting = [path for path, frame in sources if not frame or not own or frame == own]
    if sources and not fitting:
        raise GridError(
            f"The contours are in another frame of reference than the CT of {scan.loaded.label}; name the scan they were "
            "drawn on (reference)."
        )
    if fitting:
        progress("Reading regions", 0.5)
        regions = _read(fitting[0], grid)
        if len(fitting) > 1:
            more = f"{len(fitting)} sets of regions were found; {fitting[0].name} was used."
            regions = replace(regions, warnings=(*regions.warnings, more))
        return _usable(regions)
    if case.segmentation == "none" or ct is None:
        raise MissingDataError(
            "There are no contours (regions, or --regions RTSTRUCT, SEG or NIfTI labels)"
            + ("" if ct is not None else ", and without a CT none can be made automatically")
            + "."
        )
    progress("Segmenting", 0.5)
    if case.segmentation == "totalsegmentator":
        return _usable(segment_with_totalsegmentator(ct))
    return segment_from_spect(scan.image, ct)


def _read(path: Path, grid: Grid) -> Regions:
    if path.name.endswith((".nii", ".nii.gz")):
        return read_nifti_labels(path, None, grid)
    modality = str(open_dicom(path).get("Modality") or "")
    if modality == "RTSTRUCT":
        return read_rtstruct(path, grid)
    if modality == "SEG":
        return read_seg(path, grid)
    raise InputError(f"{path.name}: modality {modality!r}; regions come from RTSTRUCT, SEG or NIfTI labels.")


def _usable(regions: Regions) -> Regions:
    """Without planning targets and outlines, and without the hundred bones of a whole-body label map."""
    others = [label for label, r in regions.table.items() if r.kind == "other"]
    planning = [label for label in others if PLANNING.match(regions.table[label].name)]
    dropped = others if len(others) > MANY_REGIONS else planning
    if not dropped:
        return regions
    labels = regions.labels.copy()
    for label in dropped:
        labels[labels == label] = 0
    names = ", ".join(regions.table[label].name for label in dropped[:8])
    more = f" and {len(dropped) - 8} more" if len(dropped) > 8 else ""
    told = f"Not quantified, being neither organ nor lesion: {names}{more}."
    table = {label: r for label, r in regions.table.items() if label not in dropped}
    return Regions(grid=regions.grid, labels=labels, table=table, warnings=(*regions.warnings, told))


def register_scans(
    case: Case, scans: Sequence[LoadedScan], reference: int, *, progress: Progress
) -> tuple[Registration, ...]:
    """Motion of every scan against the reference; the identity for the reference itself.

    Raises
    ------
    GridError
        Without registration, scans that name different frames of reference.
    MissingDataError
        A scan without CT that is to be registered.
    """
    fixed = scans[reference]
    found = []
    for number, scan in enumerate(scans):
        progress(f"Registering {scan.label}", number / len(scans))
        if number == reference:
            found.append(identity_registration("reference"))
        elif case.registration == "none":
            found.append(_trusted(fixed, scan))
        elif fixed.ct is None or scan.ct is None:
            raise MissingDataError(
                f"{scan.label}: registration needs a CT of this scan and of {fixed.label}; give them, or "
                "--no-registration to trust the frames of reference."
            )
        else:
            moved = register(fixed.ct, scan.ct, deformable=case.registration == "bspline")
            told = tuple(f"{scan.label}: {w}" for w in moved.warnings)
            found.append(replace(moved, warnings=told))
    return tuple(found)


def _trusted(fixed: LoadedScan, scan: LoadedScan) -> Registration:
    own, other = _frame(fixed), _frame(scan)
    if own and other and own != other:
        raise GridError(
            f"{scan.label} and {fixed.label} are in different frames of reference (0020,0052); they cannot be compared "
            "without registration."
        )
    return identity_registration("frames of reference trusted")


def _frame(scan: LoadedScan) -> str:
    if scan.ct is not None:
        return scan.ct.grid.frame_of_reference_uid
    if scan.beds:
        return scan.beds[0].frame_of_reference_uid
    return scan.image.grid.frame_of_reference_uid if scan.image is not None else ""
