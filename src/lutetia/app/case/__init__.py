"""The case file: what DICOM does not say, and which images belong together.

People write MBq, h, per cent and cps/MBq in ``case.yaml``; the objects of ``settings`` hold the internal units. Every
key is listed in docs/reference/case.md.
"""
