import json
import math
from dataclasses import replace
from datetime import date, datetime, timedelta

import numpy as np
import pytest

from lutetia.errors import InputError, MissingDataError, OutputError
from lutetia.images.calibration import measured_rate
from lutetia.recon.calibrate import record as record_module
from lutetia.recon.calibrate.conditions import Conditions
from lutetia.recon.calibrate.dead_time import dead_time_of_decaying_source
from lutetia.recon.calibrate.documents import measurement_document, measurement_of
from lutetia.recon.calibrate.in_force import drift, factor_in_force, recovery_in_force
from lutetia.recon.calibrate.record import add_measurement, read_record
from lutetia.recon.calibrate.recovery_curve import SphereRecovery, fit_recovery
from lutetia.recon.calibrate.sensitivity import SensitivityMeasurement

CONDITIONS = Conditions(camera="Camera 1", collimator="MEGP", nuclide="Lu-177", window_mev=(0.1872, 0.2288))
DAY = datetime(2026, 3, 2, 9, 30)
NOW = datetime(2026, 3, 2, 17)
WANTED = {"nuclide": "Lu-177", "collimator": "MEGP", "window_mev": (0.1872, 0.2288), "at": date(2026, 4, 1)}


def _sensitivity(value=9.4, *, days=0, own=0.004, activity=0.02, meter="Meter A", **changes):
    given = {
        "conditions": CONDITIONS,
        "value_cps_per_bq": value * 1e-6,
        "relative_uncertainty": None if activity is None else math.hypot(own, activity),
        "budget": {"counting": own, "activity": activity, "clocks": 0.0},
        "method": "planar",
        "measured_at": DAY + timedelta(days=days),
        "meter": meter,
    }
    return SensitivityMeasurement(**(given | changes))


def _dead_time(**changes):
    time_s = np.arange(8) * 43200.0
    rate = measured_rate(2e5 * np.exp(-math.log(2) * time_s / 574000.0), 1.2e-6)
    found = dead_time_of_decaying_source(
        time_s=time_s,
        rate_cps=rate,
        u_rate_cps=0.001 * rate,
        half_life_s=574000.0,
        conditions=CONDITIONS,
        measured_at=DAY,
        source_sha256=("ab" * 32,),
    )
    return replace(found, **changes)


def _curve(**changes):
    spheres = [
        SphereRecovery(volume_ml=v, recovery=1 / (1 + (2 / v) ** 0.9), u_recovery=0.02)
        for v in (0.5, 2.0, 8.0, 26.0)
    ]
    given = {"conditions": CONDITIONS, "measured_at": DAY, "model": "logistic", "sphere_to_background": 8.0}
    return fit_recovery(spheres, **(given | changes))


def _record(path, *measurements, **options):
    for measurement in measurements:
        add_measurement(path, measurement, by="physicist", added_at=NOW, **options)
    return read_record(path)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "camera.json"


@pytest.mark.parametrize("make", [_sensitivity, _dead_time, _curve])
def test_what_is_written_is_read_back(path, make):
    measurement = make()
    read = _record(path, measurement).entries[0]
    assert read.by == "physicist"
    assert read.added_at == NOW
    text = json.dumps(measurement_document(measurement))
    again = json.dumps(measurement_document(read.measurement))
    # numbers go through MBq, keV and per cent: to the last digits
    for a, b in zip(text.split(), again.split(), strict=True):
        if a != b:
            assert float(a.strip(",]}")) == pytest.approx(float(b.strip(",]}")), rel=1e-14)
    assert json.loads(path.read_text("utf-8"))["lutetia_calibration_record"] == 1


def test_a_record_only_grows(path):
    _record(path, _sensitivity())
    before = json.loads(path.read_text("utf-8"))["entries"]
    record = _record(path, _dead_time(), _curve(), _sensitivity(9.5, days=1))
    after = json.loads(path.read_text("utf-8"))["entries"]
    assert after[:1] == before
    assert [e.number for e in record.entries] == ["0001", "0002", "0003", "0004"]
    assert not record.warnings
    assert [p.name for p in path.parent.iterdir()] == ["camera.json"]  # nothing half-written beside it


def test_a_correction_leaves_what_it_corrects_visible(path):
    _record(path, _sensitivity(94.0))
    record = _record(path, _sensitivity(9.4), supersedes="0001", note="activity was of the whole vial")
    assert record.entries[0].superseded_by == "0002"
    assert record.entries[0].measurement.value_cps_per_bq == pytest.approx(94e-6)
    assert [e.number for e in record.standing()] == ["0002"]
    assert factor_in_force(record, **WANTED).calibration.sensitivity_cps_per_bq == pytest.approx(9.4e-6)
    for wrong in ("0001", "0007"):
        with pytest.raises(InputError, match=rf"entry '{wrong}' cannot be corrected .* 0002 \(sensitivity\)"):
            _record(path, _sensitivity(9.5), supersedes=wrong)
    with pytest.raises(InputError, match="by a dead_time measurement"):
        _record(path, _dead_time(), supersedes="0002")


def test_what_was_changed_afterwards_is_told(path):
    _record(path, _sensitivity(), _sensitivity(9.5, days=1), _sensitivity(9.3, days=2))
    document = json.loads(path.read_text("utf-8"))
    document["entries"][1]["measurement"]["sensitivity_cps_per_MBq"] = 12.0
    path.write_text(json.dumps(document), "utf-8")
    record = read_record(path)
    assert len(record.warnings) == 1
    assert "entry 0002 or one before it was changed" in record.warnings[0]
    assert record.warnings[0] in factor_in_force(record, **WANTED).warnings
    del document["entries"][1]
    path.write_text(json.dumps(document), "utf-8")
    assert "entry 0003 or one before it was changed or removed" in read_record(path).warnings[0]


def test_nothing_is_added_twice_or_by_nobody(path):
    _record(path, _sensitivity())
    with pytest.raises(InputError, match="there already as entry 0001"):
        _record(path, _sensitivity())
    with pytest.raises(MissingDataError, match="--by"):
        add_measurement(path, _sensitivity(9.5), by=" ", added_at=NOW)


def test_an_addition_meanwhile_is_not_lost(path, monkeypatch):
    _record(path, _sensitivity())
    write_whole = record_module.write_whole

    def late(*arguments, **options):
        monkeypatch.setattr(record_module, "write_whole", write_whole)
        _record(path, _sensitivity(9.6, days=3))
        return write_whole(*arguments, **options)

    monkeypatch.setattr(record_module, "write_whole", late)
    with pytest.raises(OutputError, match="changed by somebody else meanwhile"):
        _record(path, _sensitivity(9.5, days=1))
    held = read_record(path)
    assert [e.measurement.value_cps_per_bq for e in held.entries] == pytest.approx([9.4e-6, 9.6e-6])
    assert [p.name for p in path.parent.iterdir()] == ["camera.json"]


def test_files_that_are_no_record(path):
    with pytest.raises(MissingDataError, match=r"camera\.json cannot be read"):
        read_record(path)
    for text, message in (
        ("{", "not JSON"),
        ("[]", "lutetia_calibration_record is None"),
        ('{"lutetia_calibration_record": 2}', "is 2; expected 1"),
        ('{"lutetia_calibration_record": 1}', "no list of entries"),
        (
            '{"lutetia_calibration_record": 1, "entries": [{"number": "0001"}]}',
            "entry 0001: 'measurement' is missing",
        ),
    ):
        path.write_text(text, "utf-8")
        with pytest.raises(InputError, match=message):
            read_record(path)
        with pytest.raises(InputError, match=message):
            _record(path, _sensitivity())
        assert path.read_text("utf-8") == text


def test_measurements_that_cannot_be_read():
    document = measurement_document(_sensitivity())
    for changes, message in (
        ({"kind": "colour"}, "expected one of sensitivity, dead_time, recovery"),
        ({"window_keV": 187.2}, "entry 1: cannot unpack"),
        ({"measured_at": "yesterday"}, "entry 1: Invalid isoformat"),
        ({"sensitivity_cps_per_MBq": None}, "entry 1: .* is missing or not what it should be"),
        ({"nuclide": "brass"}, "is not the name of a nuclide"),
    ):
        with pytest.raises(InputError, match=message):
            measurement_of(document | changes, "entry 1")


def test_agreeing_measurements_are_averaged_by_their_own_uncertainty(path):
    record = _record(path, _sensitivity(9.40, own=0.004), _sensitivity(9.46, days=7, own=0.002))
    found = factor_in_force(record, **WANTED)
    assert (found.rule, found.numbers) == ("weighted mean", ("0001", "0002"))
    # closed form: weights 1/0.004^2 and 1/0.002^2; the meter's 2 % is common
    mean = (9.40 + 4 * 9.46) / 5
    assert found.calibration.sensitivity_cps_per_bq == pytest.approx(mean * 1e-6, rel=1e-9)
    weight = 1 / 0.004**2 + 1 / 0.002**2
    chi2 = ((9.40 / mean - 1) / 0.004) ** 2 + ((9.46 / mean - 1) / 0.002) ** 2
    own = math.sqrt(max(1.0, chi2) / weight)
    assert found.calibration.relative_uncertainty == pytest.approx(math.hypot(own, 0.02), rel=1e-9)
    assert "weighted mean of entries 0001, 0002" in found.calibration.source


def test_with_different_meters_the_whole_uncertainty_counts(path):
    record = _record(path, _sensitivity(9.40), _sensitivity(9.60, days=7, meter="Meter B"))
    found = factor_in_force(record, **WANTED)
    assert found.calibration.sensitivity_cps_per_bq == pytest.approx(9.5e-6, rel=1e-9)
    u = math.hypot(0.004, 0.02) / math.sqrt(2)
    assert found.calibration.relative_uncertainty == pytest.approx(u, rel=1e-9)  # closed form


def test_drift_is_told_and_the_latest_counts_alone(path):
    earlier, new = _sensitivity(9.40), _sensitivity(9.60, days=30)
    record = _record(path, earlier)
    found = drift(record, new)
    # closed form: the meter is the same, so its 2 % cancels
    z = 0.2 / math.hypot(9.4 * 0.004, 9.6 * 0.004)
    assert found.z == pytest.approx(z, rel=1e-9)
    assert found.ratio == pytest.approx(9.6 / 9.4)
    assert "3.7 standard uncertainties" in found.warnings[0]
    assert "before the cause is known" in found.warnings[0]
    record = _record(path, new)
    held = factor_in_force(record, **WANTED)
    assert (held.rule, held.numbers) == ("latest", ("0002",))
    assert any("+2.1 % from 9.4" in w for w in held.warnings)
    other = drift(record, replace(new, meter="Meter B", measured_at=DAY + timedelta(days=40)))
    assert other.z == pytest.approx(0.0)
    assert drift(_record(path.with_name("b.json"), earlier), replace(new, meter="")).z == pytest.approx(
        0.2 / (math.hypot(0.004, 0.02) * math.hypot(9.4, 9.6)), rel=1e-9
    )


def test_scatter_correction_of_one_method_is_shared(path):
    budget = {"counting": 0.004, "activity": 0.02, "scatter correction": 0.03}
    given = {"budget": budget, "relative_uncertainty": math.hypot(*budget.values()), "method": "tomographic"}
    first, second = _sensitivity(9.40, **given), _sensitivity(9.44, days=5, **given)
    found = drift(_record(path, first), second)
    assert found.z == pytest.approx(0.04 / (0.004 * math.hypot(9.40, 9.44)), rel=1e-9)  # closed form
    held = factor_in_force(_record(path, second), **WANTED)
    u = math.hypot(0.004 / math.sqrt(2), 0.02, 0.03)
    assert held.calibration.relative_uncertainty == pytest.approx(u, rel=1e-9)  # closed form


def test_drift_between_two_and_three_asks_for_a_repetition(path):
    found = drift(_record(path, _sensitivity(9.40)), _sensitivity(9.53, days=2))
    assert 2 < found.z < 3
    assert "repeat the measurement" in found.warnings[0]
    assert drift(_record(path.with_name("c.json"), _sensitivity(9.4)), _sensitivity(9.41, days=2)).warnings == ()
    assert drift(read_record(path), _sensitivity(9.4, days=-3)) is None
    unknown = drift(read_record(path), _sensitivity(9.9, days=3, activity=None, meter="Meter B"))
    assert unknown.z is None
    assert "cannot be told" in unknown.warnings[0]


def test_the_day_decides(path):
    record = _record(path, _sensitivity(9.4), _sensitivity(9.9, days=60), _sensitivity(9.2, days=900))
    first = factor_in_force(record, **(WANTED | {"at": date(2026, 4, 1)}))
    assert first.numbers == ("0001",)
    second = factor_in_force(record, **(WANTED | {"at": date(2027, 7, 1)}))
    assert second.numbers == ("0002",)
    assert any("426 days old, more than 365" in w for w in second.warnings)
    assert not any("days old" in w for w in factor_in_force(record, **WANTED).warnings)
    with pytest.raises(
        MissingDataError, match=r"no sensitivity up to 2026-01-01 .* 0001 2026-03-02 Camera 1, MEGP"
    ):
        factor_in_force(record, **(WANTED | {"at": date(2026, 1, 1)}))


def test_a_new_evaluation_of_the_same_acquisition_is_not_averaged(path):
    record = _record(path, _sensitivity(9.40), _sensitivity(9.41))
    found = factor_in_force(record, **WANTED)
    assert found.numbers == ("0002",)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"nuclide": "I-131"}, "Camera 1, MEGP, I-131"),
        ({"collimator": "LEHR"}, "Camera 1, LEHR, Lu-177"),
        ({"window_mev": (0.0904, 0.1356)}, "90.4-135.6 keV"),
        ({"camera": "Camera 2"}, "Camera 2, MEGP"),
    ],
)
def test_another_nuclide_collimator_window_or_camera_is_refused(path, wrong, named):
    record = _record(path, _sensitivity())
    with pytest.raises(MissingDataError, match=named) as refused:
        factor_in_force(record, **(WANTED | wrong))
    assert "it holds 0001 2026-03-02 Camera 1, MEGP, Lu-177, 187.2-228.8 keV" in str(refused.value)
    with pytest.raises(MissingDataError, match="holds no recovery"):
        recovery_in_force(record, **(WANTED | wrong))


def test_several_cameras_must_be_told_apart(path):
    elsewhere = replace(CONDITIONS, camera="Camera 2")
    record = _record(path, _sensitivity(), _sensitivity(8.0, conditions=elsewhere))
    with pytest.raises(MissingDataError, match=r"2 cameras \(Camera 1, Camera 2\); name one"):
        factor_in_force(record, **WANTED)
    found = factor_in_force(record, **WANTED, camera="camera 2")
    assert found.calibration.sensitivity_cps_per_bq == pytest.approx(8e-6)


def test_dead_time_and_recovery_are_found_too(path):
    record = _record(path, _sensitivity())
    without = factor_in_force(record, **WANTED)
    assert without.calibration.dead_time_s == 0
    assert any("holds no dead time" in w for w in without.warnings)
    wide = replace(CONDITIONS, window_mev=(0.05, 0.4))  # of the whole spectrum
    record = _record(path, _dead_time(conditions=wide), _curve(), _curve(measured_at=DAY + timedelta(days=5)))
    assert factor_in_force(record, **WANTED).calibration.dead_time_s == pytest.approx(1.2e-6, rel=1e-6)
    assert recovery_in_force(record, **WANTED).measured_at == DAY + timedelta(days=5)
    early = recovery_in_force(record, **(WANTED | {"at": DAY.date()}))
    assert early.recovery(2.0)[0] == pytest.approx(0.5)


def test_another_method_is_compared_and_not_averaged(path):
    record = _record(path, _sensitivity(9.9, method="tomographic"), _sensitivity(9.4, days=1))
    found = factor_in_force(record, **WANTED)
    assert found.numbers == ("0002",)
    assert any(w.startswith("By another method: Sensitivity 9.4") for w in found.warnings)


def test_assumptions_of_the_measurements_come_along(path):
    record = _record(path, _sensitivity(warnings=("No background was measured; none was subtracted.",)))
    assert (
        "Entry 0001: No background was measured; none was subtracted." in factor_in_force(record, **WANTED).warnings
    )
