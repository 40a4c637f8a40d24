"""Tomoseg for Blender: annotate cryo-electron tomograms from the MRC file to the rendered figure."""

from .tomoseg_blender import register, unregister  # noqa: F401
