# Label images: nothing painted is ever lost, and Python never writes into what was painted on.
import bpy
import numpy as np
import pytest

BLUE = "#56b4e9"


@pytest.fixture
def labels(part):
    return part("tomoseg_blender.scene.labels")


@pytest.fixture
def corner():
    """A label of 7 × 11 with one feature pixel near the lower left and one ignored in the upper right."""
    label = np.zeros((7, 11), np.int8)
    label[1, 2], label[6, 10] = 1, 2
    return label


def paint(image, y, x):
    """What a brush does: one opaque pixel."""
    pixels = np.array(image.pixels[:]).reshape(image.size[1], image.size[0], 4)
    pixels[y, x] = 1.0
    image.pixels.foreach_set(pixels.reshape(-1).astype(np.float32))


def test_a_new_label_image_is_empty_kept_and_found_again(labels):
    image = labels.ensure_label_image("cell", "membrane", 3, (7, 11), BLUE)
    assert tuple(image.size) == (11, 7) and not image.is_dirty and image.source == "FILE"
    assert not labels.read_slice_label("cell", "membrane", 3).any()
    assert labels.ensure_label_image("cell", "membrane", 3, (7, 11), BLUE) == image
    assert labels.find_label_image("cell", "membrane", 4) is None


def test_names_longer_than_blender_allows_do_not_mix_up_labels(labels):
    one, two = "tomogram_" * 9 + "one", "tomogram_" * 9 + "two"
    first = labels.ensure_label_image(one, "membrane", 3, (7, 11), BLUE)
    second = labels.ensure_label_image(two, "membrane", 3, (7, 11), BLUE)
    assert first != second and labels.key_of(second) == (two, "membrane", 3)


def test_a_painted_pixel_becomes_label_one_and_its_colour_does_not_matter(labels):
    image = labels.ensure_label_image("cell", "membrane", 3, (7, 11), BLUE)
    paint(image, 5, 8)
    label = labels.read_slice_label("cell", "membrane", 3)
    assert label[5, 8] == 1 and label.sum() == 1


def test_labels_and_ignore_zones_go_in_and_out_unchanged(labels, corner):
    labels.write_new_label("cell", "membrane", 3, corner, BLUE)
    assert np.array_equal(labels.read_slice_label("cell", "membrane", 3), corner)


def test_ignore_wins_where_both_are_painted(labels, corner):
    labels.write_new_label("cell", "membrane", 3, corner, BLUE)
    paint(labels.find_label_image("cell", "membrane", 3, "ignore"), 1, 2)
    assert labels.read_slice_label("cell", "membrane", 3)[1, 2] == 2


def test_a_new_label_is_a_new_image_and_the_painted_one_is_kept(labels, corner):
    old = labels.ensure_label_image("cell", "membrane", 3, (7, 11), BLUE)
    paint(old, 4, 4)
    bpy.context.scene.tool_settings.image_paint.canvas = old
    new = labels.write_new_label("cell", "membrane", 3, corner, BLUE)
    assert new != old and labels.find_label_image("cell", "membrane", 3) == new
    assert not old.is_dirty
    old.reload()
    assert np.array(old.pixels[:]).reshape(7, 11, 4)[4, 4, 3] == 1.0
    assert bpy.context.scene.tool_settings.image_paint.canvas == new


def test_the_slice_shows_the_new_label_in_place_of_the_old(labels, corner, part):
    materials, slices = part("tomoseg_blender.scene.materials"), part("tomoseg_blender.scene.slices")
    geometry = part("tomo.geometry").Geometry((10.0, 10.0, 10.0))
    empty = part("tomoseg_blender.scene.tomogram").ensure_tomogram("cell", (5, 7, 11), geometry)
    plane = slices.show_slice(empty, "z", 3, np.zeros((5, 7, 11)), 0.0, 1.0)
    labels.show_label(plane, labels.ensure_label_image("cell", "membrane", 3, (7, 11), BLUE))
    new = labels.write_new_label("cell", "membrane", 3, corner, BLUE)
    assert materials.overlay_image(plane.active_material, materials.LABEL) == new


def test_what_is_painted_survives_the_file_and_the_image_is_as_before(labels, tmp_path):
    image = labels.ensure_label_image("cell", "membrane", 3, (7, 11), BLUE)
    paint(image, 5, 8)
    labels.keep(image)
    name, place = image.name, image.filepath_raw
    image.use_fake_user = True
    packed = labels.pack_for_blend()
    assert packed == {name: place} and labels.pack_for_blend() == {}
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "labels.blend"))
    labels.unpack_after_blend(packed)
    assert image.packed_file is None and image.filepath_raw == place
    assert labels.read_slice_label("cell", "membrane", 3)[5, 8] == 1
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "labels.blend"))
    assert labels.read_slice_label("cell", "membrane", 3)[5, 8] == 1


def test_keeping_what_is_painted_changes_nothing_else_of_the_image(labels):
    """A pack would be part of the image: undo over its change reads the image anew, without the strokes since."""
    image = labels.ensure_label_image("cell", "membrane", 3, (7, 11), BLUE)
    before = (image.filepath_raw, image.packed_file, image.source, image.file_format, image.name)
    paint(image, 5, 8)
    assert image.is_dirty
    labels.keep(image)
    assert not image.is_dirty
    assert (image.filepath_raw, image.packed_file, image.source, image.file_format, image.name) == before


def test_undo_leaves_the_pixels_to_the_strokes_own_undo(labels):
    """In Blender 5.2 an image whose colour space was set is read anew, without what was painted since the step."""
    image = labels.ensure_label_image("cell", "membrane", 3, (7, 11), BLUE)
    image.use_fake_user = True
    bpy.ops.ed.undo_push(message="empty")
    paint(image, 5, 8)
    labels.keep(image)
    image["tomoseg_version"] = "another"  # so that undo has something to change in the image
    bpy.context.scene.frame_current = 5
    bpy.ops.ed.undo_push(message="painted")
    bpy.ops.ed.undo()
    image = labels.find_label_image("cell", "membrane", 3)
    assert bpy.context.scene.frame_current != 5 and "tomoseg_version" not in image
    assert image.has_data and image.colorspace_settings.name == "sRGB"


def test_where_the_session_has_no_room_labels_are_packed(labels, tmp_path):
    image = labels.ensure_label_image("cell", "membrane", 3, (7, 11), BLUE)
    (tmp_path / "full").touch()
    image.filepath_raw = str(tmp_path / "full" / "label.tga")
    paint(image, 5, 8)
    labels.keep(image)
    assert not image.is_dirty and image.packed_file is not None
    assert labels.read_slice_label("cell", "membrane", 3)[5, 8] == 1


def test_reading_where_nothing_was_begun_says_so(labels, part):
    with pytest.raises(part("tomo.errors").TomosegError, match="no label yet"):
        labels.read_slice_label("cell", "membrane", 3)


def test_the_overlay_tints_the_grey_by_alpha_and_opacity(labels, corner, part, tmp_path):
    slices, geometry = part("tomoseg_blender.scene.slices"), part("tomo.geometry").Geometry((10.0, 10.0, 10.0))
    empty = part("tomoseg_blender.scene.tomogram").ensure_tomogram("cell", (5, 7, 11), geometry)
    plane = slices.show_slice(empty, "z", 3, np.full((5, 7, 11), 0.5), 0.0, 1.0)
    labels.show_label(plane, labels.write_new_label("cell", "membrane", 3, corner, BLUE), None, 0.5)
    picture = render_from_above(tmp_path / "overlay.png", plane)
    grey, tinted = picture[0, 0], picture[1, 2]
    assert grey == pytest.approx([128, 128, 128], abs=2)
    # Half of #56b4e9 and half of the grey, mixed as light.
    assert tinted == pytest.approx([109, 157, 188], abs=3)
    assert picture[6, 10] == pytest.approx([128, 128, 128], abs=2)


def render_from_above(path, plane):
    """The plane of 11 × 7 voxels, one pixel each, rendered by Cycles: [y, x, 3], the bottom row first."""
    scene = bpy.context.scene
    scene.render.engine, scene.cycles.samples, scene.cycles.pixel_filter_type = "CYCLES", 4, "BOX"
    scene.render.resolution_x, scene.render.resolution_y, scene.render.dither_intensity = 11, 7, 0.0
    scene.cycles.use_denoising = False
    scene.view_settings.view_transform = "Standard"
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.data.type, camera.data.ortho_scale = "ORTHO", 1.1
    camera.location = (0.55, 0.35, 5.0)
    scene.collection.objects.link(camera)
    scene.camera = camera
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    picture = bpy.data.images.load(str(path))
    return np.rint(np.array(picture.pixels[:]).reshape(7, 11, 4)[..., :3] * 255)
