# Films of a figure: as many frames as asked for, of the size asked for, with what each of them must show.
import bpy
import numpy as np
import pytest

SHAPE = (12, 40, 60)
LOW, HIGH = np.array((2, 2, 1)), np.array((14, 10, 11))
SIZE = (96, 64)


@pytest.fixture
def film(part):
    return part("tomoseg_blender.scene.film")


@pytest.fixture
def figure(part):
    return part("tomoseg_blender.scene.figure")


@pytest.fixture
def cell(part):
    """A tomogram of 60 × 40 × 12 voxels of 10 Å with one block, in the corner at x, y, z = 0."""
    geometry = part("tomo.geometry").Geometry((10.0, 10.0, 10.0))
    empty = part("tomoseg_blender.scene.tomogram").ensure_tomogram("cell", SHAPE, geometry)
    corner = np.array([[x, y, z] for z in (0, 1) for y in (0, 1) for x in (0, 1)], np.float32)
    faces = np.array([int(digit) for digit in "023031457476015054267273046062137175"], np.int32).reshape(-1, 3)
    vertices = (LOW + corner * (HIGH - LOW)).astype(np.float32)
    part("tomoseg_blender.scene.meshes").show_surface(vertices, faces, empty, "membrane", "#56b4e9")
    return empty


@pytest.fixture
def built(figure, cell):
    return figure.build_figure(cell, figure.FigureSettings(size=SIZE))


def keyed(built, film, cell, frames):
    """For each frame: the frame, and a function that gives an object as Blender renders it there."""
    film.key_frames(built, cell, frames)
    layer = built.scene.view_layers[0]
    for number, frame in enumerate(frames, 1):
        built.scene.frame_set(number)
        layer.update()
        yield frame, lambda one: one.evaluated_get(layer.depsgraph)


def test_a_turntable_goes_round_once_and_always_shows_all(built, film, cell):
    points = film.film_points(built, cell)
    frames = film.turntable(built, points, 30.0, 0.0, 8)
    towards = np.array([frame.towards for frame in frames])
    assert np.allclose(towards[0], -towards[4] * (1, 1, -1)), "half way round the camera stands opposite"
    assert len({round(frame.width, 6) for frame in frames}) == 1
    for frame in frames:
        from_middle = (points - frame.middle) @ np.stack([frame.right, frame.up], axis=1) / frame.pixel
        seen = from_middle + np.array(SIZE) / 2
        assert (seen[:, 0] > 0).all() and (seen[:, 0] < SIZE[0]).all()
        assert (seen[:, 1] > built.strip).all() and (seen[:, 1] < SIZE[1]).all()


def test_the_camera_follows_the_frames_and_no_edge_crosses_the_objects(built, film, cell, part):
    frames = film.turntable(built, film.film_points(built, cell), 30.0, 0.0, 6)
    corners = part("tomoseg_blender.scene.figure_parts").box_points(cell)
    for frame, seen in keyed(built, film, cell, frames):
        matrix = seen(built.scene.camera).matrix_world
        assert np.allclose(np.array(matrix.to_3x3())[:, 2], frame.towards, atol=1e-4)
        assert np.allclose((frame.middle - np.array(matrix.translation)) @ frame.right, 0, atol=1e-4)
        nearest = int(np.argmax(corners @ frame.towards))
        hidden = [edge.corners for edge in built.edges if seen(edge.shown).hide_render]
        assert len(hidden) == 3 and all(nearest in ends for ends in hidden)


def test_the_scale_bar_stays_true_where_a_film_zooms(built, film, cell):
    turn = (1.0, 0.0, 0.0, 0.0)
    views = [film.View("far", (3, 2, 0.6), turn, 12.0), film.View("near", (1, 1, 0.6), turn, 1.5)]
    frames = film.way(built, film.film_points(built, cell), views, 5)
    assert [round(frame.width, 4) for frame in frames[::4]] == [12.0, 1.5]
    lengths = []
    for frame, seen in keyed(built, film, cell, frames):
        shown = [one for one in built.scene.objects if not seen(one).hide_render]
        (bar,) = [one for one in shown if one.name.startswith("Figure scale bar")]
        (words,) = [one for one in shown if one.type == "FONT" and one.data.body.endswith(" nm")]
        nanometres = float(words.data.body.removesuffix(" nm"))
        pixel = seen(built.sheet.holder).scale.x
        assert seen(bar).scale.x * pixel == pytest.approx(nanometres * 0.1, rel=1e-4), "1 nm is 0.1 Blender units"
        assert pixel * SIZE[0] == pytest.approx(frame.width, rel=1e-4)
        lengths.append(nanometres)
    assert lengths[0] > lengths[-1] and sorted(lengths, reverse=True) == lengths


def test_lines_and_box_are_as_thin_in_a_close_view_as_in_a_wide_one(built, film, cell):
    turn = (1.0, 0.0, 0.0, 0.0)
    views = [film.View("far", (3, 2, 0.6), turn, 12.0), film.View("near", (1, 1, 0.6), turn, 1.5)]
    (line,) = [one for one in built.scene.objects if one.name.startswith("Figure line")]
    in_pixels = set()
    for frame, seen in keyed(built, film, cell, film.way(built, film.film_points(built, cell), views, 5)):
        lines = seen(line).modifiers["Figure line"].strength * 0.1 / frame.pixel  # a voxel is 0.1 Blender units
        box = 2 * seen(built.edges[0].shown).data.bevel_depth / frame.pixel
        in_pixels.add((round(lines, 3), round(box, 3)))
    assert in_pixels == {(1.0, round(1.6 * SIZE[0] / 1200, 3))}


def test_one_view_makes_no_film(built, film, cell, part):
    view = film.View("only", (0, 0, 0), (1, 0, 0, 0), 5.0)
    with pytest.raises(part("tomo.errors").TomosegError, match="two of them at least"):
        film.way(built, film.film_points(built, cell), [view], 5)


def test_the_film_has_the_frames_and_the_size_that_were_asked_for(built, film, cell, tmp_path):
    film.key_frames(built, cell, film.turntable(built, film.film_points(built, cell), 40.0, 0.0, 5))
    told = []
    film.render_film(built, tmp_path / "turn.mp4", 1, 10, told.append, None)
    clip = bpy.data.movieclips.load(str(tmp_path / "turn.mp4"))
    assert clip.frame_duration == 5 and tuple(clip.size) == SIZE
    assert clip.fps == pytest.approx(10)
    assert sorted(set(told)) == [1, 2, 3, 4, 5]
    assert [path.name for path in tmp_path.iterdir()] == ["turn.mp4"], "no frame is left beside it"


def test_a_film_that_is_none_by_its_name_is_refused(built, film, part, tmp_path):
    with pytest.raises(part("tomo.errors").TomosegError, match=r"let it end in \.mp4"):
        film.render_film(built, tmp_path / "turn.avi", 1, 10, print, None)
    assert not any(tmp_path.iterdir())
