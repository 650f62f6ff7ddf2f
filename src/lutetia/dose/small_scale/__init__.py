"""Absorbed dose where alphas and Auger electrons end: cells, clusters, tubules, marrow cavities.

Lengths are in um, as everybody gives them at this scale; the medium is water of a stated density. Alphas go straight and
slow down continuously (ICRU 49), recoil nuclei (range 0.1 um) stay where they arise.
"""
