"""The demonstration: a virtual patient from raw DICOM to doses, beside the known truth."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import yaml

from lutetia.app.case.reading import case_from_document
from lutetia.app.case.settings import Case
from lutetia.app.proposal import propose_case
from lutetia.app.workflow import run_case
from lutetia.app.workflow.output import refuse_unsafe_output
from lutetia.errors import InputError
from lutetia.images.dicom.index import index_dicom
from lutetia.phantoms.acquire import AcquiredCase, acquire
from lutetia.phantoms.stylised import Sex
from lutetia.phantoms.virtual_patient import draw_patient

Progress = Callable[[str, float], None]


def run_demo(out: Path | None, *, seed: int, sex: str, force: bool, progress: Progress) -> dict[str, Any]:
    """Image a virtual patient, compute the doses from its DICOM, and put the truth beside them.

    Parameters
    ----------
    out : folder for the results; a new temporary one when None
    seed, sex : which patient
    force : replace ``out`` if Lutetia made it

    Returns
    -------
    The document of dose.json with ``truth_Gy`` for each region.
    """
    if sex not in get_args(Sex):
        raise InputError(f"--sex {sex}: expected {' or '.join(get_args(Sex))}.")
    if not 0 <= seed < 10000:
        raise InputError(f"--seed {seed}: expected 0 to 9999.")
    work = Path(tempfile.mkdtemp(prefix="lutetia-demo-"))
    done = False
    try:
        document = _demonstrated(work, work / "report" if out is None else out, seed, sex, force, progress)
        done = True
    finally:
        # with a folder of the user's own for the results, the images are not left behind
        if out is not None or not done:
            shutil.rmtree(work, ignore_errors=True)
    return document


def _demonstrated(work: Path, target: Path, seed: int, sex: str, force: bool, progress: Progress) -> dict[str, Any]:
    refuse_unsafe_output(target, inputs=(), force=force)
    patient = draw_patient(seed, "female" if sex == "female" else "male")
    acquired = acquire(patient, work, progress=lambda text, f: progress(text, 0.4 * f))
    index = index_dicom(acquired.folder)
    case = _completed(acquired, propose_case(acquired.folder, index))
    # the true remainder reaches beyond the field of view, so there is nothing to compare it with
    truth = {n: dose.absorbed_dose_gy for n, dose in acquired.truth.doses.items() if n != "remainder"}
    return run_case(
        case, index, target, force=force, truth_gy=truth, progress=lambda text, f: progress(text, 0.4 + 0.6 * f)
    )


def _completed(acquired: AcquiredCase, proposed: Case) -> Case:
    """The proposed case with what DICOM does not say, and the case file beside the images for the user to try."""
    from lutetia.app.case.writing import case_document

    document = {**case_document(proposed, folder="dicom"), **acquired.document}
    path = acquired.folder.parent / "case.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    return case_from_document(document, folder=path.parent, where=path.name)
