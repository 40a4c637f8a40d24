# `blender --command tomoseg_figure PROJECT`: a picture of a finished project, and one sentence where there is none.
import os

import bpy
import numpy as np
import pytest


@pytest.fixture
def run(part):
    return part("tomoseg_blender.command").run


@pytest.fixture
def finished(project, part):
    """A project with a mask of its bar (orange) and the bar's surface, as merging and importing leave them."""
    geometry = part("tomo.geometry").Geometry((10.0, 10.0, 10.0), (120.0, -30.0, 50.0))
    label = np.zeros((9, 40, 56), np.int8)
    label[1:6, 4:12, 6:50] = 1
    (project / "masks").mkdir(exist_ok=True)
    part("tomo.mrc").write_mrc(project / "masks" / "cell__mask.mrc", label, geometry)
    table = part("tomo.label_table")
    table.save_label_table(project / "masks" / "cell__mask.json", [table.LabelEntry(1, "bar", "#e69f00")])
    corner = np.array([[x, y, z] for z in (0, 1) for y in (0, 1) for x in (0, 1)], np.float32)
    vertices = (np.array([6, 4, 1]) + corner * np.array([44, 8, 5])) * 10 + np.array([120, -30, 50])
    faces = np.array([int(digit) for digit in "023031457476015054267273046062137175"], np.int32).reshape(-1, 3)
    write_ply(project / "surfaces" / "cell__bar.ply", vertices.astype("<f4"), faces)
    bpy.ops.wm.read_homefile(use_empty=True)
    return project


def write_ply(path, vertices, faces):
    path.parent.mkdir(exist_ok=True)
    head = "ply\nformat binary_little_endian 1.0\n"
    head += f"element vertex {len(vertices)}\nproperty float x\nproperty float y\nproperty float z\n"
    head += f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    rows = np.zeros(len(faces), [("n", "u1"), ("corner", "<i4", 3)])
    rows["n"], rows["corner"] = 3, faces
    path.write_bytes(head.encode() + vertices.tobytes() + rows.tobytes())


def test_the_figure_of_a_finished_project_needs_no_worker(run, finished, tmp_path, capsys, part):
    handle = part("tomoseg_blender.worker").HANDLE
    handle.stop()
    picture = tmp_path / "figure.png"
    words = [str(finished), "--output", str(picture), "--size", "160", "120", "--samples", "2", "--transparent"]
    assert run(words) == 0
    assert f"Wrote {picture}" in capsys.readouterr().out
    assert handle.worker is None
    image = bpy.data.images.load(str(picture))
    pixels = np.array(image.pixels[:]).reshape(120, 160, 4)
    orange = (pixels[..., 3] > 0.9) & (pixels[..., 0] > 0.5) & (pixels[..., 2] < 0.3)
    assert orange.sum() > 500


def test_looks_and_view_are_options_of_the_command(run, finished, tmp_path, part):
    words = [str(finished), "--output", str(tmp_path / "a.png"), "--size", "64", "64", "--samples", "1"]
    assert run([*words, "--no-silhouettes", "--haze", "0.5", "--elevation", "90", "--turn", "24"]) == 0
    scene = part("tomoseg_blender.scene.figure_stage").find_stage("cell")
    names = [one.name for one in scene.objects]
    assert not [name for name in names if name.startswith("Figure line")]
    # From straight above, and 24° further than the usual -24°: the picture's axes are those of the slices.
    assert np.allclose(np.array(scene.camera.matrix_world.to_3x3()), np.eye(3), atol=1e-5)
    (shown,) = [one for one in scene.objects if one.name.startswith("bar")]
    assert "Haze" in shown.active_material.node_tree.nodes
    assert run(words) == 0
    scene = part("tomoseg_blender.scene.figure_stage").find_stage("cell")
    assert [one.name for one in scene.objects if one.name.startswith("Figure line")]


def test_a_film_comes_the_same_way(run, finished, tmp_path):
    film = tmp_path / "sweep.mp4"
    words = [str(finished), "--output", str(film), "--size", "64", "64", "--samples", "1"]
    assert run([*words, "--film", "slices", "--seconds", "0.4", "--rate", "10"]) == 0
    clip = bpy.data.movieclips.load(str(film))
    assert clip.frame_duration == 4 and tuple(clip.size) == (64, 64)
    assert bpy.context.scene.tomoseg.tomograms["cell"].slice_z == 0, "the slice is where it was before"


@pytest.mark.parametrize(
    "words, sentence",
    [
        (["--tomogram", "other"], "Tomogram other is not in this project"),
        (["--features", "nucleus"], "no surface of nucleus in cell"),
        (["--slice", "9"], "cell has no slice 9: choose 0 to 8"),
    ],
)
def test_what_cannot_be_shown_is_one_sentence(run, finished, capsys, words, sentence):
    assert run([str(finished), *words]) == 1
    error = capsys.readouterr().err
    assert sentence in error and error.startswith("tomoseg_figure: ") and error.count("\n") == 1


def test_a_project_without_a_mask_says_what_to_do(run, project, capsys):
    bpy.ops.wm.read_homefile(use_empty=True)
    assert run([str(project)]) == 1
    assert "No tomogram of this project has a mask" in capsys.readouterr().err


def test_a_folder_that_is_no_project_is_named(run, tmp_path, capsys):
    assert run([str(tmp_path)]) == 1
    assert str(tmp_path) in capsys.readouterr().err


def test_wrong_usage_is_2_and_help_is_0(run, capsys):
    assert run(["--film", "circus", "x"]) == 2
    assert run(["--help"]) == 0
    assert "--transparent" in capsys.readouterr().out


def test_surfaces_older_than_the_mask_are_made_anew_unless_wanted_as_they_are(
    run, finished, tmp_path, part, capsys, monkeypatch
):
    mask = finished / "masks" / "cell__mask.mrc"
    later = mask.stat().st_mtime + 100
    os.utime(mask, (later, later))
    monkeypatch.setenv("TOMOSEG_PYTHON", str(tmp_path / "no-python"))
    part("tomoseg_blender.worker").HANDLE.stop()
    words = [str(finished), "--output", str(tmp_path / "f.png"), "--size", "64", "64", "--samples", "1"]
    assert run(words) == 1, "there is no worker to make them"
    assert "no-python" in capsys.readouterr().err
    assert run([*words, "--as-is"]) == 0
