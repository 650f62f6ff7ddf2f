"""Scatter by transport against another code, integrals and published numbers."""

from dataclasses import replace

import numba
import numpy as np
import pytest
from numba import njit
from scipy import integrate, stats

from lutetia.errors import InputError
from lutetia.images.acquisition import EnergyWindow
from lutetia.images.volume import Volume
from lutetia.physics.attenuation import mass_attenuation_cm2_per_g
from lutetia.physics.transport import advanced, seeded
from lutetia.recon import scatter_model, transport_kernels
from lutetia.recon.camera import Camera
from lutetia.recon.projector import spect_system
from lutetia.recon.scatter_model import Emission, accepted, crystal_efficiency, energy_fwhm_mev, simulate_scatter
from lutetia.recon.simulate import TransportScatter, simulate_projections

from . import photon_cylinder
from .conftest import make_orbit, positions_mm

PEAK_MEV = 0.2084
CAMERA = Camera(name="sharp", intrinsic_fwhm_mm=0.01, intercept_mm=0.0, slope=0.0)
PEAK = EnergyWindow(lower_mev=0.1872, upper_mev=0.2288)
LOW = EnergyWindow(lower_mev=0.1017, upper_mev=0.1243)
RADIUS_MM, HALF_LENGTH_MM = 80.0, 90.0


def part_inside(grid, inside, *, parts=3):
    """Share of each voxel (z, y, x) that ``inside(x, y, z)`` holds, by points within it."""
    total = np.zeros(grid.shape, np.float32)
    steps = (np.arange(parts) + 0.5) / parts - 0.5
    for dz, dy, dx in np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3):
        moved = (p + d * s for p, d, s in zip(positions_mm(grid), (dx, dy, dz), grid.spacing_mm, strict=True))
        total += inside(*moved)
    return total / parts**3


def cylinder(x, y, z):
    return (x**2 + y**2 <= RADIUS_MM**2) & (np.abs(z) <= HALF_LENGTH_MM)


ORBIT = make_orbit([0.0, 90.0, 180.0, 270.0], n=60, rows=60, pixel_mm=(4.5, 4.5))
GRID = ORBIT.grid()
WATER = float(mass_attenuation_cm2_per_g("water", PEAK_MEV))
BODY = Volume(grid=GRID, values=part_inside(GRID, cylinder) * WATER, unit="1/cm")


def point_image(grid, *at_mm):
    """A count per second in the voxels nearest to points."""
    image = np.zeros(grid.shape, np.float32)
    for point in at_mm:
        i, j, k = (int(np.argmin(np.abs(p - a))) for p, a in zip(positions_mm(grid), point, strict=True))
        image[k, j, i] += 1.0 / len(at_mm)
    return image


def scatter(image, **changes):
    given = dict(
        image=image, attenuation=BODY, photopeak_mev=PEAK_MEV, orbit=ORBIT, camera=CAMERA, windows=(PEAK, LOW)
    )
    return simulate_scatter(**(given | changes))


MIDDLE = [(a, b, c) for a in (-2.25, 2.25) for b in (-2.25, 2.25) for c in (-2.25, 2.25)]


@pytest.mark.parametrize(("at", "views"), [((0.0, 0.0, 0.0), [0, 1, 2, 3]), ((0.0, 45.0, 0.0), [0, 2])])
def test_another_code_counts_the_same(at, views):
    # eight voxels round the point, so that it is their mean place
    around = [tuple(np.add(at, d)) for d in MIDDLE]
    image = point_image(GRID, *around)
    seen = scatter(image, histories=250_000).counts.sum(axis=(2, 3))[:, views]
    angle = ORBIT.angle_rad[views]
    directions = np.stack([np.sin(angle), np.cos(angle), 0 * angle], axis=1)
    other = photon_cylinder.scattered(
        at, directions, (PEAK, LOW), PEAK_MEV, radius=RADIUS_MM, half_length=HALF_LENGTH_MM, photons=40_000, seed=3
    )
    if len(views) == 4:
        seen, other = seen.mean(axis=1), other.mean(axis=1)
    # statistics about 0.7 % of both together; cells of 9 mm for the body's surface
    assert seen == pytest.approx(other, rel=0.03)


@pytest.mark.parametrize(
    ("energy_mev", "windows"),
    [
        (PEAK_MEV, (PEAK, LOW)),
        # at 60 keV coherent scattering is a tenth of the scatter
        (0.06, tuple(EnergyWindow(lower_mev=a, upper_mev=b) for a, b in ((0.054, 0.066), (0.045, 0.052)))),
    ],
)
def test_first_scatter_in_a_thin_sphere_is_its_integral(energy_mev, windows):
    # point in the middle of a sphere of 60 mm so thin that second scatter hardly adds
    radius, thinning = 60.0, 0.01
    sphere = part_inside(GRID, lambda x, y, z: x**2 + y**2 + z**2 <= radius**2)
    body = Volume(
        grid=GRID, values=sphere * np.float32(thinning * 10 * photon_cylinder.water(energy_mev)), unit="1/cm"
    )
    given = dict(photopeak_mev=energy_mev, windows=windows, histories=4_000_000)
    seen = scatter(point_image(GRID, *MIDDLE), attenuation=body, **given).counts.sum(axis=(2, 3))

    nodes, weights = np.polynomial.legendre.leggauss(30)
    r = 0.5 * radius * (nodes + 1)[:, None]
    cosine, share = photon_cylinder.COSINE, -np.gradient(photon_cylinder.COSINE)
    way = r + np.sqrt(radius**2 - r**2 * (1 - cosine**2)) - r * cosine
    after = energy_mev / (1 + energy_mev / photon_cylinder.ELECTRON_MEV * (1 - cosine))
    first = np.zeros(2)
    for law, process, energy in (
        (photon_cylinder.compton, "incoherent", after),
        (photon_cylinder.coherent, "coherent", np.full_like(cosine, energy_mev)),
    ):
        chance = 4 * np.pi * photon_cylinder.per_steradian(law, energy_mev, cosine)
        chance = thinning * photon_cylinder.water(energy_mev, process) * chance
        chance = chance * np.exp(-thinning * photon_cylinder.water(energy_mev) * way)
        for k, table in enumerate(photon_cylinder.counted_tables(windows, energy_mev)):
            counted = np.interp(energy, photon_cylinder.ENERGIES, table)
            first[k] += 0.5 * radius * 0.5 * np.einsum("i,ij,j->", weights, chance, share * counted)
    # law: first order in the density; second scatter is at most mu R = 1.2 % of it, statistics 0.7 %
    assert seen.mean(axis=1) == pytest.approx(first, rel=0.025)
    assert first[0] > 1e-3


@pytest.mark.parametrize("energy_mev", [0.05, 0.1, 0.2084, 0.44])
def test_form_factors_give_the_coherent_cross_section(energy_mev):
    radius_cm, avogadro = 2.8179403e-13, 6.02214076e23
    x, squared = scatter_model._water_form_factor()
    norm = float(scatter_model._coherent_norm(np.array([energy_mev]), x, squared)[0])
    per_g = 0.5 * radius_cm**2 * norm * avogadro / 18.01528
    # published: XCOM, coherent, from relativistic form factors of the same atoms
    assert per_g == pytest.approx(
        float(mass_attenuation_cm2_per_g("water", energy_mev, process="coherent")), rel=0.01
    )


@njit
def _cosines(energy, n, x, cumulative):
    found = np.empty(n)
    for h in range(n):
        found[h] = transport_kernels._coherent_cosine(energy, advanced(seeded(5, h)), x, cumulative)[0]
    return found


@pytest.mark.parametrize("energy_mev", [0.06, 0.2084])
def test_coherent_angles_follow_the_form_factor(energy_mev):
    form = scatter_model._tables((PEAK,), CAMERA, (Emission(energy_mev=PEAK_MEV),), PEAK_MEV).form
    found = _cosines(energy_mev, 20_000, form[0], form[2])
    cosine = photon_cylinder.COSINE
    grown = integrate.cumulative_trapezoid(photon_cylinder.coherent(energy_mev, cosine), -cosine, initial=0)
    below = lambda c: 1 - np.interp(-c, -cosine, grown / grown[-1])  # noqa: E731
    assert stats.kstest(found, below).pvalue > 1e-3  # law: the density (1 + cos^2) F^2 over the sphere


@pytest.mark.parametrize("energy_mev", [0.05, PEAK_MEV, 1.0])
def test_klein_nishina_total_is_its_integral(energy_mev):
    whole = integrate.quad(lambda c: 2 * np.pi * photon_cylinder.compton(energy_mev, c), -1, 1)[0]
    total = transport_kernels._klein_nishina_total(energy_mev / photon_cylinder.ELECTRON_MEV)
    assert total == pytest.approx(whole, rel=1e-6)  # closed form (Evans 1955)


def test_counts_are_linear_in_the_image_and_in_time():
    image = point_image(GRID, (0.0, 30.0, 20.0), (-20.0, 0.0, 0.0))
    once = scatter(image, histories=20_000)
    assert np.array_equal(
        scatter(4 * image, histories=20_000).counts, 4 * once.counts
    )  # law: powers of two are exact
    longer = replace(ORBIT, frame_duration_s=2 * ORBIT.frame_duration_s)
    assert np.array_equal(scatter(image, orbit=longer, histories=20_000).counts, 2 * once.counts)
    assert (once.histories, once.seed) == (20_000, 1)
    assert not scatter(0 * image).counts.any()


def test_lines_add_up_by_their_yields():
    image = point_image(GRID, (0.0, 30.0, 20.0))
    pair = tuple(Emission(energy_mev=e, relative_yield=y) for e, y in ((PEAK_MEV, 1.0), (0.3213, 0.5)))
    both = scatter(image, emissions=pair, histories=120_000).counts.sum(axis=(1, 2, 3))
    alone = [scatter(image, emissions=[line], histories=80_000, seed=8).counts.sum(axis=(1, 2, 3)) for line in pair]
    assert both == pytest.approx(alone[0] + alone[1], rel=0.05)  # law; statistics 1 %
    assert alone[1][0] > 0.02 * alone[0][0]  # photons of 321 keV reach the window at 208 keV


def test_the_bits_do_not_depend_on_the_threads():
    before, found = numba.get_num_threads(), []
    try:
        for threads in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            found.append(scatter(BODY.values, histories=5000).counts)
    finally:
        numba.set_num_threads(before)
    assert np.array_equal(*found)


def test_noise_falls_with_the_root_of_the_histories():
    image = point_image(GRID, (0.0, 30.0, 20.0))

    def spread(histories):
        sums = [scatter(image, histories=histories, seed=s).counts[0].sum() for s in range(100, 116)]
        return np.std(sums, ddof=1) / np.mean(sums)

    # law: 16 times the histories, a quarter of the noise; a ratio of two deviations of 16 values, 4 standard errors
    assert np.log(spread(1000) / spread(16_000)) == pytest.approx(np.log(4.0), abs=4 * np.sqrt(1 / 15))


TC99M_MEV = 0.1405
TC99M_WINDOW = EnergyWindow(lower_mev=0.1265, upper_mev=0.1545)
COARSE = make_orbit([0.0, 90.0, 180.0, 270.0], n=52, rows=52, pixel_mm=(9.0, 9.0), radius_mm=200.0)


def technetium(image, inside):
    """Scattered over unscattered counts of an image in water, over the whole field."""
    body = Volume(
        grid=COARSE.grid(),
        values=inside * np.float32(mass_attenuation_cm2_per_g("water", TC99M_MEV)),
        unit="1/cm",
    )
    given = dict(attenuation=body, photopeak_mev=TC99M_MEV, orbit=COARSE, windows=[TC99M_WINDOW], histories=60_000)
    primary = spect_system(orbit=COARSE, camera=None, attenuation=body).forward(image)
    return scatter(image, **given).counts.sum() / primary.sum()


def test_scatter_of_technetium_is_as_published():
    # elliptic trunk of water, 31 cm x 23 cm x 30 cm, filled evenly; 140 keV, 20 % window
    trunk = part_inside(COARSE.grid(), lambda x, y, z: ((x / 155) ** 2 + (y / 115) ** 2 <= 1) & (np.abs(z) <= 150))
    # published: "in the order of 30 to 60 %" of the primary ones in SPECT (Kojima et al., Ann Nucl Med 5 (1991) 139)
    assert 0.3 < technetium(trunk, trunk) < 0.6


def test_a_line_of_technetium_scatters_as_in_another_code():
    # 11 cm on the axis of a water cylinder of 20 cm diameter and 30 cm length
    cylinder = part_inside(COARSE.grid(), lambda x, y, z: (x**2 + y**2 <= 100.0**2) & (np.abs(z) <= 150))
    line = np.zeros(cylinder.shape, np.float32)
    line[20:32, 25:27, 25:27] = 1.0
    towards, thick = [np.array([0.0, 1.0, 0.0])], float(np.exp(-100.0 * photon_cylinder.water(TC99M_MEV)))
    other = photon_cylinder.scattered(
        (0, 0, 27), towards, [TC99M_WINDOW], TC99M_MEV, radius=100.0, half_length=150.0, photons=40_000, seed=4
    )
    # statistics 1 %; the middle of half the line stands for it; planes of 9 mm for the way out of the unscattered
    assert technetium(line, cylinder) == pytest.approx(float(other[0, 0]) / thick, rel=0.04)


def test_windows_count_by_the_normal_distribution():
    sigma = 0.098 * 0.140 / np.sqrt(8 * np.log(2))
    window = EnergyWindow(lower_mev=0.126, upper_mev=0.154)
    inside = stats.norm.cdf(0.154, 0.140, sigma) - stats.norm.cdf(0.126, 0.140, sigma)
    assert accepted(window, 0.140, 0.098) == pytest.approx(inside, rel=1e-9)
    assert energy_fwhm_mev(0.560, 0.1) == pytest.approx(2 * energy_fwhm_mev(0.140, 0.1))  # closed form: root of E
    below, above = (EnergyWindow(lower_mev=a, upper_mev=b) for a, b in ((1e-6, 0.14), (0.14, 3.0)))
    assert accepted(below, 0.140, 0.098) + accepted(above, 0.140, 0.098) == pytest.approx(1.0)
    # 9.5 mm NaI stops about 88 % of 140 keV, of which 0.84 by photoelectric effect (XCOM)
    assert 0.6 < crystal_efficiency(0.140) < 0.9
    assert crystal_efficiency(0.440) < 0.3 * crystal_efficiency(0.140)


def test_simulated_projections_hold_every_line_and_its_scatter():
    orbit = make_orbit([0.0, 90.0], n=28, rows=28, pixel_mm=(9.0, 9.0))
    second = Emission(energy_mev=0.113, relative_yield=0.6)
    hot = part_inside(orbit.grid(), lambda x, y, z: x**2 + y**2 + z**2 <= 30.0**2)
    given = dict(
        activity=Volume(grid=orbit.grid(), values=1e4 * hot, unit="Bq/mL"),
        attenuation=Volume(grid=orbit.grid(), values=WATER * part_inside(orbit.grid(), cylinder), unit="1/cm"),
        camera=CAMERA,
        sensitivity_cps_per_bq=1e-5,
        windows=(PEAK, LOW),
        photopeak_index=0,
        angle_rad=orbit.angle_rad,
        radius_mm=orbit.radius_mm,
        frame_duration_s=orbit.frame_duration_s,
        pixel_mm=orbit.pixel_mm,
        n_rows=28,
        n_columns=28,
        centre_mm=orbit.centre_mm,
        detector=np.zeros(2, int),
        start_time=None,
    )
    air = given | {"attenuation": given["attenuation"].with_values(0 * hot)}
    model = TransportScatter(emissions=(Emission(energy_mev=PEAK_MEV), second), histories=60_000)
    bare = simulate_projections(**air, scatter=model).counts.sum(axis=(1, 2, 3))
    total = 2 * 1e-5 * float(given["activity"].values.sum()) * orbit.grid().voxel_ml
    # closed form: in air each line by yield, window and crystal; the lattice of turned voxels 1e-3
    unit = accepted(PEAK, PEAK_MEV, 0.098) * crystal_efficiency(PEAK_MEV)
    low = accepted(LOW, 0.113, 0.098) * crystal_efficiency(0.113)
    assert bare == pytest.approx([total, 0.6 * total * low / unit], rel=3e-3)
    full = simulate_projections(**given, scatter=model).counts.sum(axis=(1, 2, 3))
    alone = simulate_projections(**given, scatter=replace(model, emissions=model.emissions[:1]))
    # law: the second line adds to its own window only; statistics of the scatter 1 %
    assert alone.counts[0].sum() == pytest.approx(full[0], rel=0.02)
    assert 0.5 * full[1] > alone.counts[1].sum() > 0.05 * full[0]


def test_air_scatters_nothing():
    nothing = Volume(grid=GRID, values=np.zeros(GRID.shape, np.float32), unit="1/cm")
    assert not scatter(point_image(GRID, (0.0, 0.0, 0.0)), attenuation=nothing, histories=1000).counts.any()


def test_what_cannot_be_transported_is_refused():
    image = point_image(GRID, (0.0, 0.0, 0.0))
    with pytest.raises(InputError, match="expected one grid and a map in '1/cm'"):
        scatter(image, attenuation=Volume(grid=GRID, values=BODY.values, unit="HU"))
    with pytest.raises(InputError, match="expected one grid"):
        scatter(image[1:])
    with pytest.raises(InputError, match=r"\['20 keV'\].*lines between 33 and 3000 keV"):
        scatter(image, emissions=[Emission(energy_mev=0.02)])
    with pytest.raises(InputError, match="of positive yield"):
        scatter(image, emissions=[Emission(energy_mev=0.2, relative_yield=0.0)])
    with pytest.raises(InputError, match="into 0 windows"):
        scatter(image, windows=())
    with pytest.raises(InputError, match="No window counts the photopeak of 208 keV"):
        scatter(image, windows=[LOW])
