"""Curves as they are measured: tables from elsewhere, blood, urine and whole body, planar series with SPECT."""
