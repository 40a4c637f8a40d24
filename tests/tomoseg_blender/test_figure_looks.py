"""What gives a figure depth: silhouettes, haze, shadows on the slice, also where it is cut open; colours stay true."""

import bpy
import numpy as np
import pytest

from tests.tomoseg_blender.figures import COLOURS, PLACES, SHAPE, SIZE, at, block, hue, hue_of, render, world

GREY = 0.75


@pytest.fixture
def slice_shown(cell, part):
    """The lowest slice, of one grey, and the membrane's block standing on it."""
    part("tomoseg_blender.scene.slices").show_slice(cell, "z", 0, np.full(SHAPE, GREY, np.float32), 0.0, 1.0)
    standing = block((2, 2, 0.6), (14, 10, 11))
    part("tomoseg_blender.scene.meshes").show_surface(*standing, cell, "membrane", COLOURS["membrane"])


def test_dark_lines_run_along_the_rims_of_surfaces_only(figure, cell, tmp_path):
    low, high = PLACES["carbon"]
    rim = (low[0], (low[1] + high[1]) / 2, high[2])
    top = ((low[0] + high[0]) / 2, (low[1] + high[1]) / 2, high[2])
    across = {}
    for silhouettes in (False, True):
        view = {"elevation": 90.0, "azimuth": 0.0, "outline": False, "silhouettes": silhouettes}
        built, pixels = render(figure, cell, tmp_path, 16, **view)
        x, y = built.pixels_of(world([rim]))[0]
        across[silhouettes] = pixels[int(y), int(x) - 2 : int(x) + 3, 1].mean()  # from the white to the surface
        assert hue(at(built, pixels, top)) == pytest.approx(hue_of(COLOURS["carbon"]), abs=0.02)
    assert across[True] < across[False] - 0.04, across


def test_a_line_is_drawn_before_another_surface_too(figure, cell, part, tmp_path):
    """A block in front of a wall of the same label: no line without silhouettes, a dark one with them."""
    wall, faces = block((40, 20, 0), (58, 22, 12))
    front, _ = block((46, 10, 3), (52, 12, 9))
    both = np.concatenate([wall, front]), np.concatenate([faces, faces + 8])
    part("tomoseg_blender.scene.meshes").show_surface(*both, cell, "microtubule", COLOURS["microtubule"])
    found = {}
    for silhouettes in (False, True):
        view = {"elevation": 0.0, "azimuth": 0.0, "outline": False, "silhouettes": silhouettes}
        built, pixels = render(figure, cell, tmp_path, 16, **view)
        x, y = built.pixels_of(world([(46, 10, 6)]))[0]
        found[silhouettes] = pixels[int(y), int(x) - 2 : int(x) + 3, 0].min()
    assert found[True] < 0.85 * found[False], found


def test_haze_makes_far_things_paler_and_leaves_their_hue_and_what_is_near(figure, cell, tmp_path):
    near, far = PLACES["membrane"], PLACES["carbon"]
    view = {"azimuth": 0.0, "outline": False, "silhouettes": False}
    seen = {}
    for haze in (0.0, 0.7):
        built, pixels = render(figure, cell, tmp_path, 16, haze=haze, **view)
        tops = [((low[0] + high[0]) / 2, (low[1] + high[1]) / 2, high[2]) for low, high in (near, far)]
        seen[haze] = [at(built, pixels, top)[:3] for top in tops]
    assert seen[0.7][0] == pytest.approx(seen[0.0][0], abs=0.03)
    assert seen[0.7][1].min() > seen[0.0][1].min() + 0.15
    assert hue(seen[0.7][1]) == pytest.approx(hue_of(COLOURS["carbon"]), abs=0.05)


def test_a_haze_that_is_none_is_refused(figure, cell, part):
    with pytest.raises(part("tomo.errors").TomosegError, match="haze of 2: choose 0"):
        figure.build_figure(cell, figure.FigureSettings(haze=2.0))


@pytest.mark.usefixtures("volumes_in_cycles")
def test_beside_a_volume_the_slice_is_as_written(figure, cell, part, tmp_path):
    """Volumes are kept in blocks of 8 voxels, which the renderer meets as if they were objects."""
    part("tomoseg_blender.scene.slices").show_slice(cell, "z", 0, np.full(SHAPE, GREY, np.float32), 0.0, 1.0)
    label = np.zeros(SHAPE, np.int8)
    label[0:8, 14:20, 14:20] = 1
    path = tmp_path / "a.vdb"
    geometry = part("tomoseg_blender.scene.tomogram").geometry_of(cell)
    part("tomoseg_blender.scene.vdb").write_label_vdb(label, {1: ("cube", path)}, geometry)
    part("tomoseg_blender.scene.volumes").import_volume(path, cell, "cube", "#e69f00")
    built, pixels = render(figure, cell, tmp_path, 8, slice_axis="z", use_volumes=True, azimuth=0.0)
    for beside in ((24, 17, 0.5), (10, 17, 0.5), (17, 9, 0.5)):
        assert at(built, pixels, beside)[:3] == pytest.approx([GREY] * 3, abs=0.01), beside


def test_surfaces_are_darker_where_they_stand_on_a_slice(figure, cell, slice_shown, tmp_path):
    feet = {}
    for axis in ("", "z"):
        view = {"slice_axis": axis, "azimuth": 0.0, "silhouettes": False, "elevation": 20.0}
        built, pixels = render(figure, cell, tmp_path, 16, **view)
        feet[axis] = at(built, pixels, (8, 2, 1.6))[:3]
    assert feet["z"][2] < feet[""][2] - 0.02, feet
    assert hue(feet["z"]) == pytest.approx(hue_of(COLOURS["membrane"]), abs=0.02)


@pytest.mark.parametrize("preset", ["overview", "cut_open"])
def test_the_slice_is_darker_on_the_side_away_from_the_light_and_as_written_elsewhere(
    figure, cell, slice_shown, tmp_path, preset
):
    built, pixels = render(figure, cell, tmp_path, 16, slice_axis="z", azimuth=0.0, preset=preset, cut_position=0.9)
    # The key light comes from the upper left: its shadow falls to the right of the block, and before it.
    lit, shaded = at(built, pixels, (0.6, 6, 0.5))[0], at(built, pixels, (15.4, 6, 0.5))[0]
    assert shaded < lit - 0.025, (shaded, lit)
    assert at(built, pixels, (15.0, 6, 0.5))[0] < GREY - 0.1, "there is contact"
    for far in ((50, 36, 0.5), (40, 36, 0.5), (30, 25, 0.5)):
        assert at(built, pixels, far)[:3] == pytest.approx([GREY] * 3, abs=0.005), far


def test_what_is_cut_away_shades_nothing_and_the_cut_can_be_moved(figure, cell, slice_shown, tmp_path):
    """The block stands on the slice and is cut away just above it: the slice beside it is as written."""
    built = figure.build_figure(
        cell, figure.FigureSettings(size=SIZE, preset="cut_open", slice_axis="z", azimuth=0.0, cut_position=0.5)
    )
    membrane = next(shown for name, _, shown in built.shown if name == "membrane")
    cut = next(one for one in built.scene.objects if one.name.startswith("Figure cut"))
    corners = {}
    for height in (6.0, 0.55):
        cut.location.z = height
        layer = built.scene.view_layers[0]
        layer.update()
        evaluated = membrane.evaluated_get(layer.depsgraph)
        corners[height] = len(evaluated.data.polygons)
    assert corners[6.0] == 10 and corners[0.55] == 0, "of 12 triangles the top's go, then all"
    path = tmp_path / "cut.png"
    figure.render_figure(built, path, 8)
    picture = bpy.data.images.load(str(path))
    pixels = np.array(picture.pixels[:]).reshape(SIZE[1], SIZE[0], 4)
    assert at(built, pixels, (15.0, 6, 0.5))[:3] == pytest.approx([GREY] * 3, abs=0.02)


def test_a_figure_made_again_leaves_no_nodes_of_the_one_before(figure, cell):
    for _ in range(2):
        figure.build_figure(cell, figure.FigureSettings(preset="cut_open"))
    assert len([one for one in bpy.data.node_groups if one.name.startswith("Figure cut")]) == 1
    figure.build_figure(cell, figure.FigureSettings())
    assert not [one for one in bpy.data.node_groups if one.name.startswith("Figure cut")]


@pytest.mark.parametrize("background, plain", [("white", 255), ("dark", 18)])
def test_bar_and_legend_stay_legible_where_a_close_view_fills_the_picture(figure, cell, part, background, plain):
    """In a film's close view everything that is not letters, patches or bar in the strip is plain background."""
    film = part("tomoseg_blender.scene.film")
    settings = figure.FigureSettings(size=SIZE, background=background, transparent=True)
    built = figure.build_figure(cell, settings)
    view = film.View("near", (0.8, 2.6, 1.1), (1.0, 0.0, 0.0, 0.0), 0.6)  # all of it shows the membrane's top
    film.key_frames(built, cell, film.way(built, film.film_points(built, cell), [view, view], 2))
    pixels = film_frame(built, figure)
    above = pixels[built.strip + 3 : built.strip + 40, :, :3].reshape(-1, 3)
    assert np.ptp(above.astype(float), axis=1).min() > 40, "the surface fills the picture"
    strip = pixels[: built.strip - 2, :, :3].astype(int)
    quiet = np.median(strip, axis=(0, 1))
    plain_share = (np.abs(strip - quiet).max(axis=2) <= 6).mean()
    assert quiet[0] == pytest.approx(plain, abs=2)
    assert plain_share > 0.75, plain_share
    for colour in COLOURS.values():
        wanted = [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
        assert (np.abs(strip - wanted).max(axis=2) <= 4).sum() > 20, colour


def film_frame(built, figure):
    """The first frame of a keyed film as a picture, bytes [y, x, 4] from the lower left."""
    built.scene.frame_set(1)
    built.scene.render.film_transparent = False
    figure.set_quality(built.scene, 16)
    path = bpy.app.tempdir + "frame.png"
    built.scene.render.filepath = path
    bpy.ops.render.render(write_still=True, scene=built.scene.name)
    picture = bpy.data.images.load(path)
    pixels = np.rint(np.array(picture.pixels[:]) * 255).reshape(SIZE[1], SIZE[0], 4).astype(np.uint8)
    bpy.data.images.remove(picture)
    return pixels


def test_the_figure_is_seen_from_where_the_options_say(figure, cell, part):
    directions = part("tomoseg_blender.scene.framing").directions
    plain = figure.build_figure(cell, figure.FigureSettings(size=SIZE)).frame
    turned = figure.build_figure(cell, figure.FigureSettings(size=SIZE, elevation=10.0, turn=90.0)).frame
    assert turned.towards == pytest.approx(directions(10.0, part("tomoseg_blender.scene.framing").AZIMUTH + 90.0)[2])
    assert plain.towards @ turned.right == pytest.approx(-np.cos(np.radians(42.0))), "to the right of where it was"


def test_eevee_draws_volumes_as_fine_as_memory_allows_and_with_shadows(figure, cell, part):
    stage = part("tomoseg_blender.scene.figure_stage")
    tiles = {}
    for size in ((320, 240), (4000, 3000)):
        eevee = figure.build_figure(cell, figure.FigureSettings(size=size, engine="eevee")).scene.eevee
        tiles[size] = int(eevee.volumetric_tile_size)
        cells = size[0] * size[1] * eevee.volumetric_samples / tiles[size] ** 2
        assert eevee.use_shadows and cells <= stage.MOST_VOLUME_CELLS
    assert tiles[320, 240] <= 2 < tiles[4000, 3000]
