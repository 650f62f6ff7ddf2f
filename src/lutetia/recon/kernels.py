"""Compiled loops of the parallel-hole projector and of its transpose.

Arrays are (y, x, z) with z contiguous, so that every step is a few scaled additions of rows of z. A view is
walked plane by plane parallel to its detector; rotation, attenuation and the growing blur are fused in one pass
over a plane that stays in cache. Work is split into a number of chunks that does not depend on the number of
threads, and sums over chunks run in a fixed order, so the bits do not depend on the threads.

The formulas stand in functions of single numbers at the top; :mod:`lutetia.recon.cuda_kernels` calls the same.
"""

# mypy: disable-error-code="no-untyped-def"
import math

import numpy as np
from numba import njit, prange


@njit(cache=True)
def _position(k, i, cos, sin, half_depth, half_columns, axis_x, axis_y):
    """Fractional (x, y) index of column i in depth plane k (plane 0 nearest to the detector)."""
    u = i - half_columns
    t = half_depth - k
    return axis_x - u * cos + t * sin, axis_y + u * sin + t * cos


@njit(cache=True, fastmath=True)
def cell(k, i, cos, sin, half_depth, half_columns, axis_x, axis_y):
    """Lower corner (x, y) of the four voxels round column i of depth plane k, and the way from it."""
    x, y = _position(k, i, cos, sin, half_depth, half_columns, axis_x, axis_y)
    ix, iy = int(math.floor(x)), int(math.floor(y))  # noqa: RUF046 - on a CUDA device floor gives a float
    return ix, iy, np.float32(x - ix), np.float32(y - iy)


@njit(cache=True, fastmath=True)
def corners(fx, fy):
    """Bilinear weights of the voxels (0, 0), (0, 1), (1, 0) and (1, 1), as (y, x)."""
    gx, gy = np.float32(1.0) - fx, np.float32(1.0) - fy
    return gx * gy, fx * gy, gx * fy, fx * fy


@njit(cache=True, fastmath=True)
def mix(weights, f0, f1, f2, f3):
    """Weighted sum of the values at the four corners."""
    return weights[0] * f0 + weights[1] * f1 + weights[2] * f2 + weights[3] * f3


@njit(cache=True, fastmath=True)
def seen(h, f, behind):
    """What leaves a plane: its own photons pass half a voxel, those from behind it a whole one."""
    return h * (f + h * behind)


@njit(cache=True, fastmath=True)
def spread3(before, value, after, weight):
    """One diffusion step: each neighbour gives and takes the same share, so the matrix is symmetric."""
    return (np.float32(1.0) - np.float32(2.0) * weight) * value + weight * (before + after)


@njit(cache=True)
def row_ranges(mask, cos, sin, n_columns, n_depth, axis_x, axis_y):
    """First and one-past-last column of every depth plane of every view that meets the mask, (views, depth, 2)."""
    ny, nx = mask.shape
    ranges = np.zeros((cos.size, n_depth, 2), np.int32)
    for v in range(cos.size):
        for k in range(n_depth):
            first, last = n_columns, -1
            for i in range(n_columns):
                x, y = _position(k, i, cos[v], sin[v], 0.5 * (n_depth - 1), 0.5 * (n_columns - 1), axis_x, axis_y)
                ix, iy = math.floor(x), math.floor(y)
                if ix < 0 or iy < 0 or ix >= nx - 1 or iy >= ny - 1:
                    continue
                if mask[iy, ix] or mask[iy, ix + 1] or mask[iy + 1, ix] or mask[iy + 1, ix + 1]:
                    first = min(first, i)
                    last = i
            if last >= 0:
                ranges[v, k, 0] = first
                ranges[v, k, 1] = last + 1
    return ranges


@njit(cache=True, fastmath=True)
def _blur_row(row, before, after, buffer, p_column, p_row):
    """Spread one row over its neighbours; ``before`` receives the row as it was."""
    n = row.size
    for z in range(n):
        buffer[z + 1] = spread3(before[z], row[z], after[z], p_column)
        before[z] = row[z]
    for z in range(n):
        row[z] = spread3(buffer[z], buffer[z + 1], buffer[z + 2], p_row)


@njit(cache=True, fastmath=True)
def _blur_plane(plane, span, times, rows, step):
    """Spread a whole plane ``times`` times; nothing enters from outside, so the matrix is symmetric."""
    for _ in range(times):
        rows[0, :] = 0
        for i in range(span[0], span[1]):
            after = plane[i + 1] if i + 1 < span[1] else rows[1, : plane.shape[1]]
            _blur_row(plane[i], rows[0], after, rows[2], step[0], step[1])


@njit(cache=True, fastmath=True)
def _blur_wide(plane, scratch, span, kernel_column, kernel_row):
    """Convolve a plane with the (symmetric) response at the nearest depth plane."""
    n = plane.shape[1]
    first, last = span[0], span[1]
    radius = (kernel_column.size - 1) // 2
    for i in range(first, last):
        scratch[i] = 0
        for j in range(max(first, i - radius), min(last, i + radius + 1)):
            w = kernel_column[j - i + radius]
            for z in range(n):
                scratch[i, z] += w * plane[j, z]
    radius = (kernel_row.size - 1) // 2
    for i in range(first, last):
        plane[i] = 0
        for s in range(-radius, radius + 1):
            w = kernel_row[s + radius]
            for z in range(max(0, -s), min(n, n - s)):
                plane[i, z] += w * scratch[i, z + s]


@njit(cache=True, fastmath=True)
def _gather(row, image, through, attenuate, ix, iy, fx, fy):
    """Add the image's row at a fractional position and attenuate: ``row = h (f + h row)``."""
    weights = corners(fx, fy)
    f0, f1, f2, f3 = image[iy, ix], image[iy, ix + 1], image[iy + 1, ix], image[iy + 1, ix + 1]
    if not attenuate:
        for z in range(row.size):
            row[z] += mix(weights, f0[z], f1[z], f2[z], f3[z])
        return
    h0, h1, h2, h3 = through[iy, ix], through[iy, ix + 1], through[iy + 1, ix], through[iy + 1, ix + 1]
    for z in range(row.size):
        f = mix(weights, f0[z], f1[z], f2[z], f3[z])
        h = mix(weights, h0[z], h1[z], h2[z], h3[z])
        row[z] = seen(h, f, row[z])


@njit(cache=True, fastmath=True)
def _spread(row, image, through, attenuate, ix, iy, fx, fy, buffer):
    """Transpose of _gather: attenuate the row and add it to the image."""
    weights = corners(fx, fy)
    f0, f1, f2, f3 = image[iy, ix], image[iy, ix + 1], image[iy + 1, ix], image[iy + 1, ix + 1]
    if attenuate:
        h0, h1, h2, h3 = through[iy, ix], through[iy, ix + 1], through[iy + 1, ix], through[iy + 1, ix + 1]
        for z in range(row.size):
            h = mix(weights, h0[z], h1[z], h2[z], h3[z])
            buffer[z] = h * row[z]
            row[z] = h * buffer[z]
    else:
        for z in range(row.size):
            buffer[z] = row[z]
    for z in range(row.size):
        f0[z] += weights[0] * buffer[z]
    for z in range(row.size):
        f1[z] += weights[1] * buffer[z]
    for z in range(row.size):
        f2[z] += weights[2] * buffer[z]
    for z in range(row.size):
        f3[z] += weights[3] * buffer[z]


@njit(cache=True, fastmath=True)
def _forward_view(
    image, through, dense, resolves, axis, turn, ranges, span, steps, passes, wide, plane, scratch, rows
):
    """One view into ``plane`` (columns, z): walk from the farthest plane towards the detector."""
    half_d, half_c = 0.5 * (ranges.shape[0] - 1), 0.5 * (plane.shape[0] - 1)
    n = plane.shape[1]
    plane[:] = 0
    for k in range(span[3] - 1, span[2] - 1, -1):
        blur = resolves and k < span[3] - 1
        if blur:
            _blur_plane(plane, span, passes[k] - 1, rows, steps[k])
        rows[0, :] = 0
        for i in range(span[0], span[1]):
            if blur:
                after = plane[i + 1] if i + 1 < span[1] else rows[1, :n]
                _blur_row(plane[i], rows[0], after, rows[2], steps[k, 0], steps[k, 1])
            if ranges[k, 0] <= i < ranges[k, 1]:
                ix, iy, fx, fy = cell(k, i, turn[0], turn[1], half_d, half_c, axis[0], axis[1])
                _gather(plane[i], image, through, dense[iy, ix], ix, iy, fx, fy)
    if resolves:
        _blur_wide(plane, scratch, span, wide[0], wide[1])


@njit(cache=True, fastmath=True)
def _back_view(
    image, through, dense, resolves, axis, turn, ranges, span, steps, passes, wide, plane, scratch, rows
):
    """Transpose of _forward_view: add ``plane`` (overwritten) to the image, walking away from the detector."""
    half_d, half_c = 0.5 * (ranges.shape[0] - 1), 0.5 * (plane.shape[0] - 1)
    n = plane.shape[1]
    if resolves:
        _blur_wide(plane, scratch, span, wide[0], wide[1])
    for k in range(span[2], span[3]):
        blur = resolves and k < span[3] - 1
        rows[0, :] = 0
        for i in range(span[0], span[1]):
            if ranges[k, 0] <= i < ranges[k, 1]:
                ix, iy, fx, fy = cell(k, i, turn[0], turn[1], half_d, half_c, axis[0], axis[1])
                _spread(plane[i], image, through, dense[iy, ix], ix, iy, fx, fy, rows[3])
            if blur and i > span[0]:
                _blur_row(plane[i - 1], rows[0], plane[i], rows[2], steps[k, 0], steps[k, 1])
        if blur:
            _blur_row(plane[span[1] - 1], rows[0], rows[1, :n], rows[2], steps[k, 0], steps[k, 1])
            _blur_plane(plane, span, passes[k] - 1, rows, steps[k])


@njit(cache=True, parallel=True, fastmath=True)
def forward(image, through, dense, resolves, axis, views, turns, ranges, spans, steps, passes, wide, chunks, out):
    """Project ``image`` (y, x, z) into ``out`` (len(views), columns, z).

    ``through`` (y, x, z) is what half a voxel lets pass; ``dense`` (y, x) whether a column or its next neighbours take
    anything away: air is passed without looking it up.
    """
    n_columns, n = out.shape[1], out.shape[2]
    for c in prange(chunks):
        scratch = np.zeros((n_columns, n), np.float32)
        rows = np.zeros((4, n + 2), np.float32)
        for a in range(c, views.size, chunks):
            v = views[a]
            _forward_view(
                image, through, dense, resolves, axis, turns[v], ranges[v], spans[v], steps[v], passes[v], wide[v],
                out[a], scratch, rows,
            )  # fmt: skip


@njit(cache=True, parallel=True, fastmath=True)
def adjoint(
    planes, through, dense, resolves, axis, views, turns, ranges, spans, steps, passes, wide, mask, parts, image
):
    """Transpose of forward: ``planes`` (len(views), columns, z) into ``image`` (y, x, z) where ``mask`` (y, x).

    ``parts`` (chunks, y, x, z) is scratch; each chunk of views sums into its own, then they are added in order.
    """
    chunks, ny, nx, n = parts.shape
    for c in prange(chunks):
        plane = np.zeros((planes.shape[1], n), np.float32)
        scratch = np.zeros((planes.shape[1], n), np.float32)
        rows = np.zeros((4, n + 2), np.float32)
        parts[c] = 0
        for a in range(c, views.size, chunks):
            v = views[a]
            plane[:] = planes[a]
            _back_view(
                parts[c], through, dense, resolves, axis, turns[v], ranges[v], spans[v], steps[v], passes[v], wide[v],
                plane, scratch, rows,
            )  # fmt: skip
    for y in prange(ny):
        for x in range(nx):
            image[y, x] = 0
            if mask[y, x]:
                for c in range(chunks):
                    for z in range(n):
                        image[y, x, z] += parts[c, y, x, z]
