"""Speed of the SPECT projector and of OSEM: 128^3 voxels of 4.795 mm, 120 views, attenuation and response.

Run: ``python benchmarks/bench_projector.py [threads] [python of an environment with PyTomography]``. The peer in
every run is the textbook way with scipy (rotate the volume, attenuate, blur each plane), one view, scaled to all;
with a second argument PyTomography's forward and backward projection of the same phantom are timed as well.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable

import numba
import numpy as np
from scipy.ndimage import gaussian_filter, rotate

from lutetia.images.volume import Volume
from lutetia.recon.camera import Camera
from lutetia.recon.orbit import Orbit
from lutetia.recon.osem import osem
from lutetia.recon.projector import SpectSystem, spect_system

N, VIEWS, PIXEL_MM, RADIUS_MM = 128, 120, 4.7952, 250.0
CAMERA = Camera(
    name="bench", intrinsic_fwhm_mm=0.0, intercept_mm=3.5322, slope=0.0470964
)  # sigma = 1.5 mm + 0.02 d

PYTOMOGRAPHY = """
import sys, time, json, numpy as np, torch, pytomography
torch.set_num_threads(int(sys.argv[1])); pytomography.set_device("cpu")
from pytomography.metadata.SPECT import SPECTObjectMeta, SPECTProjMeta, SPECTPSFMeta
from pytomography.projectors.SPECT import SPECTSystemMatrix
from pytomography.transforms.SPECT import SPECTAttenuationTransform, SPECTPSFTransform
n, na, dx = 128, 120, 0.47952
om = SPECTObjectMeta((dx,) * 3, (n,) * 3)
pm = SPECTProjMeta((n, n), (dx, dx), np.arange(na) * 360.0 / na, radii=np.full(na, 25.0))
x = (torch.arange(n) - 63.5) * dx
X, Y, Z = torch.meshgrid(x, x, x, indexing="ij")
body = ((X / 18) ** 2 + (Y / 12) ** 2 <= 1).float()
tf = [SPECTAttenuationTransform(attenuation_map=0.135 * body),
      SPECTPSFTransform(SPECTPSFMeta(sigma_fit_params=(0.02, 0.15)))]
sm = SPECTSystemMatrix(obj2obj_transforms=tf, proj2proj_transforms=[], object_meta=om, proj_meta=pm)
out = {}
for _ in range(2):
    t = time.perf_counter(); p = sm.forward(body); out["forward_s"] = time.perf_counter() - t
    t = time.perf_counter(); sm.backward(p); out["adjoint_s"] = time.perf_counter() - t
print(json.dumps(out))
"""


def phantom() -> tuple[SpectSystem, np.ndarray, np.ndarray]:
    """System, image (z, y, x) and body."""
    orbit = Orbit(
        angle_rad=np.arange(VIEWS) * 2 * np.pi / VIEWS,
        radius_mm=np.full(VIEWS, RADIUS_MM),
        frame_duration_s=np.ones(VIEWS),
        pixel_mm=(PIXEL_MM, PIXEL_MM),
        centre_mm=(0.0, 0.0, 0.0),
        n_rows=N,
        n_columns=N,
    )
    x = (np.arange(N) - (N - 1) / 2) * PIXEL_MM
    plane = (x[None, :] / 180) ** 2 + (x[:, None] / 120) ** 2 <= 1
    body = np.broadcast_to(plane, (N, N, N)).astype(np.float32)
    mu = Volume(grid=orbit.grid(), values=0.135 * body, unit="1/cm")
    system = spect_system(orbit=orbit, camera=CAMERA, attenuation=mu, support=plane)
    return system, 0.2 * body, body


def scipy_view(image: np.ndarray, mu_per_cm: np.ndarray, angle_deg: float) -> np.ndarray:
    """One view the textbook way."""
    turned = rotate(image, angle_deg, axes=(1, 2), reshape=False, order=1)
    mu = rotate(mu_per_cm, angle_deg, axes=(1, 2), reshape=False, order=1) * PIXEL_MM / 10
    seen = turned * np.exp(-(np.cumsum(mu[:, ::-1], axis=1)[:, ::-1] - mu / 2))
    distance = RADIUS_MM - (np.arange(N) - (N - 1) / 2) * PIXEL_MM
    sigma = CAMERA.sigma_mm(distance) / PIXEL_MM
    return sum(gaussian_filter(seen[:, k], sigma[k]) for k in range(N))


def best_s(work: Callable[[], object], times: int) -> float:
    """Shortest of several runs, after one to warm up."""
    work()
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        spent.append(time.perf_counter() - start)
    return min(spent)


def main() -> None:
    """Time everything and print a table."""
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    numba.set_num_threads(threads)
    system, image, body = phantom()
    native, views, scratch = system.to_native(image), np.arange(VIEWS), system.scratch()
    projected = system.project(native, views)
    counts = np.random.default_rng(0).poisson(system.from_native_projections(projected) * 2e7 / projected.sum())
    ours = {
        "forward_s": best_s(lambda: system.project(native, views), 5),
        "adjoint_s": best_s(lambda: system.backproject(projected, views, scratch), 5),
        "osem_4x8_s": best_s(lambda: osem(system, counts.astype(np.float32), iterations=4, subsets=8), 3),
    }
    peer = {"forward_s": best_s(lambda: scipy_view(image, 0.135 * body, 33.0), 1) * VIEWS}
    print(f"lutetia, {threads} threads: {json.dumps({k: round(v, 4) for k, v in ours.items()})}")
    print(f"scipy, scaled from one view: {json.dumps({k: round(v, 2) for k, v in peer.items()})}")
    print(f"forward ratio to scipy: {peer['forward_s'] / ours['forward_s']:.0f}")
    if len(sys.argv) > 2:
        command = [sys.argv[2], "-c", PYTOMOGRAPHY, str(threads)]
        other = json.loads(
            subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1]
        )
        print(f"PyTomography: {json.dumps({k: round(v, 2) for k, v in other.items()})}")
        for key, value in other.items():
            print(f"{key[:-2]} ratio to PyTomography: {value / ours[key]:.0f}")


if __name__ == "__main__":
    main()
