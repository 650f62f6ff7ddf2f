"""The body in a CT."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lutetia.images.volume import Volume

SKIN_HU: Final = -300.0
"""Between air and fat: what is denser may be body."""


def body_mask(ct: Volume) -> NDArray[np.bool_]:
    """Voxels (z, y, x) of the body: the largest dense object after thin things (couch, clothes) are opened away.

    Air inside (lungs, bowel) belongs to the body; each axial slice is filled.
    """
    dense = ct.values > SKIN_HU
    radius = max(1, round(6.0 / float(min(ct.grid.spacing_mm[:2]))))
    opened = np.stack([ndimage.binary_opening(plane, iterations=radius) for plane in dense])
    labels, n = ndimage.label(opened)
    if n == 0:
        return np.ones(ct.grid.shape, np.bool_)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    body = labels == int(sizes.argmax())
    return np.stack([ndimage.binary_fill_holes(plane) for plane in body])
