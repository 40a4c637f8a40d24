# Slices as planes with images: place, greys, axes, and speed.
import time

import bpy
import numpy as np
import pytest


@pytest.fixture
def slices(part):
    return part("tomoseg_blender.scene.slices")


@pytest.fixture
def shown(part):
    """A 5 × 7 × 11 tomogram of 10 Å at x = 100 Å, its empty, and its voxels: all different."""
    geometry = part("tomo.geometry").Geometry((10.0, 10.0, 10.0), (100.0, 0.0, 0.0))
    data = np.arange(5 * 7 * 11, dtype=np.float32).reshape(5, 7, 11)
    return part("tomoseg_blender.scene.tomogram").ensure_tomogram("cell", data.shape, geometry), data


def greys_of(image):
    width, height = image.size
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    return pixels.reshape(height, width, 4)[..., 0]


EVERY = slice(None)


@pytest.mark.parametrize("axis, chosen", [("z", 2), ("y", (EVERY, 2)), ("x", (EVERY, EVERY, 2))])
def test_a_slice_image_holds_the_voxels_with_the_bottom_row_first(slices, shown, axis, chosen):
    empty, data = shown
    plane = slices.show_slice(empty, axis, 2, data, 0.0, 384.0)
    wanted = data[chosen] / 384.0
    assert np.abs(greys_of(slices.shown_image(plane)) - wanted).max() <= 0.5 / 255 + 1e-6


def test_planes_lie_in_the_middle_of_their_slice_at_true_scale(slices, shown):
    empty, data = shown
    corners = {}
    for axis in "zyx":
        plane = slices.show_slice(empty, axis, 2, data, 0.0, 384.0)
        bpy.context.view_layer.update()
        places = np.array([plane.matrix_world @ vertex.co for vertex in plane.data.vertices])
        corners[axis] = np.concatenate([places.min(axis=0), places.max(axis=0)])
    # 0.1 Blender units a voxel, the tomogram begins at x = 1; slice 2 is centred at 2.5 voxels.
    assert corners["z"] == pytest.approx([1.0, 0.0, 0.25, 2.1, 0.7, 0.25], abs=1e-6)
    assert corners["y"] == pytest.approx([1.0, 0.25, 0.0, 2.1, 0.25, 0.5], abs=1e-6)
    assert corners["x"] == pytest.approx([1.25, 0.0, 0.0, 1.25, 0.7, 0.5], abs=1e-6)


def test_the_first_pixel_of_the_image_lies_on_the_first_voxel(slices, shown):
    empty, data = shown
    plane = slices.show_slice(empty, "x", 4, data, 0.0, 384.0)
    loops = {tuple(loop.uv): plane.data.loops[i].vertex_index for i, loop in enumerate(plane.data.uv_layers[0].data)}
    first, last = (plane.data.vertices[loops[corner]].co for corner in ((0.0, 0.0), (1.0, 1.0)))
    assert tuple(first) == (0.0, 0.0, 0.0) and tuple(last) == (0.0, 7.0, 5.0)


def test_stepping_back_and_forth_shows_the_new_slice_in_the_same_image(slices, shown):
    empty, data = shown
    first = slices.show_slice(empty, "z", 0, data, 0.0, 384.0)
    image = slices.shown_image(first)
    again = slices.show_slice(empty, "z", 4, data, 0.0, 384.0)
    assert again == first and slices.shown_image(again) == image and slices.index_of(again) == 4
    assert greys_of(image)[6, 10] == 1.0
    assert len([one for one in bpy.data.images if one.name.startswith("Slice")]) == 1


def test_inverting_turns_black_to_white_and_no_number_counts_as_the_lower_limit(slices, shown):
    empty, data = shown
    holes = data.copy()
    holes[1, 0, 0], holes[1, 0, 1] = np.nan, np.inf
    plain = greys_of(slices.shown_image(slices.show_slice(empty, "z", 1, holes, 0.0, 384.0)))
    assert (plain[0, 0], plain[0, 1]) == (0.0, 1.0)
    turned = greys_of(slices.shown_image(slices.show_slice(empty, "z", 1, holes, 0.0, 384.0, True)))
    assert np.abs(turned - (1.0 - plain)).max() < 1e-6


def test_a_thick_slice_is_the_mean_of_those_that_lie_inside(slices, shown):
    _, data = shown
    assert np.allclose(slices.slice_at(data, "z", 2, 3), data[1:4].mean(axis=0))
    assert np.allclose(slices.slice_at(data, "z", 0, 3), data[0:2].mean(axis=0))
    assert np.allclose(slices.slice_at(data, "x", 10, 5), data[:, :, 8:11].mean(axis=2))


def test_a_slice_outside_is_refused_with_the_range(slices, shown, part):
    empty, data = shown
    with pytest.raises(part("tomo.errors").TomosegError, match="no slice 5 along z: choose 0 to 4"):
        slices.show_slice(empty, "z", 5, data, 0.0, 1.0)


def test_greys_are_shown_as_written(slices, shown):
    empty, data = shown
    image = slices.shown_image(slices.show_slice(empty, "z", 1, data, 0.0, 384.0))
    assert image.colorspace_settings.name == "sRGB" and not image.is_float


def test_the_window_leaves_out_bright_gold_and_no_numbers(part):
    automatic_window = part("tomoseg_blender.scene.slice_pixels").automatic_window
    pixels = np.random.default_rng(0).normal(5.0, 1.0, (70, 110))
    pixels[0, 0], pixels[3, 4] = np.nan, 40.0
    low, high = automatic_window(pixels)
    assert low == pytest.approx(2.0, abs=0.6) and high == pytest.approx(8.0, abs=0.6)
    assert automatic_window(np.full((5, 7), 3.0)) == (2.5, 3.5)
    assert automatic_window(np.full((5, 7), np.nan)) == (0.0, 1.0)


def test_large_slices_step_at_a_part_of_their_resolution_and_sharpen_later(slices, part):
    geometry = part("tomo.geometry").Geometry((10.0, 10.0, 10.0))
    data = np.zeros((1, 2050, 2051), np.int8)
    data[0, 2048, 2050] = 100
    empty = part("tomoseg_blender.scene.tomogram").ensure_tomogram("large", data.shape, geometry)
    quick = slices.shown_image(slices.show_slice(empty, "z", 0, data, 0.0, 100.0, quick=True))
    assert tuple(quick.size) == (1026, 1025) and greys_of(quick)[1024, 1025] == 1.0
    sharp = slices.shown_image(slices.show_slice(empty, "z", 0, data, 0.0, 100.0))
    assert tuple(sharp.size) == (2051, 2050) and greys_of(sharp)[2048, 2050] == 1.0


@pytest.mark.parametrize("side, limit", [(1024, 0.016), (4096, 0.080)])
def test_a_step_takes_no_longer_than_the_eye_waits(slices, part, side, limit):
    geometry = part("tomo.geometry").Geometry((10.0, 10.0, 10.0))
    data = np.random.default_rng(0).normal(size=(2, side, side)).astype(np.float32)
    empty = part("tomoseg_blender.scene.tomogram").ensure_tomogram("speed", data.shape, geometry)
    spent = []
    for number in range(8):
        began = time.thread_time()  # not the clock: other tests may run beside this one
        slices.show_slice(empty, "z", number % 2, data, -3.0, 3.0, quick=True)
        spent.append(time.thread_time() - began)
    assert min(spent) <= limit
