"""Dates and times of DICOM, with everything that is missing in them."""

from datetime import datetime

import pydicom
import pytest

from lutetia.errors import DicomError
from lutetia.images.dicom.times import acquisition_start, injection_time, parse_date_time, parse_datetime


@pytest.mark.parametrize(
    ("date", "time", "expected"),
    [
        ("20260302", "101500.250000", datetime(2026, 3, 2, 10, 15, 0, 250000)),
        ("20260302", "101500", datetime(2026, 3, 2, 10, 15)),  # no fraction
        ("20260302", "1015", datetime(2026, 3, 2, 10, 15)),  # no seconds
        ("20260302", "10", datetime(2026, 3, 2, 10)),
        ("2026.03.02", "10:15:00", datetime(2026, 3, 2, 10, 15)),  # ACR-NEMA
        ("20260302", "235960", datetime(2026, 3, 2, 23, 59, 59)),  # leap second
        ("00010101", "101500", None),  # an anonymiser's placeholder
        ("", "101500", None),
        ("20260302", "", None),
        (None, None, None),
    ],
)
def test_date_and_time(date, time, expected):
    assert parse_date_time(date, time) == expected


@pytest.mark.parametrize(("date", "time"), [("20261345", "101500"), ("20260302", "99"), ("yesterday", "101500")])
def test_what_is_no_date_is_refused(date, time):
    with pytest.raises(DicomError):
        parse_date_time(date, time)


def test_datetime_with_zone_is_the_clock_of_the_hospital():
    assert parse_datetime("20260302101500.5+0100") == datetime(2026, 3, 2, 10, 15, 0, 500000)


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("+0100", datetime(2026, 3, 1, 0, 15)),
        ("-0500", datetime(2026, 2, 28, 18, 15)),
        ("+0545", datetime(2026, 3, 1, 5)),
        ("", datetime(2026, 2, 28, 23, 15)),  # the object's own zone is unknown
    ],
)
def test_a_zone_is_converted_to_that_of_the_object(zone, expected):
    assert parse_datetime("20260228231500+0000", zone) == expected
    made = dataset(AcquisitionDateTime="20260228231500+0000", TimezoneOffsetFromUTC=zone)
    assert acquisition_start(made) == expected
    assert injection_time(dataset(RadiopharmaceuticalStartDateTime="20260228231500+0000"), None, zone) == expected


def dataset(**attributes):
    made = pydicom.Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def test_series_time_is_never_the_start():
    later = dataset(
        SeriesDate="20260303", SeriesTime="120000", AcquisitionDate="20260302", AcquisitionTime="101500"
    )
    assert acquisition_start(later) == datetime(2026, 3, 2, 10, 15)
    assert acquisition_start(dataset(SeriesDate="20260303", SeriesTime="120000")) is None


def test_content_time_counts_for_original_images_only():
    times = {"ContentDate": "20260302", "ContentTime": "101500"}
    assert acquisition_start(dataset(ImageType=["ORIGINAL", "PRIMARY"], **times)) == datetime(2026, 3, 2, 10, 15)
    assert acquisition_start(dataset(ImageType=["DERIVED", "PRIMARY"], **times)) is None


@pytest.mark.parametrize(
    ("scan", "clock", "expected"),
    [
        (datetime(2026, 3, 2, 11, 0), "101500", datetime(2026, 3, 2, 10, 15)),
        (datetime(2026, 3, 2, 0, 30), "233000", datetime(2026, 3, 1, 23, 30)),  # across midnight
        (datetime(2026, 3, 1, 0, 30), "233000", datetime(2026, 2, 28, 23, 30)),  # and the month
    ],
)
def test_injection_without_a_date_lies_before_the_scan(scan, clock, expected):
    assert injection_time(dataset(RadiopharmaceuticalStartTime=clock), scan) == expected


def test_injection_with_a_date_is_taken():
    item = dataset(RadiopharmaceuticalStartDateTime="20260227090000", RadiopharmaceuticalStartTime="090000")
    assert injection_time(item, datetime(2026, 3, 2)) == datetime(2026, 2, 27, 9)
