"""Three boxes in three corners of a tomogram, and how a figure of them looks: what tests of figures share."""

import colorsys

import bpy
import numpy as np

SHAPE = (12, 40, 60)
COLOURS = {"membrane": "#56b4e9", "microtubule": "#e69f00", "carbon": "#009e73"}
# Boxes of voxels (x, y, z from, to): one in each of three corners, none like another.
PLACES = {
    "membrane": ((2, 2, 1), (14, 10, 11)),
    "microtubule": ((40, 4, 2), (56, 12, 10)),
    "carbon": ((4, 26, 3), (20, 36, 9)),
}
SIZE = (320, 240)


def block(low, high):
    """Vertices in voxels and outward triangles of a box."""
    low, high = np.array(low, np.float32), np.array(high, np.float32)
    corner = np.array([[x, y, z] for z in (0, 1) for y in (0, 1) for x in (0, 1)], np.float32)
    faces = "023031457476015054267273046062137175"
    return low + corner * (high - low), np.array([int(digit) for digit in faces], np.int32).reshape(-1, 3)


def world(voxels):
    """(n, 3) voxel coordinates (x, y, z) of `cell` in Blender units."""
    return np.array(voxels, float) * 0.1 + (0.0, 2.0, 0.0)


def render(figure, cell, tmp_path, samples=4, **settings):
    """The built figure, and its pixels [y, x, 4] from the lower left. A Blender without denoiser takes more samples."""
    built = figure.build_figure(cell, figure.FigureSettings(size=SIZE, **settings))
    path = tmp_path / "figure.png"
    figure.render_figure(built, path, samples if figure._has_denoiser(built.scene) else 8 * samples)
    picture = bpy.data.images.load(str(path))
    pixels = np.array(picture.pixels[:]).reshape(SIZE[1], SIZE[0], 4)
    bpy.data.images.remove(picture)
    return built, pixels


def hue(colour):
    return colorsys.rgb_to_hsv(*colour[:3])[0]


def hue_of(text):
    return hue([int(text[start : start + 2], 16) / 255 for start in (1, 3, 5)])


def at(built, pixels, voxel):
    """The pixel (r, g, b, a) in which a voxel coordinate (x, y, z) is seen."""
    x, y = built.pixels_of(world([voxel]))[0]
    return pixels[int(y), int(x)]
