# One object without any symmetry, in one corner: at the same place and hand in mask, mesh, VDB, table and picture.
import csv

import bpy
import numpy as np
import pytest

from tests.tomoseg_blender.vdb_files import filled_voxels

SHAPE = (9, 40, 56)
# Voxel sizes (x, y, z) in Å, origin in Å, nstart in voxels; where the origin is 0, nstart puts the volume in its place.
GEOMETRIES = {
    "cubes, origin": ((10.0, 10.0, 10.0), (120.0, -30.0, 50.0), (0, 0, 0)),
    "uneven, origin": ((8.0, 10.0, 14.0), (120.0, -30.0, 50.0), (7, 7, 7)),
    "uneven, nstart": ((8.0, 10.0, 14.0), (0.0, 0.0, 0.0), (15, -3, 5)),
}


def hand():
    """A label with arms of 20, 12 and 6 voxels along x, y and z that meet in one corner: its mirror image differs."""
    label = np.zeros(SHAPE, np.int8)
    label[1:3, 2:5, 3:23] = 1
    label[1:3, 2:14, 3:7] = 1
    label[1:7, 2:5, 3:7] = 1
    return label


@pytest.fixture(params=GEOMETRIES)
def geometry(request, part):
    return part("tomo.geometry").Geometry(*GEOMETRIES[request.param])


@pytest.fixture
def imported(geometry, part, tmp_path):
    """A project with a tomogram and the mask of the hand, and what is made of it; its folder."""
    noise = np.random.default_rng(5).normal(0, 1, SHAPE).astype(np.float32)
    part("tomo.mrc").write_mrc(tmp_path / "cell.mrc", noise, geometry)
    project = tmp_path / "project"
    bpy.ops.tomoseg.create_project(directory=str(project))
    bpy.ops.tomoseg.import_tomogram(filepath=str(tmp_path / "cell.mrc"), filter=False)
    bpy.ops.tomoseg.show_tomogram()
    bpy.ops.tomoseg.add_feature(name="bar")
    (project / "masks").mkdir(exist_ok=True)
    part("tomo.mrc").write_mrc(project / "masks" / "cell__mask.mrc", hand(), geometry)
    table = part("tomo.label_table")
    table.save_label_table(project / "masks" / "cell__mask.json", [table.LabelEntry(1, "bar", "#e69f00")])
    part("tomoseg_blender.state").refresh(bpy.context.scene)
    bpy.ops.tomoseg.import_mask(smoothing=0)
    bpy.ops.tomoseg.measure()
    return project


@pytest.mark.usefixtures("openvdb")
def test_the_hand_stays_what_and_where_it_is(imported, geometry, part, tmp_path):
    inside = np.argwhere(hand())[:, ::-1]  # x, y, z
    empty = part("tomoseg_blender.scene.tomogram").find_tomogram("cell")
    _check_mesh(part("tomoseg_blender.scene.meshes").find_surface(empty, "bar"), hand(), geometry)
    _check_vdb(part, imported / "volumes" / "cell__bar.vdb", inside, geometry)
    with (imported / "masks" / "cell__mask.csv").open(newline="") as file:
        (row,) = [row for row in csv.DictReader(file) if row["kind"] == "component"]
    assert [float(row[f"centroid_{axis}"]) for axis in "xyz"] == pytest.approx(inside.mean(0))
    middle = angstrom(inside, geometry).mean(0)
    assert [float(row[f"centroid_{axis}_angstrom"]) for axis in "xyz"] == pytest.approx(middle)
    _check_picture(part, empty, tmp_path / "hand.png", geometry)


def angstrom(voxels, geometry):
    """The centres of voxels (n, 3: x, y, z) in Å, worked out here and not by the program's own function."""
    size, origin, nstart = (np.array(one) for one in (geometry.voxel_size, geometry.origin, geometry.nstart))
    return (np.array(voxels, float) + 0.5) * size + (origin if origin.any() else nstart * size)


def _check_mesh(surface, label, geometry):
    """All vertices lie on the border of the label's voxels in the world: half a voxel off and this fails."""
    bpy.context.view_layer.update()
    world = np.array([surface.matrix_world @ vertex.co for vertex in surface.data.vertices])
    first = angstrom([(-0.5, -0.5, -0.5)], geometry)[0]  # the corner of voxel 0
    voxels = (world * 100 - first) / np.array(geometry.voxel_size)  # a unit is 100 Å; voxel i covers [i, i + 1]
    padded = np.pad(label, 2)
    near = np.floor(voxels).astype(int)[:, ::-1] + 2
    around = [padded[tuple((near + step).T)] for step in np.ndindex(3, 3, 3) for step in [np.array(step) - 1]]
    assert len(voxels) > 200
    assert np.max(around, axis=0).all(), "no vertex is more than a voxel outside"
    assert not np.min(around, axis=0).any(), "none is more than a voxel inside"
    low, high = np.argwhere(label)[:, ::-1].min(0), np.argwhere(label)[:, ::-1].max(0) + 1
    # The outline runs half way between voxel centres, so exactly along the voxels' faces.
    np.testing.assert_allclose(voxels.min(0), low, atol=0.01)
    np.testing.assert_allclose(voxels.max(0), high, atol=0.01)


def _check_vdb(part, path, inside, geometry):
    found = [place for place, _value in filled_voxels(part("tomoseg_blender.compat").vdb_module(), path)]
    expected = angstrom(inside, geometry)
    assert sorted(map(tuple, np.round(found, 3))) == sorted(map(tuple, np.round(expected, 3)))


def _check_picture(part, empty, path, geometry):
    """The arms are orange where they are expected, and a mirrored hand's arms are not."""
    figure = part("tomoseg_blender.scene.figure")
    settings = figure.FigureSettings(size=(320, 240), legend=False, scale_bar=False, elevation=50.0, azimuth=-20.0)
    built = figure.build_figure(empty, settings)
    figure.render_figure(built, path, 4)
    image = bpy.data.images.load(str(path))
    pixels = np.array(image.pixels[:]).reshape(240, 320, 4)

    def orange(ends):
        world = angstrom(ends, geometry) / 100
        x, y = built.pixels_of(world).astype(int).T
        return (pixels[y, x, 0] > 2 * pixels[y, x, 2]).tolist()

    assert orange([(21, 3, 2), (4, 12, 2), (5, 3, 6)]) == [True, True, True]
    # Mirrored in x, y, z; arms swapped; and the far corner of the tomogram.
    assert not any(orange([(34, 3, 2), (4, 27, 2), (21, 12, 2), (12, 21, 2), (50, 36, 7)]))
