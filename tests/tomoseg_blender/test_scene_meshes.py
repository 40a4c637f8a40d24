# Surfaces: PLY in Å to meshes in voxel coordinates, updated in place, and files that are not what they seem.
import bpy
import numpy as np
import pytest

ORANGE = "#e69f00"
# A pyramid with one corner at the tomogram's own and unlike lengths along x, y and z.
CORNERS = np.array([[100, 0, 0], [110, 0, 0], [100, 20, 0], [100, 0, 30]], np.float32)
FACES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32)


@pytest.fixture
def meshes(part):
    return part("tomoseg_blender.scene.meshes")


@pytest.fixture
def empty(part):
    geometry = part("tomo.geometry").Geometry((10.0, 10.0, 10.0), (100.0, 0.0, 0.0))
    return part("tomoseg_blender.scene.tomogram").ensure_tomogram("cell", (5, 7, 11), geometry)


def write_ply(path, vertices=CORNERS, faces=FACES, header_extra="", cut=0):
    header = (
        f"ply\nformat binary_little_endian 1.0\n{header_extra}element vertex {len(vertices)}\nproperty float x\n"
        f"property float y\nproperty float z\nelement face {len(faces)}\n"
        "property list uchar int vertex_indices\nend_header\n"
    )
    table = np.zeros(len(faces), [("count", "u1"), ("index", "<i4", 3)])
    table["count"], table["index"] = 3, faces
    content = header.encode() + vertices.astype("<f4").tobytes() + table.tobytes()
    path.write_bytes(content[: len(content) - cut])
    return path


def places(surface):
    bpy.context.view_layer.update()
    return np.array([surface.matrix_world @ vertex.co for vertex in surface.data.vertices])


def test_a_surface_in_angstrom_lands_at_true_scale_and_place(meshes, empty, tmp_path):
    surface = meshes.import_surface(write_ply(tmp_path / "a.ply"), empty, "membrane", ORANGE)
    assert places(surface) == pytest.approx(CORNERS / 100.0, abs=1e-6)  # 0.01 units an ångström
    assert np.array([vertex.co for vertex in surface.data.vertices])[3] == pytest.approx([0, 0, 3])  # voxels


def test_normals_point_outward_as_in_the_file(meshes, empty, tmp_path):
    surface = meshes.import_surface(write_ply(tmp_path / "a.ply"), empty, "membrane", ORANGE)
    assert tuple(surface.data.polygons[0].normal) == pytest.approx((0, 0, -1))


def test_importing_again_keeps_what_the_person_set(meshes, empty, tmp_path):
    surface = meshes.import_surface(write_ply(tmp_path / "a.ply"), empty, "membrane", ORANGE)
    surface.name, surface.hide_render = "my membrane", True
    mine = bpy.data.materials.new("mine")
    surface.data.materials[0] = mine
    again = meshes.import_surface(write_ply(tmp_path / "b.ply", CORNERS * 2), empty, "membrane", "#000000")
    assert again == surface and again.name == "my membrane" and again.hide_render
    assert again.data.materials[0] == mine and len(again.data.vertices) == 4
    assert places(again)[1, 0] == pytest.approx(2.2)


def test_two_features_have_their_own_colours(meshes, empty, tmp_path):
    path = write_ply(tmp_path / "a.ply")
    one = meshes.import_surface(path, empty, "membrane", ORANGE)
    two = meshes.import_surface(path, empty, "carbon", "#009e73")
    assert one != two and meshes.surfaces(empty) == [two, one]
    assert tuple(one.active_material.diffuse_color)[:3] == pytest.approx((0.7913, 0.3467, 0.0), abs=1e-3)
    assert two.active_material != one.active_material


def test_an_unknown_voxel_size_is_drawn_as_10_angstrom(meshes, part, tmp_path):
    geometry = part("tomo.geometry").Geometry((0.0, 0.0, 0.0))
    empty = part("tomoseg_blender.scene.tomogram").ensure_tomogram("unknown", (5, 7, 11), geometry)
    surface = meshes.import_surface(write_ply(tmp_path / "a.ply"), empty, "membrane", ORANGE)
    assert places(surface)[1, 0] == pytest.approx(11.0)  # 110 voxels of 0.1 units
    assert not empty["tomoseg_voxel_size_known"]


def test_a_comment_and_more_properties_do_not_disturb(part, tmp_path):
    read_ply = part("tomoseg_blender.scene.ply").read_ply
    vertices, triangles = read_ply(write_ply(tmp_path / "a.ply", header_extra="comment made by a program\n"))
    assert np.array_equal(vertices, CORNERS) and np.array_equal(triangles, FACES)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: write_ply(path, cut=5),
        lambda path: write_ply(path, faces=FACES + 2),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("ply\nformat ascii 1.0\nend_header\n"),
        lambda path: path.write_bytes(bytes(range(256)) * 4),
        lambda path: path.write_bytes(path.with_name("good.ply").read_bytes().replace(b"vertex 4", b"vertex -4")),
    ],
    ids=["cut off", "wrong index", "empty", "text", "garbage", "negative count"],
)
def test_a_damaged_surface_is_named_and_leaves_the_scene_alone(meshes, empty, part, tmp_path, damage):
    write_ply(tmp_path / "good.ply")
    damage(tmp_path / "bad.ply")
    before = set(bpy.data.objects)
    with pytest.raises(part("tomo.errors").TomosegError, match=r"bad\.ply is damaged or no binary PLY"):
        meshes.import_surface(tmp_path / "bad.ply", empty, "membrane", ORANGE)
    assert set(bpy.data.objects) == before


def test_a_missing_surface_is_named(meshes, empty, part, tmp_path):
    with pytest.raises(part("tomo.errors").TomosegError, match=r"Cannot read the surface .*none\.ply"):
        meshes.import_surface(tmp_path / "none.ply", empty, "membrane", ORANGE)
