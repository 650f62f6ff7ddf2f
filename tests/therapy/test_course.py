"""Course: what is refused, what was the case on a day, what adds up."""

import math
from datetime import UTC, date, datetime

import pytest

from lutetia.errors import InputError
from lutetia.therapy.course import (
    Course,
    DayEvent,
    Decision,
    Diagnosis,
    DoseRecord,
    Event,
    Imaging,
    Lab,
    Medication,
    Observation,
    Patient,
    RiskFactor,
    SstrRead,
    cumulative_doses,
    net_administered_activity_bq,
    uid_hash,
)
from lutetia.therapy.course.doubts import doubts_of

HALF_LIFE_S = 6.647 * 86400  # 177Lu, ICRP Publication 107
NOON = datetime(2026, 3, 2, 12)


def platelets(value, time, **given):
    return Lab(test="platelets", time=time, value=value, unit="10^9/L", **given)


def test_net_activity_is_what_was_there_less_what_was_left(cycle):
    given = cycle()
    decay = math.log(2) / HALF_LIFE_S
    # closed form: 7400 MBq measured 30 min before, 50 MBq left 60 min after the start
    expected = 7.4e9 * math.exp(-decay * 1800) - 5.0e7 * math.exp(decay * 3600)
    # the half-life of ICRP 107 is given to four digits: exp(-ln2 * 1800 / T) changes by 2e-7 with its last digit
    assert net_administered_activity_bq(given) == pytest.approx(expected, rel=1e-6)


def test_net_activity_without_measurement_is_unknown(cycle, patient):
    given = cycle(prescribed_activity_bq=7.4e9, measured_activity_bq=None, measured_at=None)
    assert net_administered_activity_bq(given) is None
    course = Course(patient=patient, administrations=(given,))
    assert course.cumulative_activity_bq() == {"177Lu-DOTATATE": None}
    assert doubts_of(course) == ("Cycle 1: no activity was measured, so what was given is not known.",)


def test_net_activity_without_residual_is_told_of(cycle, patient):
    given = cycle(residual_activity_bq=None, residual_measured_at=None)
    course = Course(patient=patient, administrations=(given,))
    assert not course.net_activities()[0].residual_known
    assert doubts_of(course) == ("Cycle 1: the residual was not measured; the activity is an upper bound.",)


def test_activities_are_summed_by_agent(cycle, patient):
    other = cycle(3, agent="225Ac-DOTATATE", nuclide="225Ac", measured_activity_bq=8.0e6, residual_activity_bq=0.0)
    course = Course(patient=patient, administrations=(other, cycle(2), cycle(1)))
    total = course.cumulative_activity_bq()
    assert total["177Lu-DOTATATE"] == pytest.approx(2 * net_administered_activity_bq(cycle(1)))
    assert total["225Ac-DOTATATE"] == pytest.approx(net_administered_activity_bq(other))
    assert [given.cycle for given in course.administrations] == [1, 2, 3]
    assert other.nuclide == "Ac-225"


def test_current_values_are_the_last_of_each_test(patient):
    early, late = platelets(180, datetime(2026, 1, 5, 8)), platelets(90, datetime(2026, 2, 5, 8))
    other = Lab(test="Creatinine", time=datetime(2026, 1, 5, 8), value=80, unit="µmol/L")
    course = Course(patient=patient, labs=(late, other, early))
    assert course.current("Platelets") is late
    assert course.current("bilirubin") is None
    assert course.current_labs() == {"platelets": late, "Creatinine": other}
    assert course.as_of(date(2026, 1, 31)).current("platelets") == early


def test_current_observations_are_the_last_of_each(patient):
    seen = [
        Observation(name="weight", time=datetime(2026, m, 1), value=v, unit="kg") for m, v in ((2, 71), (1, 73))
    ]
    assert Course(patient=patient, observations=tuple(seen)).current_observations() == {"weight": seen[0]}


def test_as_of_leaves_out_what_came_later(patient, cycle):
    given = cycle(
        events=(
            DayEvent(name="amino acids", start=datetime(2026, 2, 1, 9), stop=datetime(2026, 2, 1, 13)),
            DayEvent(name="octreotide", start=datetime(2026, 2, 1, 15)),
        )
    )
    course = Course(
        patient=patient,
        administrations=(given, cycle(2)),
        medications=(Medication(name="octreotide LAR", start=date(2025, 1, 1), end=date(2026, 1, 4)),),
        events=(Event(term="nausea", grade=1, ctcae_version="5.0", start=date(2026, 2, 1), end=date(2026, 2, 3)),),
    )
    then = course.as_of(datetime(2026, 2, 1, 10, 15))
    (seen,) = then.administrations
    assert (seen.stop, seen.residual_activity_bq, seen.residual_measured_at) == (None, None, None)
    assert [(event.name, event.stop) for event in seen.events] == [("amino acids", None)]
    assert then.events[0].end is None
    assert then.medications[0].end == date(2026, 1, 4)
    assert course.as_of(date(2026, 2, 1)).administrations == (given,)
    assert course.as_of(date(2026, 12, 31)) == course
    assert not list(course.as_of(date(2024, 12, 31)).records())


def test_as_of_twice_is_as_of_the_earlier(patient, cycle):
    course = Course(patient=patient, administrations=(cycle(1), cycle(2)), labs=(platelets(1, NOON),))
    for early in (date(2026, 1, 1), date(2026, 3, 1), datetime(2026, 2, 1, 10, 10)):
        assert course.as_of(date(2026, 3, 5)).as_of(early) == course.as_of(early)


def test_doses_add_up_with_the_calibration_as_one_error(patient, cycle, dose):
    course = Course(
        patient=patient,
        administrations=(cycle(1), cycle(2)),
        doses=(dose(2, {"kidney left": 5.0}), dose(1, {"kidney left": 4.0, "spleen": 6.0})),
    )
    kidney, spleen = cumulative_doses(course)
    assert (kidney.region, kidney.absorbed_dose_gy, kidney.by_cycle_gy) == ("kidney left", 9.0, {1: 4.0, 2: 5.0})
    # calibration: 5 % of 9 Gy; counting: 2 % of each, independent
    expected = math.sqrt((0.05 * 9) ** 2 + (0.02 * 4) ** 2 + (0.02 * 5) ** 2)
    assert kidney.standard_uncertainty_gy == pytest.approx(expected, rel=1e-12)
    assert (spleen.absorbed_dose_gy, spleen.sum_gy, spleen.missing_cycles) == (None, 6.0, (2,))
    assert doubts_of(course) == ()


def test_a_cycle_without_doses_leaves_the_sum_open(patient, cycle, dose):
    course = Course(patient=patient, administrations=(cycle(1), cycle(2)), doses=(dose(1, {"liver": 2.0}),))
    (liver,) = cumulative_doses(course)
    assert (liver.absorbed_dose_gy, liver.missing_cycles) == (None, (2,))


def test_unknown_dose_is_missing_and_unknown_uncertainty_is_none(patient, cycle, dose_text):
    text = dose_text({"liver": 2.0, "lesion 1": None}).replace(
        '"u_absorbed_dose_Gy": 0.1', '"u_absorbed_dose_Gy": null,"x": 0.1'
    )
    record = DoseRecord(cycle=1, time=datetime(2026, 2, 9), text=text)
    liver, lesion = cumulative_doses(Course(patient=patient, administrations=(cycle(1),), doses=(record,)))
    assert (liver.absorbed_dose_gy, liver.standard_uncertainty_gy) == (2.0, None)
    assert (lesion.absorbed_dose_gy, lesion.missing_cycles) == (None, (1,))


def test_doses_that_do_not_fit_are_told_of(patient, cycle, dose):
    course = Course(
        patient=patient,
        administrations=(cycle(1, measured_activity_bq=5.0e9),),
        doses=(dose(1, {"liver": 2.0}, subject="another"), dose(2, {"liver": 2.5}, subject="another")),
    )
    told = " ".join(doubts_of(course))
    assert "doses are for 7350 MBq, the course says 4939 MBq" in told
    assert "Cycle 2: has doses, but no administration." in told
    assert "names another subject" in told


def test_document_is_kept_character_by_character(dose_text):
    text = dose_text({"liver": 2.0}) + "\r\n "
    record = DoseRecord(cycle=1, time=NOON, text=text)
    assert record.text == text
    assert record.document["regions"][0]["absorbed_dose_Gy"] == 2.0


def test_activities_are_whole_becquerels(cycle):
    assert cycle(measured_activity_bq=7.4e9 + 0.4).measured_activity_bq == 7.4e9


def decision(**fields):
    return Decision(
        **{"time": NOON, "question": "next?", "answer": "yes", "who": "MPE", "source": "label", **fields}
    )


BAD_RECORDS = [
    (lambda: Patient(pseudonym="Jane Doe", sex="female"), "patient.pseudonym"),
    (lambda: Patient(pseudonym="", sex="female"), "patient.pseudonym"),
    (lambda: Patient(pseudonym="P1", sex="f"), "patient.sex"),
    (lambda: Patient(pseudonym="P1", sex="male", birth_year=196), "patient.birth_year"),
    (lambda: Patient(pseudonym="P1", sex="male", birth_year=1960, birth_date=date(1960, 1, 1)), "patient.birth_year"),
    (lambda: Patient(pseudonym="P1", sex="male", birth_date=datetime(1960, 1, 1)), "patient.birth_date"),
    (lambda: Diagnosis(date=NOON, histology="NET"), "diagnosis.date"),
    (lambda: Diagnosis(date=date(2020, 1, 1), histology=" "), "diagnosis.histology"),
    (lambda: Diagnosis(date=date(2020, 1, 1), histology="NET", grade="G4"), "diagnosis.grade"),
    (lambda: Diagnosis(date=date(2020, 1, 1), histology="NET", ki67_percent=101), "diagnosis.ki67_percent"),
    (lambda: SstrRead(date=date(2026, 1, 1), tracer="68Ga-DOTATATE", krenning=5), "sstr.krenning"),
    (lambda: SstrRead(date=date(2026, 1, 1), tracer="68Ga-DOTATATE"), "sstr.krenning"),
    (lambda: RiskFactor(date=date(2026, 1, 1), name="diabetes", present="yes"), "risk.present"),
    (lambda: Medication(name="SSA", start=date(2026, 1, 2), end=date(2026, 1, 1)), "medication.end"),
    (lambda: platelets(-1, NOON), "lab.value"),
    (lambda: platelets(math.nan, NOON), "lab.value"),
    (lambda: platelets(math.inf, NOON), "lab.value"),
    (lambda: platelets(True, NOON), "lab.value"),
    (lambda: platelets("187", NOON), "lab.value"),
    (lambda: platelets(187, date(2026, 3, 2)), "lab.time"),
    (lambda: platelets(187, NOON.replace(tzinfo=UTC)), "lab.time"),
    (lambda: platelets(187, NOON.replace(year=206)), "lab.time"),
    (lambda: platelets(187, NOON, lower_limit=400, upper_limit=150), "lab.upper_limit"),
    (lambda: platelets(187, NOON, comparator="="), "lab.comparator"),
    (lambda: Lab(test="platelets", time=NOON, value=187, unit="thousand"), "lab.unit"),
    (lambda: Lab(test="plate\x00lets", time=NOON, value=187, unit="g/L"), "lab.test"),
    (lambda: Lab(test="p" * 5000, time=NOON, value=187, unit="g/L"), "lab.test"),
    (lambda: Observation(name="weight", time=NOON, value=71, unit="stone"), "observation.unit"),
    (lambda: Event(term="nausea", grade=6, ctcae_version="5.0", start=date(2026, 3, 2)), "event.grade"),
    (lambda: Event(term="nausea", grade=1.0, ctcae_version="5.0", start=date(2026, 3, 2)), "event.grade"),
    (lambda: Event(term="nausea", grade=1, ctcae_version="", start=date(2026, 3, 2)), "event.ctcae_version"),
    (lambda: Event(term="a", grade=1, ctcae_version="5.0", start=date(2026, 3, 2), causality="sure"), "event.causality"),
    (lambda: decision(who=""), "decision.who"),
    (lambda: decision(reasons="one"), "decision.reasons"),
    (lambda: decision(source=" "), "decision.source"),
    (lambda: decision(action="hold", activity_bq=7.4e9), "decision.activity_MBq"),
    (lambda: Imaging(time=NOON, modality="SPECT/CT"), "imaging.modality"),
    (lambda: Imaging(time=NOON, modality="NM", uid_sha256="1.2.840.1"), "imaging.uid_sha256"),
    (lambda: DayEvent(name="amino acids", start=NOON, stop=NOON.replace(hour=11)), "administration.events.stop"),
    (lambda: DoseRecord(cycle=1, time=NOON, text="nothing"), "dose.text"),
    (lambda: DoseRecord(cycle=1, time=NOON, text='{"schema": "lutetia dose 9"}'), "dose.text"),
    (lambda: DoseRecord(cycle=1, time=NOON, text='{"schema": "lutetia dose 1", "subject": NaN}'), "dose.text"),
    (lambda: DoseRecord(cycle=1, time=NOON, text='{"schema": "lutetia dose 1"}'), "dose.text"),
    (lambda: DoseRecord(cycle=0, time=NOON, text="{}"), "dose.cycle"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("build", "field"), BAD_RECORDS, ids=[f"{i}-{field}" for i, (_, field) in enumerate(BAD_RECORDS)]
)
def test_bad_record_names_its_field(build, field):
    with pytest.raises(InputError, match=f"^{field}: "):
        build()


BAD_ADMINISTRATIONS = [
    ({"cycle": 0}, "cycle"),
    ({"nuclide": "Lu-999"}, "nuclide"),
    ({"stop": datetime(2026, 2, 1, 9)}, "stop"),
    ({"route": "by mouth"}, "route"),
    ({"prescribed_activity_bq": -1.0}, "prescribed_activity_MBq"),
    ({"measured_activity_bq": -1.0}, "measured_activity_MBq"),
    ({"measured_at": None}, "measured_at"),
    ({"measured_activity_bq": None}, "measured_activity_MBq"),
    ({"residual_activity_bq": 7.5e9}, "residual_activity_MBq"),
    ({"residual_measured_at": datetime(2026, 2, 1, 9)}, "residual_measured_at"),
    ({"purity_percent": 101}, "purity_percent"),
    ({"events": ("amino acids",)}, "events"),
]


@pytest.mark.parametrize(("given", "field"), BAD_ADMINISTRATIONS, ids=[field for _, field in BAD_ADMINISTRATIONS])
def test_bad_administration_names_its_field(cycle, given, field):
    with pytest.raises(InputError, match=rf"^administration\.{field}: "):
        cycle(**given)


def test_residual_above_what_had_decayed_is_refused(cycle, patient):
    # 49 MBq of 213Bi (45.6 min) two hours later are more than was left of 50 MBq
    left = cycle(nuclide="Bi-213", measured_activity_bq=5.0e7, residual_activity_bq=4.9e7,
                 residual_measured_at=datetime(2026, 2, 1, 12))  # fmt: skip
    with pytest.raises(InputError, match=r"administration\.residual_activity_MBq: in cycle 1 more was left"):
        Course(patient=patient, administrations=(left,))


def test_records_that_contradict_each_other_are_refused(patient, cycle, dose, dose_text):
    def refused(match, **given):
        with pytest.raises(InputError, match=match):
            Course(patient=patient, **given)

    refused(r"^lab\.time: .*before birth", labs=(platelets(1, datetime(1961, 5, 1)),))
    refused(r"^lab\.value: two values", labs=(platelets(1, NOON), platelets(2, NOON)))
    refused(r"^administration\.cycle: cycle 1 is given twice", administrations=(cycle(1), cycle(2, cycle=1)))
    refused(
        r"^administration\.start: cycle 2 starts before cycle 1",
        administrations=(cycle(1, cycle=2), cycle(2, cycle=1)),
    )
    overlapping = cycle(1, stop=datetime(2026, 4, 1, 11), residual_measured_at=datetime(2026, 4, 1, 12))
    refused(r"^administration\.start: .*cannot overlap", administrations=(overlapping, cycle(2)))
    refused(r"^dose\.cycle: cycle 1 has two", doses=(dose(1, {"liver": 2.0}), dose(1, {"liver": 3.0})))
    text = dose_text({"liver": 2.0})
    both = tuple(DoseRecord(cycle=c, time=NOON, text=text) for c in (1, 2))
    refused(r"^dose\.text: the same document", doses=both)
    refused(
        r"^dose\.text: documents of different",
        doses=(dose(1, {"liver": 2.0}), dose(2, {"liver": 2.0}, subject="Q")),
    )
    other = cycle(1, nuclide="Y-90")
    refused(r"^dose\.text: of Lu-177, but Y-90", administrations=(other,), doses=(dose(1, {"liver": 2.0}),))
    late = DoseRecord(cycle=2, time=NOON, text=text)
    refused(r"^dose\.text: of an administration on 2026-02-01", administrations=(cycle(2),), doses=(late,))
    refused(r"^course\.labs: expected a tuple", labs=(cycle(1),))


BAD_DOCUMENTS = [
    ({"subject": None}, "subject missing"),
    ({"administration": {"nuclide": "Lu-999"}}, r"administration\.nuclide: "),
    (
        {"administration": {"nuclide": "Lu-177", "activity_MBq": "7350"}},
        r"administration\.activity_MBq is no number",
    ),
    ({"calibration": {"sensitivity_cps_per_MBq": "9"}}, r"calibration\.sensitivity_cps_per_MBq is no number"),
    ({"regions": [{"region": "liver", "kind": "organ"}]}, "regions missing, or one without"),
    (
        {"regions": 2 * [{"region": "l", "kind": "organ", "absorbed_dose_Gy": 1, "u_absorbed_dose_Gy": None}]},
        "a region is there twice",
    ),
    (
        {"regions": [{"region": "l", "kind": "organ", "absorbed_dose_Gy": "1", "u_absorbed_dose_Gy": None}]},
        "regions missing, or one",
    ),
]


@pytest.mark.parametrize(("changes", "match"), BAD_DOCUMENTS, ids=[str(i) for i in range(len(BAD_DOCUMENTS))])
def test_bad_dose_document_is_refused(dose_text, changes, match):
    with pytest.raises(InputError, match=rf"^dose\.text: {match}"):
        DoseRecord(cycle=1, time=NOON, text=dose_text({"liver": 2.0}, **changes))


def test_born_in_a_year_allows_that_year():
    newborn = Patient(pseudonym="P", sex="male", birth_year=2010)
    Course(patient=newborn, labs=(platelets(1, datetime(2010, 1, 1)),))
    with pytest.raises(InputError, match="before birth"):
        Course(patient=newborn, labs=(platelets(1, datetime(2009, 12, 31)),))


def test_nothing_is_dated_in_the_future(patient, cycle):
    course = Course(patient=patient, administrations=(cycle(1),))
    course.check_not_after(date(2026, 2, 1))
    with pytest.raises(InputError, match=r"^administration\.residual_measured_at: .* in the future"):
        course.check_not_after(datetime(2026, 2, 1, 10, 45))
    with pytest.raises(InputError, match=r"^patient\.birth_date: in the future"):
        Course(patient=patient).check_not_after(date(1961, 5, 1))


def test_records_can_be_added(patient, cycle):
    course = Course(patient=patient).with_records(platelets(1, NOON), cycle(1), platelets(2, NOON.replace(hour=8)))
    assert [kind for kind, _ in course.records()] == ["administration", "lab", "lab"]
    assert course.labs[0].value == 2.0


def test_uid_hash_is_sha256():
    # printf 1.2.3 | sha256sum (coreutils 9.1)
    assert uid_hash(" 1.2.3 ") == "c47f5b18b8a430e698b9fe15e51f6119984e78334bcf3f45e210d30c37ef2f9e"
