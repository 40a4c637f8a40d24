# VDB volumes: each label at the place and hand of its voxels, also in the picture, beside a mesh.
import bpy
import numpy as np
import pytest

from tests.tomoseg_blender.vdb_files import filled_voxels

ORANGE = "#e69f00"
SHAPE = (9, 13, 17)
VOXEL = 12.0
PLACE = (300.0, -100.0, 50.0)


@pytest.fixture
def vdb(part):
    return part("tomoseg_blender.scene.vdb")


@pytest.fixture
def volumes(part):
    return part("tomoseg_blender.scene.volumes")


@pytest.fixture
def geometry(part):
    return part("tomo.geometry").Geometry((VOXEL,) * 3, PLACE)


@pytest.fixture
def empty(part, geometry):
    return part("tomoseg_blender.scene.tomogram").ensure_tomogram("cell", SHAPE, geometry)


@pytest.fixture
def mask():
    """Label 1 is one voxel at z 2, y 3, x 4; label 2 a bar of two at z 2 to 3, y 9, x 14: no two axes alike."""
    made = np.zeros(SHAPE, np.int8)
    made[2, 3, 4] = 1
    made[2:4, 9, 14] = 2
    return made


def centres(part, path):
    """World centres in Å of all filled voxels of a VDB, by its own transform, and their values."""
    return filled_voxels(part("tomoseg_blender.compat").vdb_module(), path)


@pytest.mark.usefixtures("openvdb")
def test_each_label_has_its_own_file_at_the_centres_of_its_voxels(vdb, part, mask, geometry, tmp_path):
    files = {1: ("membrane", tmp_path / "membrane.vdb"), 2: ("carbon", tmp_path / "carbon.vdb")}
    assert vdb.write_label_vdb(mask, files, geometry) == 1
    assert centres(part, files[1][1]) == [(pytest.approx((300 + 4.5 * 12, -100 + 3.5 * 12, 50 + 2.5 * 12)), 1.0)]
    second = centres(part, files[2][1])
    assert [place for place, _ in second] == [
        pytest.approx((300 + 14.5 * 12, -100 + 9.5 * 12, 50 + (z + 0.5) * 12)) for z in (2, 3)
    ]


@pytest.mark.usefixtures("openvdb")
def test_slabs_join_to_the_same_volume(vdb, part, mask, geometry, tmp_path, monkeypatch):
    whole, slabs = tmp_path / "whole.vdb", tmp_path / "slabs.vdb"
    vdb.write_label_vdb(mask, {2: ("carbon", whole)}, geometry)
    monkeypatch.setattr(vdb, "_SLAB_VOXELS", SHAPE[1] * SHAPE[2])
    vdb.write_label_vdb(mask, {2: ("carbon", slabs)}, geometry)
    assert centres(part, whole) == centres(part, slabs)


@pytest.mark.usefixtures("openvdb")
def test_a_map_becomes_density_from_its_lower_to_its_upper_value(vdb, part, geometry, tmp_path):
    data = np.zeros(SHAPE, np.float32)
    data[1, 2, 3], data[1, 2, 5], data[8, 12, 16], data[0, 0, 0] = 0.75, 3.0, 0.5, np.nan
    vdb.write_map_vdb(data, tmp_path / "map.vdb", "cell", geometry, 0.5, 1.5, half=False)
    assert [value for _, value in centres(part, tmp_path / "map.vdb")] == pytest.approx([0.25, 1.0])


@pytest.mark.usefixtures("openvdb")
def test_half_precision_takes_half_of_the_disk_and_keeps_three_digits(vdb, part, geometry, tmp_path):
    data = np.random.default_rng(3).uniform(0.1, 0.9, (24, 24, 24)).astype(np.float32)
    sizes, values = {}, {}
    for half in (True, False):
        path = tmp_path / f"{half}.vdb"
        vdb.write_map_vdb(data, path, "cell", geometry, 0.0, 1.0, half=half)
        sizes[half], values[half] = path.stat().st_size, [value for _, value in centres(part, path)]
    assert sizes[True] < 0.7 * sizes[False]
    assert values[True] != values[False]
    np.testing.assert_allclose(values[True], values[False], rtol=1e-3)
    np.testing.assert_allclose(sorted(values[False]), np.sort(data.ravel()), rtol=1e-6)


@pytest.mark.usefixtures("openvdb")
def test_a_large_volume_is_binned_to_the_part_that_is_filled(vdb, part, mask, geometry, tmp_path, monkeypatch):
    monkeypatch.setattr(vdb, "MAX_VOXELS", 400)
    assert vdb.bin_factor(SHAPE) == 2 and vdb.bin_factor((1, 1, 400)) == 1
    assert vdb.write_label_vdb(mask, {2: ("carbon", tmp_path / "c.vdb")}, geometry) == 2
    # The bar z 2 to 3, y 9, x 14 lies in the block z 2 to 3, y 8 to 9, x 14 to 15: a quarter of it.
    (place, value), *rest = centres(part, tmp_path / "c.vdb")
    assert not rest and value == 0.25
    assert place == pytest.approx((300 + 15 * 12, -100 + 9 * 12, 50 + 3 * 12))


def test_a_blender_without_openvdb_says_what_to_do(vdb, part, mask, geometry, tmp_path, monkeypatch):
    monkeypatch.setattr(part("tomoseg_blender.compat"), "vdb_module", lambda: None)
    with pytest.raises(part("tomo.errors").TomosegError, match=r"no OpenVDB module.*import meshes instead"):
        vdb.write_label_vdb(mask, {1: ("membrane", tmp_path / "m.vdb")}, geometry)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_volume_leaves_nothing_behind(volumes, part, empty, tmp_path):
    (tmp_path / "bad.vdb").write_text("no volume")
    for name in ("bad.vdb", "none.vdb"):
        with pytest.raises(part("tomo.errors").TomosegError, match=name):
            volumes.import_volume(tmp_path / name, empty, "membrane", ORANGE)
    assert volumes.volumes(empty) == [] and len(bpy.data.volumes) == 0


@pytest.mark.usefixtures("openvdb")
def test_importing_again_keeps_the_object_and_paths_become_relative(vdb, volumes, mask, geometry, empty, tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "cell.blend"))
    path = tmp_path / "volumes" / "cell__membrane.vdb"
    vdb.write_label_vdb(mask, {1: ("membrane", path)}, geometry)
    volume = volumes.import_volume(path, empty, "membrane", ORANGE)
    volume.name, volume.hide_viewport = "mine", True
    again = volumes.import_volume(path, empty, "membrane", ORANGE)
    assert again == volume and again.name == "mine" and again.hide_viewport
    assert volume.data.filepath == "//volumes/cell__membrane.vdb"
    assert len(volumes.volumes(empty)) == 1


@pytest.mark.usefixtures("volumes_in_cycles")
@pytest.mark.parametrize("view", ["from above", "from the front"])
def test_volume_and_mesh_of_the_same_voxels_meet_in_the_picture(
    vdb, volumes, part, mask, geometry, empty, tmp_path, view
):
    one = (mask > 0).astype(np.int8)
    vdb.write_label_vdb(one, {1: ("bar", tmp_path / "bar.vdb")}, geometry)
    volume = volumes.import_volume(tmp_path / "bar.vdb", empty, "bar", ORANGE)
    surface = part("tomoseg_blender.scene.meshes").show_surface(*cubes(np.argwhere(one)), empty, "bar", ORANGE)
    surface.data.materials[0] = part("tomoseg_blender.scene.figure_parts").flat_material("plain", "#ffffff")
    render = camera(view)
    volume.hide_render = True
    meshes_at = centroids(render(tmp_path / "mesh.png"))
    volume.hide_render, surface.hide_render = False, True
    volumes_at = centroids(render(tmp_path / "volume.png"))
    assert meshes_at == pytest.approx(expected(view), abs=0.06)
    assert volumes_at == pytest.approx(meshes_at, abs=0.06)  # voxels; Blender's own shift is 0.5


def cubes(voxels):
    """Vertices (n, 3) in voxel coordinates and triangles of a cube over each voxel (z, y, x)."""
    corner = np.array([[x, y, z] for z in (0, 1) for y in (0, 1) for x in (0, 1)], np.float32)
    faces = "023031457476015054267273046062137175"
    triangles = np.array([int(digit) for digit in faces], np.int32).reshape(-1, 3)
    vertices = np.concatenate([corner + voxel[::-1] for voxel in voxels])
    return vertices.astype(np.float32), np.concatenate([triangles + 8 * n for n in range(len(voxels))])


def camera(view):
    """A function that renders 17 × 13 voxels around the middle, 8 pixels a voxel: along z, or along y with z up."""
    scene, unit = bpy.context.scene, VOXEL * 0.01
    scene.render.engine, scene.cycles.samples, scene.cycles.use_denoising = "CYCLES", 8, False
    scene.render.resolution_x, scene.render.resolution_y, scene.render.dither_intensity = 17 * 8, 13 * 8, 0.0
    scene.view_settings.view_transform = "Standard"
    eye = bpy.data.objects.new("eye", bpy.data.cameras.new("eye"))
    eye.data.type, eye.data.ortho_scale = "ORTHO", 17 * unit
    scene.collection.objects.link(eye)
    scene.camera = eye
    x, y, z = (start * 0.01 for start in PLACE)
    if view == "from above":
        eye.location = (x + 8.5 * unit, y + 6.5 * unit, z + 9 * unit + 3)
    else:
        eye.location, eye.rotation_euler = (x + 8.5 * unit, y - 3, z + 6.5 * unit), (np.pi / 2, 0, 0)

    def render(path):
        scene.render.filepath = str(path)
        bpy.ops.render.render(write_still=True)
        picture = bpy.data.images.load(str(path))
        return np.array(picture.pixels[:]).reshape(13 * 8, 17 * 8, 4)[..., :3].sum(axis=2)

    return render


def centroids(picture):
    """(x, y) in voxels of what is bright left and right of x = 9 voxels, one after the other."""
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    found = []
    for half in (x < 72, x >= 72):
        weight = np.where(half & (picture > 0.1), picture, 0)
        found += [(weight * (x + 0.5)).sum() / weight.sum() / 8, (weight * (y + 0.5)).sum() / weight.sum() / 8]
    return found


def expected(view):
    """Where voxel (4, 3, 2) and the bar (14, 9, 2 to 3) are seen, in voxels."""
    return [4.5, 3.5, 14.5, 9.5] if view == "from above" else [4.5, 2.5, 14.5, 3.0]


@pytest.mark.usefixtures("openvdb")
def test_the_tomogram_is_a_see_through_volume_with_a_threshold(part, project):
    bpy.ops.tomoseg.import_density()
    empty = part("tomoseg_blender.scene.tomogram").find_tomogram("cell")
    (volume,) = part("tomoseg_blender.scene.volumes").volumes(empty)
    assert volume.data.grids[0].name == "density" and volume.hide_render
    threshold = volume.active_material.node_tree.nodes["Threshold"].inputs["From Min"]
    assert threshold.default_value == 0.5
    bpy.context.scene.tomoseg.volume.threshold = 0.7
    assert threshold.default_value == pytest.approx(0.7)
    places = centres(part, project / "volumes" / "cell__tomogram_density.vdb")
    # Only what is brighter than the mean is kept; of the bar that is nearly all, and its mean place is the bar's.
    assert 0.2 < len(places) / (9 * 40 * 56) < 0.7
    bright = np.array([place for place, value in places if value > 0.6])
    middle = (np.array([27.5, 7.5, 3.0]) + 0.5) * 10 + (120.0, -30.0, 50.0)
    assert np.abs(np.median(bright, axis=0) - middle).max() < 25


@pytest.mark.usefixtures("openvdb")
def test_maps_become_volumes_as_strong_as_they_are(part, project):
    geometry = part("tomo.geometry").Geometry((10.0,) * 3, (120.0, -30.0, 50.0))
    strength = np.zeros((9, 40, 56), np.float32)
    strength[2, 3, 4], strength[5, 30, 50] = 0.525, 3.0
    (project / "segmentations").mkdir(exist_ok=True)
    part("tomo.mrc").write_mrc(project / "segmentations" / "cell__bar.mrc", strength, geometry)
    bpy.ops.tomoseg.import_maps()
    places = dict(centres(part, project / "volumes" / "cell__bar_map.vdb"))
    assert {tuple(np.round(place)): round(value, 2) for place, value in places.items()} == {
        (165.0, 5.0, 75.0): 0.5,
        (625.0, 275.0, 105.0): 1.0,
    }


@pytest.mark.usefixtures("openvdb")
def test_a_volume_above_the_limit_is_binned_and_the_user_is_told(part, project):
    bpy.context.scene.tomoseg.volume.most = 0.005
    bpy.ops.tomoseg.import_density()
    outcome = part("tomoseg_blender.jobs").outcome("results")
    assert outcome.sentence == "Volume of cell. It was binned by 2, to at most 0.005 million voxels."
    grid = (
        part("tomoseg_blender.compat")
        .vdb_module()
        .read(str(project / "volumes" / "cell__tomogram_density.vdb"), "density")
    )
    assert grid["binning"] == 2


@pytest.mark.usefixtures("openvdb")
def test_without_a_map_the_button_says_so(project):
    with pytest.raises(RuntimeError, match="cell has no map yet: apply a network to it first"):
        bpy.ops.tomoseg.import_maps()


@pytest.mark.usefixtures("openvdb")
def test_of_two_volumes_one_that_cannot_be_read_keeps_both_out_of_the_scene(vdb, part, project):
    results, table = part("tomoseg_blender.operators.results"), part("tomo.label_table")
    entries = [table.LabelEntry(1, "bar", ORANGE), table.LabelEntry(2, "ring", ORANGE)]
    mask = np.ones((9, 40, 56), np.int8)
    geometry = part("tomo.geometry").Geometry((10.0,) * 3)
    vdb.write_label_vdb(mask, {1: ("bar", project / "volumes" / "cell__bar.vdb")}, geometry)
    (project / "volumes" / "cell__ring.vdb").write_bytes(b"no volume")
    with pytest.raises(part("tomo.errors").TomosegError, match=r"cell__ring\.vdb cannot be read as a volume"):
        results.add_volumes(bpy.context.scene, "cell", entries)
    assert len(bpy.data.volumes) == 0 and not [one for one in bpy.data.objects if one.type == "VOLUME"]


@pytest.mark.usefixtures("openvdb")
@pytest.mark.parametrize("damage", ["gone", "damaged"])
def test_a_figure_of_a_volume_whose_file_cannot_be_read_any_more_is_one_sentence(part, project, tmp_path, damage):
    bpy.ops.tomoseg.import_density()
    volume = bpy.data.objects["tomogram_density"]
    volume.hide_render = False
    # Another file than the one that was read: Blender keeps that in memory for as long as it runs.
    path = tmp_path / "other.vdb"
    if damage == "damaged":
        path.write_bytes(b"no volume")
    volume.data.filepath = str(path)
    with pytest.raises(RuntimeError, match=r"other\.vdb cannot be read as a volume") as caught:
        bpy.ops.tomoseg.figure(use_volumes=True, width=64, height=64)
    assert str(caught.value).strip().count("\n") == 0
    assert len(bpy.data.scenes) == 1
