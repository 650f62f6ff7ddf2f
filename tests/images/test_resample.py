from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lutetia.errors import GridError
from lutetia.images.grid import Grid
from lutetia.images.regions import Region, Regions
from lutetia.images.resample import (
    average_onto,
    covers,
    from_sitk,
    overlap_fraction,
    region_fractions,
    resample,
    resample_activity,
    to_sitk,
)
from lutetia.images.volume import Volume

FINE = Grid(size=(40, 36, 30), spacing_mm=(1.0, 1.1, 1.3), origin_mm=(-20.0, -19.0, -18.0))
COARSE = Grid(size=(20, 19, 15), spacing_mm=(4.4, 4.2, 4.8), origin_mm=(-42.0, -39.0, -34.0))


def turned(grid: Grid, angle: float) -> Grid:
    c, s = float(np.cos(angle)), float(np.sin(angle))
    rotation = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    centre, half = grid.centre_mm, (np.asarray(grid.size) - 1) / 2 * np.asarray(grid.spacing_mm)
    origin = centre - rotation @ np.asarray(grid.directions) @ half
    return replace(
        grid,
        origin_mm=tuple(float(v) for v in origin),
        directions=tuple(tuple(float(v) for v in row) for row in rotation @ np.asarray(grid.directions)),
    )


def noise(grid: Grid = FINE, unit: str = "Bq/mL") -> Volume:
    return Volume(grid=grid, values=np.random.default_rng(4).random(grid.shape, dtype=np.float32), unit=unit)


def sphere(grid: Grid = FINE, radius_mm: float = 12.0) -> Regions:
    z, y, x = np.indices(grid.shape)
    r = np.linalg.norm(grid.position_mm(np.stack([x, y, z], axis=-1).astype(float)) - grid.centre_mm, axis=-1)
    labels = np.where(r < radius_mm, 3, 0).astype(np.int16)
    labels[(r < radius_mm) & (x < grid.size[0] // 2)] = 7
    names = {3: Region(name="kidney left", kind="organ", side="left"), 7: Region(name="liver", kind="organ")}
    return Regions(grid=grid, labels=labels, table=names)


def integral(volume: Volume) -> float:
    return float(volume.values.sum(dtype=float)) * volume.grid.voxel_ml


def test_sitk_and_back_is_the_same() -> None:
    volume = noise(turned(FINE, 0.3))
    back = from_sitk(to_sitk(volume), "Bq/mL", "1.2.3")
    assert back.grid.same_as(volume.grid)
    assert back.grid.frame_of_reference_uid == "1.2.3"
    np.testing.assert_array_equal(back.values, volume.values)


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
def test_interpolation_is_exact_for_a_plane_in_patient_space(interpolation: str) -> None:
    def plane(grid: Grid) -> Volume:
        z, y, x = np.indices(grid.shape)
        position = grid.position_mm(np.stack([x, y, z], axis=-1).astype(float))
        return Volume(grid=grid, values=(position @ [1.0, -2.0, 0.5] + 7).astype(np.float32), unit="1")

    inner = turned(Grid(size=(8, 7, 6), spacing_mm=(1.7, 1.5, 2.0), origin_mm=(-5.0, -6.0, -5.0)), 0.4)
    result = resample(plane(FINE), inner, interpolation=interpolation)
    # a B-spline of finite length has the mirrored border's error left: below 1e-2 at 8 voxels from the border
    np.testing.assert_allclose(result.values, plane(inner).values, atol=1e-4 if interpolation == "linear" else 1e-2)


def test_outside_is_air_for_ct_and_nothing_for_activity() -> None:
    far = replace(FINE, origin_mm=(500.0, 0.0, 0.0))
    assert np.all(resample(noise(unit="HU"), far).values == -1000)
    assert np.all(resample(noise(), far).values == 0)
    assert np.all(resample(noise(), far, outside=5.0).values == 5)
    assert np.all(average_onto(noise(unit="HU"), far).values == -1000)


@settings(max_examples=30, deadline=None)
@given(
    st.tuples(*[st.floats(0.4, 9.0)] * 3),
    st.tuples(*[st.floats(-2.0, 2.0)] * 3),
    st.permutations([0, 1, 2]),
    st.booleans(),
)
def test_averaging_conserves_the_integral(spacing, shift, order, flip) -> None:
    directions = np.eye(3)[:, order] * ([1, 1, -1] if flip else [1, 1, 1])
    size = np.ceil(64 / np.asarray(spacing)).astype(int) + 1
    half = directions @ ((size - 1) / 2 * np.asarray(spacing))
    grid = Grid(
        size=tuple(size.tolist()),
        spacing_mm=spacing,
        origin_mm=tuple((FINE.centre_mm + shift - half).tolist()),
        directions=tuple(map(tuple, directions.tolist())),
    )
    assert covers(grid, FINE, 0.0)
    # float32 weights and sums
    assert integral(average_onto(noise(), grid)) == pytest.approx(integral(noise()), rel=2e-5)


def test_averaging_onto_itself_and_onto_blocks() -> None:
    volume = noise()
    np.testing.assert_allclose(average_onto(volume, FINE).values, volume.values, rtol=1e-6)
    blocks = Grid(size=(20, 18, 15), spacing_mm=(2.0, 2.2, 2.6), origin_mm=(-19.5, -18.45, -17.35))
    expected = volume.values.reshape(15, 2, 18, 2, 20, 2).mean(axis=(1, 3, 5))  # closed form
    np.testing.assert_allclose(average_onto(volume, blocks).values, expected, rtol=1e-5)


def test_averaging_follows_swapped_and_reversed_axes() -> None:
    volume = noise()
    last = FINE.position_mm((0.0, 35.0, 0.0))
    grid = Grid(
        size=(36, 30, 40),
        spacing_mm=(1.1, 1.3, 1.0),
        origin_mm=tuple(last.tolist()),
        directions=((0.0, 0.0, 1.0), (-1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    )
    exact = resample(volume, grid, interpolation="nearest")
    np.testing.assert_allclose(average_onto(volume, grid).values, exact.values, rtol=1e-5)


@pytest.mark.parametrize("angle", [0.0, 0.2])
def test_activity_is_conserved_going_coarser(angle: float) -> None:
    smooth = noise().with_values(sphere().mask("liver").astype(np.float32) * 100)
    result = resample_activity(smooth, turned(COARSE, angle))
    # exact for parallel grids; lattice of points for turned ones
    assert integral(result) == pytest.approx(integral(smooth), rel=1e-5 if angle == 0 else 5e-3)


def test_activity_going_finer_is_linear_and_conserved_inside() -> None:
    z, y, x = np.indices(COARSE.shape)
    blob = np.exp(-((x - 9.3) ** 2 + (y - 8.8) ** 2 + (z - 7.1) ** 2) / 8).astype(np.float32)
    volume = Volume(grid=COARSE, values=blob, unit="Bq/mL")
    grid = Grid(size=(88, 80, 72), spacing_mm=(1.0, 1.0, 1.0), origin_mm=(-44.2, -41.1, -36.4))
    result = resample_activity(volume, grid)
    np.testing.assert_allclose(result.values, resample(volume, grid).values, atol=1e-5)
    # linear interpolation sums to 1 over equal steps only up to aliasing: far below 1 % here
    assert integral(result) == pytest.approx(integral(volume), rel=5e-3)


@pytest.mark.parametrize("angle", [0.0, 0.15])
def test_fractions_conserve_the_volume_of_each_region(angle: float) -> None:
    regions = sphere(radius_mm=16.0)
    grid = turned(COARSE, angle)
    fractions = region_fractions(regions, grid)
    assert set(fractions) == {"kidney left", "liver"}
    for name, fraction in fractions.items():
        assert fraction.dtype == np.float32
        assert fraction.min() >= 0
        assert fraction.max() <= 1 + 1e-5
        volume = float(fraction.sum(dtype=float)) * grid.voxel_ml
        # turned: lattice of half a voxel; a surface of 24 cm2 x half a voxel (0.6 mm) of random sign in 8.6 mL
        assert volume == pytest.approx(regions.volume_ml(name), rel=1e-5 if angle == 0 else 5e-3)


def test_fractions_of_a_missing_label_and_on_the_same_grid() -> None:
    regions = sphere()
    table = {**regions.table, 9: Region(name="spleen", kind="organ")}
    fractions = region_fractions(Regions(grid=FINE, labels=regions.labels, table=table), FINE)
    assert not fractions["spleen"].any()
    np.testing.assert_allclose(fractions["liver"], regions.mask("liver"), atol=1e-5)


def test_coverage() -> None:
    assert covers(COARSE, FINE)
    assert not covers(FINE, COARSE)
    assert covers(FINE, FINE, 0.0)
    assert not covers(FINE, replace(FINE, origin_mm=(-18.5, -19.0, -18.0)), tolerance_mm=1.0)
    assert covers(FINE, replace(FINE, origin_mm=(-18.5, -19.0, -18.0)), tolerance_mm=1.6)


def test_overlap_fraction_closed_form() -> None:
    assert overlap_fraction(FINE, FINE) == pytest.approx(1.0, abs=1e-5)
    half = replace(FINE, origin_mm=(0.0, -19.0, -18.0))  # moved by 20 of 40 mm
    assert overlap_fraction(FINE, half) == pytest.approx(0.5, abs=1e-5)
    assert overlap_fraction(FINE, replace(FINE, origin_mm=(900.0, 0.0, 0.0))) == 0
    assert overlap_fraction(FINE, turned(COARSE, 0.5)) == 1


def test_contradicting_frames_are_refused() -> None:
    other = COARSE.moved_to_frame("1.2")
    volume = Volume(grid=FINE.moved_to_frame("1.3"), values=noise().values, unit="1")
    for function in (resample, average_onto, resample_activity):
        with pytest.raises(GridError, match=r"frames of reference 1\.3 and 1\.2 differ"):
            function(volume, other)
