"""The projector's walk for CUDA devices: the formulas of :mod:`lutetia.recon.kernels`, one block of threads per view.

A block walks its view plane by plane and reads the plane before while it writes the next, so that a projection is
one launch; between planes the block's threads wait for each other. Imported on demand only: see
:mod:`lutetia.recon.cuda`.
"""

# mypy: disable-error-code="no-untyped-def"
import numpy as np
from numba import cuda

from lutetia.recon import kernels


@cuda.jit(device=True, fastmath=True)
def _column_blurred(plane, i, z, first, last, weight):
    """A pixel spread over its neighbours in the next columns; nothing enters from outside."""
    if z < 0 or z >= plane.shape[1]:
        return np.float32(0.0)
    before = plane[i - 1, z] if i > first else np.float32(0.0)
    after = plane[i + 1, z] if i + 1 < last else np.float32(0.0)
    return kernels.spread3(before, plane[i, z], after, weight)


@cuda.jit(device=True, fastmath=True)
def _blurred(plane, i, z, span, step):
    """A pixel of a plane after one diffusion step."""
    first, last = span[0], span[1]
    return kernels.spread3(
        _column_blurred(plane, i, z - 1, first, last, step[0]),
        _column_blurred(plane, i, z, first, last, step[0]),
        _column_blurred(plane, i, z + 1, first, last, step[0]),
        step[1],
    )


@cuda.jit(device=True, fastmath=True)
def _blur_plane(plane, target, span, step):
    """One diffusion step of the whole plane into ``target``."""
    for i in range(span[0] + cuda.threadIdx.y, span[1], cuda.blockDim.y):
        for z in range(cuda.threadIdx.x, plane.shape[1], cuda.blockDim.x):
            target[i, z] = _blurred(plane, i, z, span, step)
    cuda.syncthreads()


@cuda.jit(device=True, fastmath=True)
def _blur_columns(plane, target, span, taps):
    """Convolve along the columns with the response at the nearest depth plane."""
    radius = (taps.size - 1) // 2
    for i in range(span[0] + cuda.threadIdx.y, span[1], cuda.blockDim.y):
        for z in range(cuda.threadIdx.x, plane.shape[1], cuda.blockDim.x):
            total = np.float32(0.0)
            for j in range(i - radius, i + radius + 1):
                if span[0] <= j < span[1]:
                    total += taps[j - i + radius] * plane[j, z]
            target[i, z] = total
    cuda.syncthreads()


@cuda.jit(device=True, fastmath=True)
def _blur_rows(plane, target, span, taps):
    """Convolve along the rows with the response at the nearest depth plane."""
    radius, n = (taps.size - 1) // 2, plane.shape[1]
    for i in range(span[0] + cuda.threadIdx.y, span[1], cuda.blockDim.y):
        for z in range(cuda.threadIdx.x, n, cuda.blockDim.x):
            total = np.float32(0.0)
            for s in range(z - radius, z + radius + 1):
                if 0 <= s < n:
                    total += taps[s - z + radius] * plane[i, s]
            target[i, z] = total
    cuda.syncthreads()


@cuda.jit(device=True, fastmath=True)
def _fill(plane, value):
    """Set the whole plane."""
    for i in range(cuda.threadIdx.y, plane.shape[0], cuda.blockDim.y):
        for z in range(cuda.threadIdx.x, plane.shape[1], cuda.blockDim.x):
            plane[i, z] = value
    cuda.syncthreads()


@cuda.jit(device=True, fastmath=True)
def _copy(plane, target, span):
    """Columns of the span into ``target``."""
    for i in range(span[0] + cuda.threadIdx.y, span[1], cuda.blockDim.y):
        for z in range(cuda.threadIdx.x, plane.shape[1], cuda.blockDim.x):
            target[i, z] = plane[i, z]
    cuda.syncthreads()


@cuda.jit(device=True, fastmath=True)
def _mixed(values, ix, iy, z, corners):
    """Bilinear value of an image (y, x, z)."""
    return kernels.mix(
        corners, values[iy, ix, z], values[iy, ix + 1, z], values[iy + 1, ix, z], values[iy + 1, ix + 1, z]
    )


@cuda.jit(device=True, fastmath=True)
def _gather_plane(plane, target, image, through, attenuates, blurs, axis, turn, k, halves, columns, span, step):
    """Next plane towards the detector: blur the one behind it, add the image and attenuate."""
    for i in range(span[0] + cuda.threadIdx.y, span[1], cuda.blockDim.y):
        inside = columns[0] <= i < columns[1]
        ix, iy, fx, fy = kernels.cell(k, i, turn[0], turn[1], halves[0], halves[1], axis[0], axis[1])
        corners = kernels.corners(fx, fy)
        for z in range(cuda.threadIdx.x, plane.shape[1], cuda.blockDim.x):
            value = _blurred(plane, i, z, span, step) if blurs else plane[i, z]
            if inside:
                f = _mixed(image, ix, iy, z, corners)
                value = kernels.seen(_mixed(through, ix, iy, z, corners), f, value) if attenuates else f + value
            target[i, z] = value
    cuda.syncthreads()


@cuda.jit(device=True, fastmath=True)
def _scatter_plane(
    plane, target, image, mask, through, attenuates, blurs, axis, turn, k, halves, columns, span, step
):
    """Transpose of _gather_plane: blur the plane before it, attenuate and add to the image."""
    for i in range(span[0] + cuda.threadIdx.y, span[1], cuda.blockDim.y):
        inside = columns[0] <= i < columns[1]
        ix, iy, fx, fy = kernels.cell(k, i, turn[0], turn[1], halves[0], halves[1], axis[0], axis[1])
        corners = kernels.corners(fx, fy)
        for z in range(cuda.threadIdx.x, plane.shape[1], cuda.blockDim.x):
            value = _blurred(plane, i, z, span, step) if blurs else plane[i, z]
            if inside:
                h = _mixed(through, ix, iy, z, corners) if attenuates else np.float32(1.0)
                value *= h
                for c in range(4):
                    y, x = iy + c // 2, ix + c % 2
                    if mask[y, x]:
                        cuda.atomic.add(image, (y, x, z), corners[c] * value)
                value *= h
            target[i, z] = value
    cuda.syncthreads()


@cuda.jit(fastmath=True)
def forward(image, through, flags, axis, views, turns, ranges, spans, steps, passes, wide, one, other, out):
    """Project ``image`` (y, x, z) into ``out`` (len(views), columns, z); ``one`` and ``other`` are scratch like it."""
    a = cuda.blockIdx.x
    v = views[a]
    span = spans[v]
    halves = 0.5 * (ranges.shape[1] - 1), 0.5 * (out.shape[1] - 1)
    plane, target = one[a], other[a]
    _fill(plane, np.float32(0.0))
    _fill(out[a], np.float32(0.0))
    for k in range(span[3] - 1, span[2] - 1, -1):
        blurs = flags[1] and k < span[3] - 1
        for _ in range(passes[v, k] - 1 if blurs else 0):
            _blur_plane(plane, target, span, steps[v, k])
            plane, target = target, plane
        _gather_plane(
            plane,
            target,
            image,
            through,
            flags[0],
            blurs,
            axis,
            turns[v],
            k,
            halves,
            ranges[v, k],
            span,
            steps[v, k],
        )
        plane, target = target, plane
    if flags[1]:
        _blur_columns(plane, target, span, wide[v, 0])
        _blur_rows(target, out[a], span, wide[v, 1])
    else:
        _copy(plane, out[a], span)


@cuda.jit(fastmath=True)
def adjoint(
    planes, through, flags, axis, views, turns, ranges, spans, steps, passes, wide, mask, one, other, image
):
    """Transpose of forward: add ``planes`` (len(views), columns, z) to ``image`` (y, x, z) where ``mask`` (y, x)."""
    a = cuda.blockIdx.x
    v = views[a]
    span = spans[v]
    halves = 0.5 * (ranges.shape[1] - 1), 0.5 * (planes.shape[1] - 1)
    plane, target = one[a], other[a]
    if flags[1]:
        _blur_columns(planes[a], target, span, wide[v, 0])
        _blur_rows(target, plane, span, wide[v, 1])
    else:
        _copy(planes[a], plane, span)
    for k in range(span[2], span[3]):
        blurs = flags[1] and k > span[2]
        behind = k - 1 if blurs else k
        for _ in range(passes[v, behind] - 1 if blurs else 0):
            _blur_plane(plane, target, span, steps[v, behind])
            plane, target = target, plane
        _scatter_plane(
            plane, target, image, mask, through, flags[0], blurs, axis, turns[v], k, halves, ranges[v, k], span,
            steps[v, behind],
        )  # fmt: skip
        plane, target = target, plane
