"""Histories on a CUDA device: the functions of the processor, compiled for it."""
