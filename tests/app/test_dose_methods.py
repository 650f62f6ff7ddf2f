"""The dose methods on a small body: what they share, what they may differ in, and what is kept of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lutetia.app.case.settings import Case, DoseSettings
from lutetia.app.workflow.chains.followed import followed_chain
from lutetia.app.workflow.doses.maps import PatientMaps, RegionDecays
from lutetia.app.workflow.doses.methods import compute_methods
from lutetia.dose.chains import equilibrium_contributions
from lutetia.dose.organ_level.coefficients import reference_table
from lutetia.dose.s_values.coefficients import SCoefficient
from lutetia.images.grid import Grid
from lutetia.images.regions import Region
from lutetia.images.volume import Volume
from lutetia.physics.materials import density_from_hu, material_index_from_hu
from lutetia.physics.nuclides import nuclide

GRID = Grid(size=(26, 22, 18), spacing_mm=(6.0, 6.0, 6.0), origin_mm=(0.0, 0.0, 0.0))
BOXES = {
    "liver": ("organ", (slice(3, 14), slice(4, 16), slice(3, 12)), 4e9),
    "kidney left": ("organ", (slice(5, 12), slice(8, 14), slice(17, 22)), 2e10),
    "lesion 1": ("lesion", (slice(9, 12), slice(16, 19), slice(9, 12)), 8e10),
}


def silent(text, fraction):
    pass


def patient(hu: float = 40.0) -> PatientMaps:
    """Three boxes of activity in a body of one tissue. [Bq s/mL]"""
    decays = np.full(GRID.shape, 1e8)
    rest = np.ones(GRID.shape, np.float32)
    for _, box, value in BOXES.values():
        decays[box], rest[box] = value, 0
    density = density_from_hu(np.full(GRID.shape, hu))
    shares = {name: (kind, np.zeros(GRID.shape, np.float32)) for name, (kind, _, _) in BOXES.items()}
    for name, (_, box, _) in BOXES.items():
        shares[name][1][box] = 1
    shares["remainder"] = ("remainder", rest)
    regions = {
        name: RegionDecays(
            region=Region(name=name, kind=kind, source="label map"),
            time_integrated_activity_bq_s=float((share * decays).sum()) * GRID.voxel_ml,
            mass_g=float((share * density).sum()) * GRID.voxel_ml,
            volume_ml=float(share.sum()) * GRID.voxel_ml,
            occupancy=share,
        )
        for name, (kind, share) in shares.items()
    }
    return PatientMaps(
        nuclide="Lu-177",
        time_integrated_activity=Volume(grid=GRID, values=decays.astype(np.float32), unit="Bq s/mL"),
        density=Volume(grid=GRID, values=density, unit="g/mL"),
        material_index=material_index_from_hu(np.full(GRID.shape, hu)),
        regions=regions,
        warnings=(),
    )


@pytest.fixture(scope="module")
def maps():
    return patient()


@pytest.fixture(scope="module")
def all_methods(maps):
    return compute_methods(DoseSettings(method="montecarlo"), maps, None, progress=silent)


def test_methods_agree_in_soft_tissue(all_methods):
    # 177Lu in boxes of 18 mm and more: electrons of up to 1.8 mm, photons are 2 to 6 % of the dose
    doses = all_methods.by_name
    for name in BOXES:
        local = doses["local"].mean_gy[name]
        # what electrons carry over the surface: a fifth of a mean range of 0.25 mm times surface over volume (0.33/mm)
        assert doses["kernel"].mean_gy[name] == pytest.approx(local, rel=0.03)
        # photons that leave the body's edge do not come back: transport sees the air that the kernel takes for water
        assert doses["montecarlo"].mean_gy[name] == pytest.approx(local, rel=0.03)
        # the sphere lacks what the others give
        assert doses["organ"].mean_gy[name] == pytest.approx(local, rel=0.05)


def test_every_method_gives_every_region_and_a_statistical_uncertainty_where_it_has_one(all_methods, maps):
    for name, method in all_methods.by_name.items():
        assert list(method.mean_gy) == list(maps.regions)
        assert bool(method.statistical_gy) == (name == "montecarlo")
    monte_carlo = all_methods.by_name["montecarlo"]
    for name in BOXES:
        assert 0 < monte_carlo.statistical_gy[name] < 0.01 * monte_carlo.mean_gy[name]


def test_the_mean_of_the_map_is_near_the_mean_of_the_region(all_methods, maps):
    # outlines that cut no voxel: the two differ by what crosses the surface and is absorbed in another tissue, here none
    for name, known in maps.regions.items():
        weights = known.occupancy * maps.density.values
        of_map = float((weights * all_methods.voxels.values).sum() / weights.sum())
        assert all_methods.result.mean_gy[name] == pytest.approx(of_map, rel=1e-4)


def test_the_same_seed_gives_the_same_doses(maps, all_methods):
    # auto, with time enough, is the same as asking for it
    again = compute_methods(DoseSettings(time_budget_s=1e6), maps, None, progress=silent)
    assert (again.chosen, again.warnings) == ("montecarlo", ())
    other = compute_methods(DoseSettings(method="montecarlo", seed=2), maps, None, progress=silent)
    assert again.result.mean_gy == all_methods.result.mean_gy
    for name in BOXES:
        first, second = all_methods.result, other.result
        assert first.mean_gy[name] != second.mean_gy[name]
        # two runs of independent histories, five times their common uncertainty
        spread = np.hypot(first.statistical_gy[name], second.statistical_gy[name])
        assert abs(first.mean_gy[name] - second.mean_gy[name]) < 5 * spread


def test_a_finer_goal_takes_more_histories(maps, all_methods):
    reached = all_methods.result.record["relative uncertainty reached"]
    goal = max(reached / 2, 1e-4)
    fine = compute_methods(
        DoseSettings(method="montecarlo", relative_uncertainty=goal), maps, None, progress=silent
    )

    def histories(methods):
        return sum(value for key, value in methods.result.record.items() if "histories" in key)

    assert histories(fine) > 1.5 * histories(all_methods)
    assert fine.result.record["relative uncertainty reached"] < reached


def test_auto_takes_the_kernel_when_time_is_short(maps):
    # 131I gives a fifth of its dose by photons, so that 0.01 % takes more than the first histories
    maps = replace(maps, nuclide="I-131")
    for settings, words in (
        (DoseSettings(time_budget_s=0.0), "no time is allowed"),
        (DoseSettings(time_budget_s=1e-6, relative_uncertainty=1e-4), "would take about"),
    ):
        found = compute_methods(settings, maps, None, progress=silent)
        assert found.chosen == "kernel"
        assert words in found.reason
        assert found.reason in found.warnings[0]
        assert "montecarlo" not in found.by_name


def test_organs_of_a_table_are_scaled_and_others_are_spheres(maps):
    liver = SCoefficient(
        source="liver",
        target="liver",
        charged_gy_per_bq_s=1.3e-14,
        photon_gy_per_bq_s=7e-16,
        target_mass_g=1800.0,
        u_relative=None,
    )
    from_kidney = replace(liver, source="kidney left", charged_gy_per_bq_s=0.0, photon_gy_per_bq_s=5e-17)
    table = reference_table(
        [liver, from_kidney], nuclide="Lu-177", phantom="reference man", convention="with blood", origin="made up"
    )
    found = compute_methods(DoseSettings(method="organ"), maps, table, progress=silent)
    assert found.chosen == "organ"
    decays = {name: known.time_integrated_activity_bq_s for name, known in maps.regions.items()}
    ratio = 1800.0 / maps.regions["liver"].mass_g
    expected = decays["liver"] * (1.3e-14 * ratio + 7e-16 * ratio ** (2 / 3)) + decays["kidney left"] * 5e-17
    assert found.result.mean_gy["liver"] == pytest.approx(expected)
    record = found.record()["methods"]["organ"]
    assert record["reference masses"] == "organ masses with their blood (ICRP 133)"
    assert record["as spheres of their own mass"] == ["kidney left", "lesion 1", "remainder"]
    assert record["sources left out"] == {"liver": ["lesion 1", "remainder"]}
    # the map is that of local deposition
    assert found.voxels is found.by_name["local"].voxels


@pytest.mark.parametrize(("name", "alpha_mev"), [("Ac-225", 27.481), ("Pb-212", 7.802)])
def test_methods_hold_the_daughters_of_an_alpha_emitter(name, alpha_mev):
    chain = followed_chain(Case(folder=Path()), nuclide(name))
    maps = replace(patient(), nuclide=name, chain=chain)
    decays = {region: known.time_integrated_activity_bq_s for region, known in maps.regions.items()}
    parts = equilibrium_contributions(name, decays, horizon_s=chain.horizon_s)
    found = compute_methods(DoseSettings(), maps, None, parts=parts, progress=silent)
    assert (found.chosen, found.reason) == ("local", "alpha particles end within a voxel")
    assert "montecarlo" not in found.by_name
    for region in BOXES:
        local, parts_of = found.by_name["local"].mean_gy[region], found.chain[region]
        # alphas of the chain in equilibrium (spec/physics.md 1.3) over the mass
        expected = alpha_mev * decays[region] * 1.602176634e-10 / maps.regions[region].mass_g
        assert parts_of.by_radiation.alpha_gy == pytest.approx(expected, rel=1e-3)
        assert parts_of.total_gy == pytest.approx(local, rel=1e-6)  # maps are of 32 bits
        # electrons of 208Tl and 212Bi go up to 11 mm: 2 % of the dose of the box of 18 mm
        for method in ("kernel", "organ"):
            assert found.by_name[method].mean_gy[region] == pytest.approx(local, rel=0.03)
