"""DICOM of a static acquisition, and a small phantom that went through the simulated camera."""

import math
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, NuclearMedicineImageStorage, generate_uid

from lutetia.images.acquisition import EnergyWindow, Equipment
from lutetia.images.dicom.write_common import Identity
from lutetia.images.dicom.write_ct import write_ct_series
from lutetia.images.dicom.write_nm import write_nm_tomo
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume
from lutetia.physics.nuclides import nuclide
from lutetia.recon.camera import read_camera
from lutetia.recon.simulate import ScatterModel, simulate_projections

START = datetime(2026, 3, 2, 12)
WINDOWS_KEV = ((187.2, 228.8), (166.89, 186.31), (229.63, 251.16))
PHANTOM_MBQ = 400.0
SENSITIVITY = 9.0e-6


def _item(**elements):
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item


@pytest.fixture
def write_static(tmp_path):
    """Write a static NM object: counts (windows, heads) spread over 16 x 16 pixels."""

    def write(counts, name="static.dcm", *, duration_ms=300_000, windows=WINDOWS_KEV, **elements):
        counts = np.asarray(counts)
        n, heads = counts.shape
        frames = np.zeros((n * heads, 16, 16), np.uint16)
        frames[:, 4:12, 4:12] = (counts.reshape(-1) // 64)[:, None, None]
        frames[:, 0, 0] = counts.reshape(-1) % 64
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = NuclearMedicineImageStorage
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = generate_uid()
        ds.Modality, ds.ImageType = "NM", ["ORIGINAL", "PRIMARY", "STATIC", "EMISSION"]
        ds.Manufacturer, ds.ManufacturerModelName = "Maker", "Two heads"
        ds.AcquisitionDate, ds.AcquisitionTime = START.strftime("%Y%m%d"), START.strftime("%H%M%S")
        ds.Rows = ds.Columns = 16
        ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
        ds.BitsAllocated = ds.BitsStored = 16
        ds.HighBit, ds.NumberOfFrames, ds.ActualFrameDuration = 15, n * heads, duration_ms
        ds.EnergyWindowVector = [w + 1 for w in range(n) for _ in range(heads)]
        ds.DetectorVector = [h + 1 for _ in range(n) for h in range(heads)]
        ds.EnergyWindowInformationSequence = [
            _item(EnergyWindowRangeSequence=[_item(EnergyWindowLowerLimit=a, EnergyWindowUpperLimit=b)])
            for a, b in windows[:n]
        ]
        ds.DetectorInformationSequence = [_item(CollimatorGridName="MEGP") for _ in range(heads)]
        code = _item(CodeValue="C-163B8", CodingSchemeDesignator="99SDM", CodeMeaning="^177^Lutetium")
        ds.RadiopharmaceuticalInformationSequence = [_item(RadionuclideCodeSequence=[code])]
        for keyword, value in elements.items():
            setattr(ds, keyword, value) if value is not None else delattr(ds, keyword)
        ds.PixelData = frames.tobytes()
        path = tmp_path / name
        pydicom.dcmwrite(path, ds, enforce_file_format=True)
        return path

    return write


@pytest.fixture(scope="session")
def phantom(tmp_path_factory):
    """Folder with tomo.dcm and ct/ of a cylinder of 90 mm radius and 120 mm length, uniformly filled."""
    folder = tmp_path_factory.mktemp("phantom")
    frame = "1.2.3.4"
    grid = Grid(
        size=(60, 60, 60), spacing_mm=(4.0, 4.0, 4.0), origin_mm=(-118.0,) * 3, frame_of_reference_uid=frame
    )
    x, y, z = (grid.origin_mm[a] + np.arange(60) * 4.0 for a in range(3))
    inside = (np.hypot(x[None, None, :], y[None, :, None]) < 90) & (np.abs(z) < 60)[:, None, None]
    volume_ml = float(np.count_nonzero(inside)) * grid.voxel_ml
    angle = np.concatenate([np.arange(16) * math.pi / 16, np.arange(16) * math.pi / 16 + math.pi])
    projections = simulate_projections(
        activity=Volume(grid=grid, values=inside * (PHANTOM_MBQ * 1e6 / volume_ml), unit="Bq/mL"),
        attenuation=Volume(grid=grid, values=inside * 0.135, unit="1/cm"),
        camera=read_camera("GE-Discovery-670-MEGP", photopeak_mev=0.208366),
        sensitivity_cps_per_bq=SENSITIVITY,
        windows=tuple(EnergyWindow(lower_mev=a / 1e3, upper_mev=b / 1e3) for a, b in WINDOWS_KEV),
        photopeak_index=0,
        angle_rad=angle,
        radius_mm=np.full(32, 160.0),
        frame_duration_s=np.full(32, 60.0),
        pixel_mm=(8.0, 8.0),
        n_rows=30,
        n_columns=40,
        centre_mm=(0.0, 0.0, 0.0),
        detector=np.repeat([0, 1], 16),
        start_time=START,
        decay_constant_per_s=nuclide("Lu-177").decay_constant_per_s,
        scatter=ScatterModel(lower_density=1.0, upper_density=1.0, lower_widening=1.0, primary_spill=0.0),
        rng=np.random.default_rng(1),
        equipment=Equipment(manufacturer="Maker", model="Two heads", collimator="MEGP"),
    )
    identity = Identity(patient_id="PHANTOM", study_datetime=START, frame_of_reference_uid=frame)
    write_nm_tomo(
        replace(projections, frame_of_reference_uid=frame),
        folder / "tomo.dcm",
        identity=identity,
        nuclide="Lu-177",
        administration=None,
    )
    hu = Volume(grid=grid, values=np.where(inside, 0.0, -1000.0), unit="HU")
    write_ct_series(hu, folder / "ct", identity=identity, acquisition_time=START - timedelta(minutes=3))
    return folder, volume_ml
