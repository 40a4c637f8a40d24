# Figures: each label's colour where it is expected, a true scale bar, and a scene that changes nothing else.
import bpy
import numpy as np
import pytest

from tests.tomoseg_blender.figures import COLOURS, PLACES, SHAPE, SIZE, at, block, hue, hue_of, render, world


@pytest.mark.parametrize("background, plain", [("white", 1.0), ("dark", 0.08)])
def test_each_label_shows_its_own_hue_where_it_lies(figure, cell, tmp_path, background, plain):
    built, pixels = render(figure, cell, tmp_path, background=background)
    for name, (low, high) in PLACES.items():
        top = ((low[0] + high[0]) / 2, (low[1] + high[1]) / 2, high[2])
        assert hue(at(built, pixels, top)) == pytest.approx(hue_of(COLOURS[name]), abs=0.02), name
    empty_place = at(built, pixels, (50, 36, 0))
    assert empty_place[:3] == pytest.approx([plain] * 3, abs=0.03)


def test_the_top_of_a_surface_is_about_as_bright_as_its_colour(figure, cell, tmp_path):
    built, pixels = render(figure, cell, tmp_path)
    seen = at(built, pixels, (8, 6, 11))
    assert seen[:3] == pytest.approx([0x56 / 255, 0xB4 / 255, 0xE9 / 255], abs=0.12)


def test_the_scale_bar_is_as_long_as_it_says_to_the_pixel(figure, cell, tmp_path):
    built, pixels = render(figure, cell, tmp_path, 48, elevation=90.0, azimuth=0.0, outline=False, legend=False)
    # Measured in the picture: membrane and microtubule together are 54 voxels of 1 nm wide.
    row = pixels[int(built.pixels_of(world([(8, 6, 11)]))[0][1]), :, :3]
    shown = np.flatnonzero(row.min(axis=1) < 0.75)
    pixels_per_nm = (shown[-1] - shown[0] + 1) / 54
    strip = 1.0 - pixels[:16, :, 0].astype(float) ** 2.2  # the light that the bar takes away, below its words
    profile = strip.sum(axis=0)
    bar = width_at_half(profile / np.median(profile[profile > profile.max() / 2]))
    assert bar == pytest.approx(10 * pixels_per_nm, abs=1.0)
    assert any(one.name.startswith("Figure 10 nm") for one in built.scene.objects)


def width_at_half(profile):
    """The width of what rises above 0.5, its ends found between two pixels."""
    inside = np.flatnonzero(profile > 0.5)
    first, last = inside[0], inside[-1]
    before = (profile[first] - 0.5) / (profile[first] - profile[first - 1])
    after = (profile[last] - 0.5) / (profile[last] - profile[last + 1])
    return last - first + before + after


def test_the_legend_has_patches_of_exactly_the_colours(figure, cell, tmp_path):
    _, pixels = render(figure, cell, tmp_path)
    strip = np.rint(pixels[: SIZE[1] // 6, :, :3] * 255).reshape(-1, 3)
    for colour in COLOURS.values():
        wanted = [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
        assert (np.abs(strip - wanted).max(axis=1) <= 2).sum() > 20, colour


def test_nothing_of_the_tomogram_reaches_into_the_strip_of_bar_and_legend(figure, cell, part):
    settings = figure.FigureSettings(size=SIZE)
    built = figure.build_figure(cell, settings)
    parts = part("tomoseg_blender.scene.figure_parts")
    corners = parts.box_points(cell)
    built.scene.view_layers[0].update()  # measures the letters
    patches = ("Figure legend", "Figure scale bar")
    pieces = [one for one in built.scene.objects if one.type == "FONT" or one.name.startswith(patches)]
    tops = np.concatenate([parts.mesh_points(one) for one in pieces])
    assert len(pieces) == 8
    assert built.pixels_of(tops)[:, 1].max() < built.pixels_of(corners)[:, 1].min()


def test_the_slice_plane_shows_its_greys_as_written(figure, cell, part, tmp_path):
    data = np.zeros(SHAPE, np.float32)
    data[0, 20:, :] = 0.75
    part("tomoseg_blender.scene.slices").show_slice(cell, "z", 0, data, 0.0, 1.0)
    built, pixels = render(figure, cell, tmp_path, slice_axis="z")
    assert at(built, pixels, (50, 36, 0.5))[:3] == pytest.approx([0.75] * 3, abs=0.02)
    assert at(built, pixels, (30, 4, 0.5))[:3] == pytest.approx([0.0] * 3, abs=0.02)


@pytest.mark.parametrize("preset", ["overview", "cut_open"])
def test_what_is_painted_on_the_slice_is_not_in_the_figure(figure, cell, part, tmp_path, preset):
    plane = part("tomoseg_blender.scene.slices").show_slice(cell, "z", 0, np.full(SHAPE, 0.75, np.float32), 0.0, 1.0)
    paint = bpy.data.images.new("paint", SHAPE[2], SHAPE[1])
    paint.pixels.foreach_set(np.tile(np.float32([1, 0, 0, 1]), SHAPE[1] * SHAPE[2]))
    materials = part("tomoseg_blender.scene.materials")
    materials.set_overlay(plane.active_material, "Label", paint)
    built, pixels = render(figure, cell, tmp_path, slice_axis="z", preset=preset)
    assert at(built, pixels, (50, 36, 0.5))[:3] == pytest.approx([0.75] * 3, abs=0.02)
    assert materials.overlay_image(plane.active_material, "Label") == paint, "the person still sees it"


def test_objects_stand_on_the_slice_which_is_darker_right_there(figure, cell, part, tmp_path):
    part("tomoseg_blender.scene.slices").show_slice(cell, "z", 0, np.full(SHAPE, 0.75, np.float32), 0.0, 1.0)
    meshes = part("tomoseg_blender.scene.meshes")
    meshes.show_surface(*block((2, 2, 0.6), (14, 10, 11)), cell, "membrane", COLOURS["membrane"])
    built, pixels = render(figure, cell, tmp_path, 16, slice_axis="z", azimuth=0.0)
    foot, near, far = (at(built, pixels, (8, y, 0.5))[0] for y in (1.7, 1.0, -0.01))
    assert at(built, pixels, (50, 36, 0.5))[0] == pytest.approx(0.75, abs=0.02), "far from all it is as it was"
    assert foot < 0.62 and foot < near, (foot, near, far)
    own = part("tomoseg_blender.scene.slices").find_plane(cell, "z").active_material
    assert "AMBIENT_OCCLUSION" not in {node.type for node in own.node_tree.nodes}, "the person's slice is left alone"


def test_creases_are_darker_and_keep_the_hue(figure, cell, part, tmp_path):
    """Two blocks of one label side by side: the gap between them is dark, their tops are not."""
    meshes = part("tomoseg_blender.scene.meshes")
    vertices, faces = block((40, 4, 2), (47, 12, 10))
    more, _ = block((48.2, 4, 2), (56, 12, 10))
    both = np.concatenate([vertices, more]), np.concatenate([faces, faces + 8])
    meshes.show_surface(*both, cell, "microtubule", COLOURS["microtubule"])
    built, pixels = render(figure, cell, tmp_path, 16, azimuth=20.0, outline=False)
    top = at(built, pixels, (44, 8, 10))
    gap = at(built, pixels, (47, 8, 8))  # on the first block's wall, seen past the edge of the second
    assert hue(top) == pytest.approx(hue_of(COLOURS["microtubule"]), abs=0.02)
    assert hue(gap) == pytest.approx(hue_of(COLOURS["microtubule"]), abs=0.03)
    assert max(gap[:3]) < 0.75 * max(top[:3])


def test_the_cut_takes_away_what_lies_before_it(figure, cell, tmp_path):
    whole, pixels = render(figure, cell, tmp_path, preset="cut_open", cut_axis="z", cut_position=0.5, outline=False)
    inside = at(whole, pixels, (8, 6, 6))  # the cut of the membrane's block
    assert hue(inside) == pytest.approx(hue_of(COLOURS["membrane"]), abs=0.02)
    top_edge = at(whole, pixels, (8, 9.8, 10.8))  # was the block's far upper edge
    assert top_edge[:3] == pytest.approx([1.0] * 3, abs=0.03)


def test_surfaces_without_a_material_or_with_one_rebuilt_by_hand_are_cut_too(figure, cell, part):
    meshes = part("tomoseg_blender.scene.meshes")
    meshes.find_surface(cell, "carbon").data.materials.clear()
    meshes.find_surface(cell, "membrane").active_material.node_tree.nodes.clear()
    built = figure.build_figure(cell, figure.FigureSettings(preset="cut_open"))
    cut = {name: shown.active_material.name for name, _, shown in built.shown}
    assert cut == {name: f"Feature {name} cut" for name in COLOURS}


def test_a_single_feature_stands_alone(figure, cell, tmp_path):
    built, pixels = render(figure, cell, tmp_path, preset="single", features=("carbon",), transparent=True)
    assert [name for name, _, _ in built.shown] == ["carbon"]
    assert at(built, pixels, (12, 31, 9))[3] == pytest.approx(1.0, abs=0.02)
    assert at(built, pixels, (50, 8, 5))[3] == 0.0


def test_a_figure_changes_nothing_in_the_persons_scene(figure, cell, part):
    meshes = part("tomoseg_blender.scene.meshes")
    meshes.find_surface(cell, "carbon").hide_render = True
    scene = bpy.context.scene
    before = (set(scene.objects), scene.camera, scene.world, scene.render.engine, set(bpy.data.scenes))
    materials = [surface.active_material for surface in meshes.surfaces(cell)]
    first = figure.build_figure(cell, figure.FigureSettings(preset="cut_open"))
    assert [name for name, _, _ in first.shown] == ["membrane", "microtubule"]
    figure.build_figure(cell, figure.FigureSettings())
    after = (set(scene.objects), scene.camera, scene.world, scene.render.engine)
    assert bpy.context.scene == scene and after == before[:4]
    assert [surface.active_material for surface in meshes.surfaces(cell)] == materials
    assert len(bpy.data.scenes) == 2  # the second figure took the first one's place


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"preset": "single"}, "choose one feature"),
        ({"features": ("nucleus",)}, "no surface of nucleus in cell"),
        ({"preset": "upside down"}, "no preset 'upside down': choose one of overview, cut_open, single"),
        ({"slice_axis": "y"}, "No slice along y is shown"),
        ({"size": (8, 8)}, "8 × 8 pixels"),
        ({"elevation": 120.0}, "elevation of 120°: choose -90"),
        ({"use_volumes": True}, "nothing to show"),
    ],
)
def test_what_cannot_be_shown_is_said_and_nothing_is_built(figure, cell, part, settings, words):
    with pytest.raises(part("tomo.errors").TomosegError, match=words):
        figure.build_figure(cell, figure.FigureSettings(**settings))
    assert len(bpy.data.scenes) == 1


def test_a_scale_bar_needs_a_voxel_size(figure, part):
    geometry = part("tomo.geometry").Geometry((1.0, 1.0, 1.0))
    empty = part("tomoseg_blender.scene.tomogram").ensure_tomogram("unknown", SHAPE, geometry)
    part("tomoseg_blender.scene.meshes").show_surface(*block((2, 2, 1), (14, 10, 11)), empty, "membrane", "#56b4e9")
    with pytest.raises(part("tomo.errors").TomosegError, match="voxel size of unknown is unknown"):
        figure.build_figure(empty, figure.FigureSettings())
    assert figure.build_figure(empty, figure.FigureSettings(scale_bar=False)).shown


def test_an_unwritable_folder_is_named(figure, cell, part, tmp_path):
    (tmp_path / "file").write_text("in the way")
    built = figure.build_figure(cell, figure.FigureSettings(size=(64, 64)))
    with pytest.raises(part("tomo.errors").TomosegError, match=r"figure\.png"):
        figure.render_figure(built, tmp_path / "file" / "figure.png", 1)
