"""The body in a CT."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lutetia.images.volume import Volume

SKIN_HU: Final = -300.0
"""Between air and fat: what is denser may be body."""

COUCH_MM: Final = 6.0
"""Half the thickness of couch boards and clothes, which are opened away."""


def body_mask(ct: Volume) -> NDArray[np.bool_]:
    """Voxels (z, y, x) of the body: the largest dense object after thin things (couch, clothes) are opened away.

    Air inside (lungs, bowel) belongs to the body: each axial slice is filled first.
    """
    # filled before opening: a thin chest wall would open the lungs to the outside
    filled = np.stack([ndimage.binary_fill_holes(plane) for plane in ct.values > SKIN_HU])
    steps = round(COUCH_MM / float(min(ct.grid.spacing_mm[:2])))
    opened = np.stack([ndimage.binary_opening(plane, iterations=steps) for plane in filled]) if steps else filled
    labels, n = ndimage.label(opened)
    if n == 0:
        return np.ones(ct.grid.shape, np.bool_)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    body: NDArray[np.bool_] = labels == int(sizes.argmax())
    return body
