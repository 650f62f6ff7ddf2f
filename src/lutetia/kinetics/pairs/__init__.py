"""Theranostic pairs: the curve of a therapeutic nuclide from that of an imaging one."""
