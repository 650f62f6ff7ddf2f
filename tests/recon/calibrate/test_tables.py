import numpy as np
import pytest

from lutetia.errors import InputError, MissingDataError
from lutetia.recon.calibrate.tables import read_rates, read_spheres, sha256_of


@pytest.fixture
def write(tmp_path):
    def written(text):
        path = tmp_path / "table.csv"
        path.write_text(text, "utf-8")
        return path

    return written


def test_rates_over_time_with_counting_uncertainty(write):
    path = write("\ufefftime_h, rate_cps, duration_s\n0, 40000, 100\n\n24.5, 10000, 400\n")
    table = read_rates(path)
    assert table.over == "time"
    assert table.abscissa == pytest.approx([0.0, 88200.0])
    assert table.u_rate_cps == pytest.approx([20.0, 5.0])  # sqrt(rate / duration)
    assert table.sha256 == sha256_of(path)


def test_rates_over_activity(write):
    table = read_rates(write("activity_MBq,u_rate_cps,rate_cps\n100,5,40000\n50,4,21000\n"))
    assert table.over == "activity"
    assert table.abscissa == pytest.approx([100e6, 50e6])
    assert np.array_equal(table.u_rate_cps, [5, 4])


def test_spheres_by_diameter_or_volume(write):
    spheres, _ = read_spheres(write("diameter_mm,measured_over_true,u\n37,0.8,0.02\n10,0.2,0.03\n"))
    assert [s.volume_ml for s in spheres] == pytest.approx(
        [26.52, 0.5236], abs=5e-3
    )  # NEMA NU 2: 26.52 and 0.52 mL
    spheres, _ = read_spheres(write("volume_mL,measured_over_true,u\n26.5,0.8,0.02\n"))
    assert (spheres[0].volume_ml, spheres[0].recovery, spheres[0].u_recovery) == (26.5, 0.8, 0.02)


@pytest.mark.parametrize(
    ("read", "text", "error", "message"),
    [
        (read_rates, "", MissingDataError, "columns none; expected rate_cps"),
        (read_rates, "time_h,rate_cps\n1,2\n", MissingDataError, "one of u_rate_cps and duration_s"),
        (read_rates, "time_h,activity_MBq,rate_cps,duration_s\n1,2,3,4\n", MissingDataError, "one of time_h and"),
        (read_rates, "time_s,rate_cps,duration_s\n1,2,3\n", MissingDataError, "columns time_s"),
        (read_rates, "time_h,rate_cps,duration_s\n1;2;3\n", InputError, "not all rows hold 3 numbers"),
        (read_rates, "time_h,rate_cps,duration_s\n1,2,nan\n", InputError, "finite numbers"),
        (read_rates, "time_h,rate_cps,duration_s\n1,2\n1,2,3\n", InputError, "not all rows hold 3"),
        (read_rates, "time_h,rate_cps,duration_s\n", InputError, "finite numbers"),
        (read_rates, "time_h,rate_cps,duration_s\n1,2,0\n", InputError, "rates and durations above 0"),
        (read_spheres, "measured_over_true,u\n0.5,0.1\n", MissingDataError, "one of diameter_mm and volume_mL"),
        (read_spheres, "diameter_mm,measured_over_true,u\n-10,0.5,0.1\n", InputError, "expected numbers above 0"),
    ],
)
def test_tables_that_cannot_be_used(write, read, text, error, message):
    with pytest.raises(error, match=message):
        read(write(text))


def test_no_table(tmp_path):
    with pytest.raises(MissingDataError, match=r"none\.csv cannot be read"):
        read_rates(tmp_path / "none.csv")
