"""Compiled loops that follow photons through a body of scaled water and count what each view of a camera would see.

Every history has its own random numbers and every chunk of histories its own tally, added in order afterwards, so
the counts do not depend on the number of threads.
"""

# mypy: disable-error-code="no-untyped-def"
import math

import numpy as np
from numba import njit, prange

from lutetia.physics.transport import ELECTRON_REST_MEV, advanced, compton, isotropic, seeded, turned, uniform

PER_ANGSTROM_PER_MEV = 80.6554
"""Energy over h c: x = sin(theta/2) E / (h c). [1/(angstrom MeV)]"""


@njit(cache=True, parallel=True)
def water_paths(density, cos, sin, axis, spacing_mm, n_columns, n_depth, out):
    """Water-equivalent path from each cell of a view's own frame to its detector. [mm]

    ``density`` (y, x, z) relative to water; ``axis`` (x, y) index of the axis of rotation; ``out`` (views, depth,
    columns, z), depth 0 nearest to the detector. Half of the own cell counts.
    """
    ny, nx, nz = density.shape
    for v in prange(cos.size):
        for i in range(n_columns):
            u = i - 0.5 * (n_columns - 1)
            total = np.zeros(nz, np.float32)
            for k in range(n_depth):
                t = 0.5 * (n_depth - 1) - k
                x, y = axis[0] - u * cos[v] + t * sin[v], axis[1] + u * sin[v] + t * cos[v]
                ix, iy = math.floor(x + 0.5), math.floor(y + 0.5)
                if 0 <= ix < nx and 0 <= iy < ny:
                    for z in range(nz):
                        half = np.float32(0.5 * spacing_mm) * density[iy, ix, z]
                        out[v, k, i, z] = total[z] + half
                        total[z] += np.float32(2.0) * half
                else:
                    for z in range(nz):
                        out[v, k, i, z] = total[z]


@njit(cache=True)
def _at(log_energy, first, step, table):
    """Linear interpolation in a table over the logarithm of the energy."""
    x = (log_energy - first) / step
    i = min(max(int(x), 0), table.size - 2)
    w = min(max(x - i, 0.0), 1.0)
    return (1.0 - w) * table[i] + w * table[i + 1]


@njit(cache=True)
def _form_factor_sq(x, grid, values):
    i = min(max(np.searchsorted(grid, x) - 1, 0), grid.size - 2)
    w = min(max((x - grid[i]) / (grid[i + 1] - grid[i]), 0.0), 1.0)
    return (1.0 - w) * values[i] + w * values[i + 1]


@njit(cache=True)
def _coherent_cosine(energy, state, grid, cumulative):
    """Cosine of coherent scattering: x^2 from the integral of F^2, kept with (1 + cos^2)/2."""
    top = energy * PER_ANGSTROM_PER_MEV
    end = min(np.searchsorted(grid, top), grid.size - 1)
    w = min(max((top - grid[end - 1]) / (grid[end] - grid[end - 1]), 0.0), 1.0)
    total = (1.0 - w) * cumulative[end - 1] + w * cumulative[end]
    while True:
        state = advanced(state)
        wanted = uniform(state) * total
        i = min(max(np.searchsorted(cumulative, wanted) - 1, 0), grid.size - 2)
        share = (wanted - cumulative[i]) / max(cumulative[i + 1] - cumulative[i], 1e-30)
        squared = (1.0 - share) * grid[i] ** 2 + share * grid[i + 1] ** 2
        cosine = max(1.0 - 2.0 * squared / top**2, -1.0)
        state = advanced(state)
        if 2.0 * uniform(state) <= 1.0 + cosine * cosine:
            return cosine, state


@njit(cache=True)
def _gaussian_pair(state):
    """Two independent normal numbers."""
    state = advanced(state)
    r = math.sqrt(-2.0 * math.log(1.0 - uniform(state)))
    state = advanced(state)
    phi = 2.0 * math.pi * uniform(state)
    return r * math.cos(phi), r * math.sin(phi), state


@njit(cache=True)
def _klein_nishina_total(alpha):
    """Free-electron cross-section over r_e^2, closed form (Evans, The atomic nucleus, 1955, ch. 23)."""
    low = 1.0 + 2.0 * alpha
    first = (1.0 + alpha) / alpha**2 * (2.0 * (1.0 + alpha) / low - math.log(low) / alpha)
    return 2.0 * math.pi * (first + math.log(low) / (2.0 * alpha) - (1.0 + 3.0 * alpha) / low**2)


@njit(cache=True)
def _pixel(u, z, distance, log_energy, camera, tables, grid, state):
    """Cell of the detector (column, row) on which the collimator puts a photon, drawn; -1 outside."""
    tail, first, step = tables[2], tables[3], tables[4]
    spacing, row_mm, half_columns, half_z, n_columns, n_rows, _ = grid
    sigma = math.sqrt(camera[0] ** 2 + (camera[1] + camera[2] * max(distance, 0.0)) ** 2)
    share = _at(log_energy, first, step, tail[0])
    if share > 0.0:
        state = advanced(state)
        if uniform(state) < share:
            sigma = _at(log_energy, first, step, tail[1]) + _at(log_energy, first, step, tail[2]) * max(
                distance, 0.0
            )
    a, b, state = _gaussian_pair(state)
    column = math.floor(half_columns + (u + sigma * a) / spacing + 0.5)
    row = math.floor(half_z + (z + sigma * b) / row_mm + 0.5)
    inside = 0 <= column < n_columns and 0 <= row < n_rows
    return (column if inside else -1), row, state


@njit(cache=True)
def _score(place, direction, energy, weight, views, grid, camera, paths, tables, form, tally, state):
    """Add to a few views what this collision sends towards them."""
    cos, sin, radius, seconds, per_view = views
    water, windows, _, first, step = tables
    n_views, picked, alpha = cos.size, min(per_view, cos.size), energy / ELECTRON_REST_MEV
    log_energy = math.log(energy)
    coherent = _at(log_energy, first, step, water[2])
    per_compton = (1.0 - coherent) * 0.5 / _klein_nishina_total(alpha)
    per_coherent = coherent / _at(log_energy, first, step, water[3])
    mu_coherent = _at(log_energy, first, step, water[0])
    state = advanced(state)
    start = uniform(state) * n_views
    scale = weight * 4.0 * math.pi * n_views / picked
    for j in range(picked):
        v = int(start + j * n_views / picked) % n_views
        t, u = place[0] * sin[v] + place[1] * cos[v], -place[0] * cos[v] + place[1] * sin[v]
        k = math.floor(0.5 * (paths.shape[1] - 1) - t / grid[0] + 0.5)
        i = math.floor(grid[2] + u / grid[0] + 0.5)
        z = math.floor((place[2] - grid[6]) / grid[1] + 0.5)
        cosine = direction[0] * sin[v] + direction[1] * cos[v]
        ratio = 1.0 / (1.0 + alpha * (1.0 - cosine))
        log_scattered = math.log(energy * ratio)
        column, row, state = _pixel(u, place[2], radius[v] - t, log_scattered, camera, tables, grid, state)
        if column < 0 or not (0 <= k < paths.shape[1] and 0 <= i < paths.shape[2] and 0 <= z < paths.shape[3]):
            continue
        path = paths[v, k, i, z]
        compton_part = per_compton * ratio * ratio * (ratio + 1.0 / ratio - 1.0 + cosine * cosine)
        compton_part *= math.exp(-path * _at(log_scattered, first, step, water[0]))
        x = energy * PER_ANGSTROM_PER_MEV * math.sqrt(max(0.5 * (1.0 - cosine), 0.0))
        coherent_part = per_coherent * (1.0 + cosine * cosine) * _form_factor_sq(x, form[0], form[1])
        coherent_part *= math.exp(-path * mu_coherent)
        for w in range(windows.shape[0]):
            counted = compton_part * _at(log_scattered, first, step, windows[w])
            counted += coherent_part * _at(log_energy, first, step, windows[w])
            tally[w, v, column, row] += scale * seconds[v] * counted
    return state


@njit(cache=True)
def _emitted(h, n, source, place, direction, state):
    """Place and direction of a photon: voxels in turn by their share, uniform within."""
    cumulative, cells, spacing, first_place = source
    index = min(np.searchsorted(cumulative, (h + uniform(state)) / n), cumulative.size - 1)
    for a in range(3):
        state = advanced(state)
        place[a] = first_place[a] + (cells[index, a] + uniform(state) - 0.5) * spacing[a]
    direction[0], direction[1], direction[2], state = isotropic(state)
    return state


@njit(cache=True)
def _collided(place, direction, mu, body, state):
    """Fly to the next collision (Woodcock); whether there is one, or the photon left the body's cells."""
    density, cell, corner, most = body
    ny, nx, nz = density.shape
    while True:
        state = advanced(state)
        step = -math.log(1.0 - uniform(state)) / (mu * most)
        for a in range(3):
            place[a] += step * direction[a]
        ix = math.floor((place[0] - corner[0]) / cell[0] + 0.5)
        iy = math.floor((place[1] - corner[1]) / cell[1] + 0.5)
        iz = math.floor((place[2] - corner[2]) / cell[2] + 0.5)
        if not (0 <= ix < nx and 0 <= iy < ny and 0 <= iz < nz):
            return False, state
        state = advanced(state)
        if uniform(state) * most < density[iy, ix, iz]:
            return True, state


@njit(cache=True, parallel=True)
def scattered(n, seed, emitted_mev, least_mev, source, body, views, grid, camera, paths, tables, form, tallies):
    """Follow ``n`` photons of one energy; ``tallies`` (chunks, windows, views, columns, z) per emitted photon.

    ``source``: cumulative share (m,) and index (m, 3) (x, y, z) of emitting voxels, their spacing, place of index 0
    (mm from the axis and the middle). ``body``: density (y, x, z) relative to water, cell size, place of the first
    cell, largest density. ``views``: cosine, sine, radius and seconds of each, and how many see each collision.
    ``grid``: cell along columns and rows, middle column and row, number of columns and rows, place of the
    first slice of ``paths``. ``camera``: sigma of crystal, collimator at its face, and its growth. ``tables``: water
    (attenuation per mm, scattered share, coherent share of it, its norm), windows and septal tail (share, intercept and
    slope of its sigma), over log energy from a first value by a step. ``form``: x, F^2, its integral over x^2.
    """
    chunks = tallies.shape[0]
    water, first, step = tables[0], tables[3], tables[4]
    for c in prange(chunks):
        place, direction = np.zeros(3), np.zeros(3)
        for h in range(c * n // chunks, (c + 1) * n // chunks):
            state = _emitted(h, n, source, place, direction, advanced(seeded(seed, h)))
            energy, weight = emitted_mev, 1.0 / n
            while energy >= least_mev:
                log_energy = math.log(energy)
                met, state = _collided(place, direction, _at(log_energy, first, step, water[0]), body, state)
                if not met:
                    break
                weight *= _at(log_energy, first, step, water[1])
                state = _score(
                    place, direction, energy, weight, views, grid, camera, paths, tables, form, tallies[c], state
                )
                state = advanced(state)
                if uniform(state) < _at(log_energy, first, step, water[2]):
                    cosine, state = _coherent_cosine(energy, state, form[0], form[2])
                else:
                    energy, cosine, state = compton(energy, state)
                direction[0], direction[1], direction[2], state = turned(
                    direction[0], direction[1], direction[2], cosine, state
                )
