import numpy as np
import pytest

from lutetia.errors import GridError, InputError
from lutetia.images.grid import Grid
from lutetia.images.volume import Volume
from lutetia.recon.stitch import place_onto, stitch


def _bed(z_mm, value, *, nz=20, x_mm=0.0, step=4.0, frame=""):
    grid = Grid(
        size=(6, 5, nz), spacing_mm=(4.0, 4.0, step), origin_mm=(x_mm, 0.0, z_mm), frame_of_reference_uid=frame
    )
    return Volume(grid=grid, values=np.full(grid.shape, value, np.float32), unit="counts/s")


@pytest.mark.parametrize("offset_mm", [0.0, 1.7, 60.0, 62.3, -50.0])
def test_equal_beds_stay_equal(offset_mm):
    whole = stitch([_bed(0.0, 2.5), _bed(offset_mm, 2.5)])
    inside = whole.values[whole.values > 0]
    assert inside == pytest.approx(2.5, rel=1e-6)
    assert whole.values[1:-1].min() > 0  # only a fraction of a slice at the very ends may be unseen


def test_the_overlap_turns_smoothly_from_one_bed_to_the_other():
    whole = stitch([_bed(0.0, 1.0), _bed(40.0, 3.0)])
    profile = whole.values[:, 2, 2]
    assert whole.grid.size[2] == 30
    assert np.all(np.diff(profile) >= -1e-6)
    assert profile[9] == 1.0
    assert profile[20] == 3.0
    assert np.diff(profile).max() < 0.25  # closed form: 2 over 11 steps of the overlap


def test_unusable_slices_do_not_count():
    usable = np.ones(20, bool)
    usable[15:] = False
    whole = stitch([_bed(0.0, 1.0), _bed(40.0, 3.0)], [usable, np.ones(20, bool)])
    assert whole.values[15, 0, 0] == 3.0


def test_placing_cuts_and_extends():
    bed = _bed(0.0, 1.0)
    target = Grid(size=(8, 5, 10), spacing_mm=(4.0, 4.0, 4.0), origin_mm=(-4.0, 0.0, 48.0))
    placed = place_onto(bed.values, bed.grid, target)
    assert placed.sum() == 6 * 5 * 8  # slices 12 to 19 of 20
    assert not placed[:, :, 0].any()


def test_beds_that_do_not_belong_together():
    with pytest.raises(InputError, match="expected one unit"):
        stitch([])
    with pytest.raises(GridError, match="cannot be stitched; expected one spacing"):
        stitch([_bed(0, 1), _bed(40, 1, step=5.0)])
    with pytest.raises(GridError, match="different frames"):
        stitch([_bed(0, 1, frame="1.2"), _bed(40, 1, frame="1.3")])
    with pytest.raises(InputError, match="no usable slice"):
        stitch([_bed(0, 1)], [np.zeros(20, bool)])
