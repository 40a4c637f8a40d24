"""Looking at a tomogram: the slider, slices along y and x, variants that keep place and contrast."""

import os
from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from mathutils import Matrix, Quaternion, Vector


def shown(part, axis: str) -> np.ndarray:
    """The greys [row, column] that the plane along `axis` shows, 0 to 1."""
    plane = part("tomoseg_blender.scene.slices").find_plane(
        part("tomoseg_blender.scene.tomogram").find_tomogram("cell"), axis
    )
    image = part("tomoseg_blender.scene.slices").shown_image(plane)
    pixels = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(pixels)
    return pixels.reshape(image.size[1], image.size[0], 4)[..., 0]


def test_the_slider_goes_from_the_first_slice_to_the_last_and_follows_the_arrows(project):
    group = bpy.context.scene.tomoseg
    item = group.tomograms["cell"]
    group.slice_position = 100.0
    assert item.slice_z == 8
    group.slice_position = 50.0
    assert item.slice_z == 4
    bpy.ops.tomoseg.slice_step(step=-2)
    assert group.slice_position == pytest.approx(25.0)
    group.axis = "x"
    group.slice_position = 0.0
    assert (item.slice_x, item.slice_z) == (0, 2)


def test_slices_across_a_large_tomogram_come_from_a_copy_in_the_project(project, part, monkeypatch):
    sections = part("tomoseg_blender.sections")
    monkeypatch.setattr(sections, "LARGEST", 5 * 14 * 19)  # of 9 × 40 × 56: three voxels become one
    group = bpy.context.scene.tomoseg
    item = group.tomograms["cell"]
    group.axis = "x"
    item.slice_x = 31
    copy = np.load(project / "views" / "cell_bin3.npy")
    data = part("tomoseg_blender.viewing").data_of(bpy.context.scene, "cell").data
    assert copy.shape == (3, 14, 19)
    assert copy[1, 2, 10] == pytest.approx(float(data[3:6, 6:9, 30:33].mean()), abs=1e-4)
    assert copy[2, 13, 18] == pytest.approx(float(data[6:9, 39:40, 54:56].mean()), abs=1e-4), "blocks cut at the edge"
    assert shown(part, "x").shape == (3, 14)
    expected = np.clip((copy[:, :, 10] - item.low) / (item.high - item.low), 0, 1)
    assert shown(part, "x") == pytest.approx(expected, abs=0.003)
    assert [path.name for path in (project / "views").iterdir()] == ["cell_bin3.npy"], "nothing half-written is left"


def test_a_copy_older_than_its_tomogram_is_made_again(project, part, monkeypatch):
    monkeypatch.setattr(part("tomoseg_blender.sections"), "LARGEST", 5 * 14 * 19)
    group = bpy.context.scene.tomoseg
    group.axis = "y"
    group.tomograms["cell"].slice_y = 20
    copy = project / "views" / "cell_bin3.npy"
    wrong = np.zeros_like(np.load(copy))
    np.save(copy, wrong)
    os.utime(copy, (0, 0))
    group.tomograms["cell"].slice_y = 21
    assert np.load(copy).any()


def test_until_there_is_a_copy_a_window_shows_every_nth_voxel_and_makes_it_piece_by_piece(project, part, monkeypatch):
    sections, viewing = part("tomoseg_blender.sections"), part("tomoseg_blender.viewing")
    monkeypatch.setattr(sections, "LARGEST", 5 * 14 * 19)
    monkeypatch.setattr(sections, "TICK_SECONDS", 0.0)
    data = viewing.data_of(bpy.context.scene, "cell").data
    assert sections.sampled(data)[2, 3, 4] == data[6, 9, 12]
    maker = sections.Maker()
    maker.ask(project, "cell", data)
    maker.ask(project, "cell", data)
    assert maker.wants("cell") and not maker.wants("other")
    assert not (project / "views" / "cell_bin3.npy").exists()
    monkeypatch.setattr(sections, "TICK_SECONDS", 60.0)
    assert maker.work() is True and maker.work() is None
    assert (project / "views" / "cell_bin3.npy").is_file()


def test_a_project_that_went_away_is_not_made_anew_for_a_copy(project, part, tmp_path):
    data = part("tomoseg_blender.viewing").data_of(bpy.context.scene, "cell").data
    maker = part("tomoseg_blender.sections").Maker()
    maker.ask(project, "cell", data)
    project.rename(tmp_path / "moved")
    with pytest.raises(part("tomo.errors").TomosegError, match=r"The project folder .* is gone: put it back"):
        maker.work()
    assert not project.exists() and maker.work() is None


@pytest.mark.parametrize(("shape", "factor"), [((9, 40, 56), 1), ((256, 512, 512), 1), ((1024, 4096, 4096), 7)])
def test_small_tomograms_need_no_copy(part, shape, factor):
    assert part("tomoseg_blender.sections").factor_of(shape) == factor


def test_a_variant_is_looked_at_at_the_same_place_with_the_same_contrast(project, part, tomogram_file):
    data = part("tomo.mrc").open_tomogram(tomogram_file).data
    place = tomogram_file.with_name("cell_denoised.mrc")
    part("tomo.mrc").write_mrc(
        place,
        (100 * np.asarray(data) + 7)[:8, ::2, ::2][::2],
        part("tomo.geometry").Geometry((20.0, 20.0, 20.0), (120.0, -30.0, 50.0)),
    )
    place = place.rename(place.with_name("cell_bin2.mrc"))
    bpy.ops.tomoseg.import_tomogram(filepath=str(place))
    group = bpy.context.scene.tomoseg
    item, other = group.tomograms["cell"], group.tomograms["cell_bin2"]
    item.slice_z, item.slice_y, item.slice_x, item.invert, item.thickness = 5, 31, 44, True, 3
    viewing = part("tomoseg_blender.viewing")
    automatic = viewing.automatic_window(viewing.data_of(bpy.context.scene, "cell").data[5])
    item.low, item.high = automatic[0] + 0.1 * (automatic[1] - automatic[0]), automatic[1]
    bpy.ops.tomoseg.next_variant()
    other = group.tomograms["cell_bin2"]
    assert (other.slice_z, other.slice_y, other.slice_x, other.invert, other.thickness) == (2, 15, 22, True, 3)
    own = viewing.automatic_window(viewing.data_of(bpy.context.scene, "cell_bin2").data[2])
    assert other.low == pytest.approx(own[0] + 0.1 * (own[1] - own[0]), rel=1e-3)
    assert other.high == pytest.approx(own[1], rel=1e-3)


def test_boxes_that_somebody_else_adds_are_kept_and_shown_and_deleted_ones_stay_deleted(project, part):
    """As an import from EMAN2 in the worker, while a person goes on placing boxes."""
    bpy.ops.tomoseg.add_box(location=(20, 20, 3), kind="positive", size=12)
    project_of, box_of = part("tomo.project").Project.open(project), part("tomo.boxes").Box
    project_of.save_boxes([*project_of.boxes(), box_of("cell", "bar", "positive", (40, 20, 3), 12)])
    bpy.ops.tomoseg.add_box(location=(30, 25, 4), kind="negative", size=12)
    assert sorted(box.centre for box in project_of.boxes()) == [(20, 20, 3), (30, 25, 4), (40, 20, 3)]
    part("tomoseg_blender.handlers").save_all()
    boxes = part("tomoseg_blender.scene.boxes")
    assert sorted(box.centre for box in boxes.scene_boxes()) == [(20, 20, 3), (30, 25, 4), (40, 20, 3)]
    gone = next(box for box in project_of.boxes() if box.centre == (40, 20, 3))
    bpy.ops.tomoseg.delete_box(box=gone.id)
    part("tomoseg_blender.handlers").save_all()
    assert sorted(box.centre for box in project_of.boxes()) == [(20, 20, 3), (30, 25, 4)]


def test_a_box_moved_by_blender_without_a_window_comes_to_lie_on_whole_voxels(project, part):
    bpy.ops.tomoseg.add_box(location=(20, 20, 3), kind="positive", size=12)
    (box,) = part("tomoseg_blender.scene.boxes").box_objects()
    bpy.context.view_layer.objects.active = box
    box.select_set(True)
    bpy.ops.transform.translate(value=(0.33, 0.0, 0.04))  # 3.3 and 0.4 voxels of 10 Å
    assert tuple(box.location) == pytest.approx((23, 20, 3.5))
    (saved,) = part("tomo.project").Project.open(project).boxes()
    assert saved.centre == (23, 20, 3)


def view_of(turn, empty, shape):
    """(region, region_3d) of an orthographic view, 100 × 100 pixels of a voxel each, on the tomogram's middle."""
    middle = empty.matrix_world @ Vector([side / 2 for side in reversed(shape)])
    view = (Matrix.Translation(middle) @ Quaternion(turn).to_matrix().to_4x4()).inverted()
    half = 50 * empty.matrix_world.to_scale().x
    scale = Matrix.Diagonal((1 / half, 1 / half, -1e-3, 1))
    region = SimpleNamespace(width=100, height=100)
    kind = {"is_perspective": False, "view_perspective": "ORTHO"}
    return region, SimpleNamespace(view_matrix=view, perspective_matrix=scale @ view, **kind)


@pytest.mark.parametrize(
    ("axis", "expected"), [("z", (28 + 10, 20 + 3, 6)), ("y", (28 + 10, 11, 4 + 3)), ("x", (7, 20 + 10, 4 + 3))]
)
def test_the_voxel_under_the_mouse_is_that_of_the_slice_one_looks_on(project, part, axis, expected):
    """10 pixels to the right of the middle and 3 above it; x and y point to the right, y or z upwards."""
    scene, shape = bpy.context.scene, (9, 40, 56)
    item = scene.tomoseg.tomograms["cell"]
    item.slice_z, item.slice_y, item.slice_x = 6, 11, 7
    scene.tomoseg.axis = axis
    empty = part("tomoseg_blender.scene.tomogram").find_tomogram("cell")
    bpy.context.view_layer.update()
    region, region_3d = view_of(part("tomoseg_blender.viewing").TURNS[axis], empty, shape)
    under = part("tomoseg_blender.aiming").voxel_under
    assert under(scene, region, region_3d, (60.4, 53.4)) == expected
    assert under(scene, region, region_3d, (99, 99)) is None, "beside the slice"
    value = part("tomo.mrc").open_tomogram(project / "tomograms" / "cell.mrc").data[expected[::-1]]
    assert part("tomoseg_blender.canvas").readout(scene, expected).endswith(f"value {value:.4g}")


def test_where_one_looks_along_the_chosen_slice_the_z_slice_counts(project, part):
    scene = bpy.context.scene
    scene.tomoseg.axis = "y"
    empty = part("tomoseg_blender.scene.tomogram").find_tomogram("cell")
    bpy.context.view_layer.update()
    region, region_3d = view_of(part("tomoseg_blender.viewing").TURNS["z"], empty, (9, 40, 56))
    found = part("tomoseg_blender.aiming").voxel_under(scene, region, region_3d, (50.4, 50.4))
    assert found == (28, 20, scene.tomoseg.tomograms["cell"].slice_z)


def test_values_on_the_graphics_card_are_those_of_the_shown_slice_or_none(part, monkeypatch, capsys):
    """Background mode has no graphics card, like one that refuses: Blender's own image is shown in full then."""
    held, texture = part("tomoseg_blender.slice_texture"), part("tomoseg_blender.slice_texture")._HELD
    monkeypatch.setattr(texture, "refused", False)
    held.put(("cell", 3, 1), np.arange(12, dtype=np.int8).reshape(3, 4))
    assert held.is_held() and held.texture_of(("cell", 4, 1)) is None and held.texture_of(("other", 3, 1)) is None
    assert texture.values.dtype == np.float32 and held.is_held() and not texture.refused
    assert held.texture_of(("cell", 3, 1)) is None and texture.refused and not held.is_held()
    assert "shown by Blender itself" in capsys.readouterr().out
    held.put(("cell", 3, 1), np.zeros((3, 4)))
    held.drop()
    assert not held.is_held() and not held.serves((5000, 5000))


def test_the_graphics_card_is_told_the_same_greys_as_the_image(part):
    pixels = part("tomoseg_blender.scene.slice_pixels")
    values = np.array([[-70, -60, -3, 0, 69.9, 70, 71]], np.float32)
    factor, addend = pixels.grey_steps(-60.0, 70.0)
    steps = np.floor(np.clip(values * np.float32(factor) + np.float32(addend), 0, 255))
    assert np.array_equal(np.round(255 * pixels.grey_pixels(values, -60.0, 70.0, False)[::4]), steps[0])
    assert pixels.grey_steps(5.0, 5.0) == (0.0, 0.5)


def test_a_slice_that_stands_still_is_sharpened_without_filling_its_image_again(project, part, monkeypatch):
    viewing, held = part("tomoseg_blender.viewing"), part("tomoseg_blender.slice_texture")
    slices, scene, filled, put = part("tomoseg_blender.scene.slices"), bpy.context.scene, [], []
    show = slices.show_slice
    monkeypatch.setattr(slices, "show_slice", lambda *args, **how: (filled.append(args[2]), show(*args, **how))[1])
    monkeypatch.setattr(held, "put", lambda key, pixels: put.append((key, pixels.shape)))
    item = scene.tomoseg.tomograms["cell"]
    item.slice_z = 4
    filled.clear()
    monkeypatch.setattr(held, "serves", lambda shape: True)
    viewing.sharpen()
    assert put == [(("cell", 4, 1), tuple(item.shape)[1:])] and not filled
    monkeypatch.setattr(held, "serves", lambda shape: False)
    viewing.sharpen()
    assert len(put) == 1 and filled == [4]
