"""Surfaces are watertight, at their place, of the right hand, area and volume."""

import numpy as np
import pytest

from ml import mesh as meshes
from ml import surfaces
from ml.components import find_components
from ml.masks import mask_of
from ml.mesh import area, decimate, is_closed, normals, smooth, split, volume
from ml.report import Silent
from ml.surfaces import label_surface, to_angstrom
from tomo.errors import TomosegError
from tomo.geometry import Geometry
from tomo.mrc import Tomogram


def make_mask(values, geometry=None, threshold=None):
    from pathlib import Path

    tomogram = Tomogram(Path("cell__mask.mrc"), values, geometry or Geometry((10.0,) * 3), [])
    return mask_of(tomogram, Silent(), threshold)


def surface_of(values, **settings):
    mask = make_mask(values, threshold=settings.pop("threshold", None))
    return label_surface(mask, mask.labels[0], Silent(), **settings)


def distance(shape, centre):
    return np.sqrt(sum((axis - middle) ** 2 for axis, middle in zip(np.indices(shape), centre, strict=True)))


def euler_number(mesh):
    edges = np.unique(np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1), axis=0)
    return len(mesh.vertices) - len(edges) + len(mesh.faces)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(surfaces, "BLOCK", (4, 7, 5))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_even_random_voxels_give_a_closed_manifold(small_blocks, share):
    values = (np.random.default_rng(3).random((11, 17, 13)) < share).astype(np.int8)
    mesh = surface_of(values)
    assert is_closed(mesh) and volume(mesh) > 0


def _sorted(vertices):
    return sorted(tuple(vertex) for vertex in np.round(vertices, 4).tolist())


def test_blocks_leave_no_trace_in_the_mesh(monkeypatch):
    values = (distance((19, 23, 29), (9, 11, 14)) < 8).astype(np.int8)
    whole = surface_of(values)
    monkeypatch.setattr(surfaces, "BLOCK", (4, 7, 5))
    pieces = surface_of(values)
    assert _sorted(whole.vertices) == _sorted(pieces.vertices)
    assert len(whole.faces) == len(pieces.faces) and is_closed(pieces)


def test_a_ball_has_euler_number_2_and_a_ring_0(small_blocks):
    shape = (15, 31, 33)
    ball = distance(shape, (7, 15, 16)) < 6
    z, y, x = np.indices(shape)
    ring = (np.hypot(y - 15, x - 16) - 10) ** 2 + (z - 7) ** 2 < 9
    assert euler_number(surface_of(ball.astype(np.int8))) == 2
    assert euler_number(surface_of(ring.astype(np.int8))) == 0


def test_a_maps_outline_runs_between_voxels_at_the_threshold(small_blocks):
    field = (10 - distance((27, 29, 31), (13, 14, 15))).astype(np.float32)
    mesh = surface_of(field, threshold=2.5)
    radius = np.linalg.norm(mesh.vertices - (15.5, 14.5, 13.5), axis=1)
    assert is_closed(mesh) and np.abs(radius - 7.5).max() < 0.05


def test_a_map_full_of_values_at_the_threshold_gives_a_closed_manifold(small_blocks):
    field = np.random.default_rng(5).integers(0, 3, (9, 12, 14)).astype(np.float32)
    assert is_closed(surface_of(field, threshold=1.0))


def test_objects_that_leave_the_volume_are_capped_on_its_border_or_left_open(small_blocks):
    values = np.zeros((9, 10, 12), np.int8)
    values[:, 3:7, 4:8] = 1
    capped, open_ = surface_of(values), surface_of(values, closed=False)
    assert is_closed(capped) and not is_closed(open_)
    assert capped.vertices[:, 2].min() == pytest.approx(0, abs=0.01)
    assert capped.vertices[:, 2].max() == pytest.approx(9, abs=0.01)
    field = np.where(values, np.float32(3), np.float32(0))
    capped_map = surface_of(field, threshold=1.0)
    assert is_closed(capped_map) and capped_map.vertices[:, 2].max() == pytest.approx(9, abs=0.01)


@pytest.mark.parametrize("radius", [6, 10, 14])
def test_a_smoothed_balls_area_and_volume_are_within_2_percent(radius):
    values = (distance((33, 35, 37), (16.2, 17.4, 18.1)) < radius).astype(np.int8)
    mesh = smooth(surface_of(values), 10)
    assert area(mesh) == pytest.approx(4 * np.pi * radius**2, rel=0.02)
    assert volume(mesh) == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.02)
    outward = mesh.vertices - (18.6, 17.9, 16.7)
    cosine = (normals(mesh) * outward).sum(1) / np.linalg.norm(outward, axis=1)
    assert cosine.min() > 0.8


def test_fewer_triangles_keep_the_shape_even_far_from_the_origin():
    values = (distance((33, 35, 37), (16, 17, 18)) < 14).astype(np.int8)
    mesh = smooth(surface_of(values), 10)
    far = meshes.Mesh(mesh.vertices + np.float32(30_000), mesh.faces, mesh.owner)
    fewer = decimate(far, 1500)
    assert 1000 < len(fewer.faces) <= 1600 and is_closed(fewer)
    assert volume(fewer) == pytest.approx(volume(mesh), rel=0.01)
    assert fewer.vertices.mean(0) == pytest.approx(mesh.vertices.mean(0) + 30_000, abs=1)
    assert decimate(mesh, 0) is mesh and decimate(mesh, 10**6) is mesh


def test_objects_are_decimated_in_groups_and_none_is_lost(monkeypatch):
    monkeypatch.setattr(meshes, "GROUP", 500)
    values = np.zeros((20, 22, 80), np.int8)
    for x in (10, 30, 50, 70):
        values[distance(values.shape, (10, 11, x)) < 8] = 1
    mesh = smooth(surface_of(values), 10)
    fewer = decimate(mesh, 2000)
    assert is_closed(fewer) and euler_number(fewer) == 4 * 2 and 1800 < len(fewer.faces) <= 2000
    assert volume(fewer) == pytest.approx(volume(mesh), rel=0.01)


def test_a_large_surface_is_outlined_on_coarser_cells_at_the_same_place():
    values = (distance((33, 35, 37), (16, 17, 18)) < 14).astype(np.int8)
    mask = make_mask(values)
    whole = surface_of(values)
    coarse = label_surface(mask, mask.labels[0], Silent(), most=len(whole.faces) // 3)
    assert is_closed(coarse) and 3 < len(whole.faces) / len(coarse.faces) < 5
    assert volume(coarse) == pytest.approx(volume(whole), rel=0.02)
    assert coarse.vertices.mean(0) == pytest.approx(whole.vertices.mean(0), abs=0.3)
    field = (14 - distance((33, 35, 37), (16, 17, 18))).astype(np.float32)
    map_mask = make_mask(field, threshold=1.0)
    from_map = label_surface(map_mask, map_mask.labels[0], Silent(), most=2000)
    assert is_closed(from_map) and volume(from_map) == pytest.approx(4 / 3 * np.pi * 13**3, rel=0.03)


def test_what_is_too_thin_for_coarser_cells_is_never_lost():
    values = np.zeros((30, 32, 34), np.int8)
    values[2:28, 5, 6] = 1  # one voxel thin
    mask = make_mask(values)
    mesh = label_surface(mask, mask.labels[0], Silent(), most=10)
    assert len(mesh.faces) == len(surface_of(values).faces) and is_closed(mesh)


def test_coarse_cells_that_reach_out_of_the_volume_end_on_its_border():
    values = np.ones((9, 11, 13), np.int8)
    values[:, :, :4] = 0
    mask = make_mask(values)
    mesh = label_surface(mask, mask.labels[0], Silent(), most=50)
    assert mesh.vertices.max(0) == pytest.approx((13, 11, 9), abs=0.01)
    assert len(mesh.faces) < len(surface_of(values).faces) and is_closed(mesh)


def test_each_component_gets_its_own_mesh_with_its_cavities(small_blocks):
    values = np.zeros((15, 16, 31), np.int8)
    far = distance(values.shape, (7, 7, 7))
    values[(far < 6) & (far > 3)] = 1
    values[distance(values.shape, (7, 8, 23)) < 4] = 1
    mask = make_mask(values)
    components = find_components(mask, Silent())
    parts = split(label_surface(mask, mask.labels[0], Silent(), components=components))
    assert sorted(parts) == [0, 1] and all(is_closed(part) for part in parts.values())
    assert euler_number(parts[0]) == 4  # the outer and the inner sphere
    for row, part in parts.items():
        assert volume(part) == pytest.approx(components.table.voxels[row], rel=0.03)


def test_components_that_are_too_small_are_not_outlined(small_blocks):
    values = np.zeros((9, 10, 12), np.int8)
    values[2:6, 2:6, 2:6], values[8, 9, 11] = 1, 1
    mask = make_mask(values)
    mesh = label_surface(mask, mask.labels[0], Silent(), components=find_components(mask, Silent(), smallest=2))
    assert mesh.vertices.max() < 7 and is_closed(mesh)


def test_an_l_in_one_corner_keeps_its_place_and_hand_in_angstrom():
    values = np.zeros((11, 13, 17), np.int8)
    values[0:3, 0:4, 0:6] = 1  # long in x, shorter in y, flat in z,
    values[3:6, 0:4, 0:2] = 1  # with a foot up in z at low x
    geometry = Geometry((8.0, 10.0, 20.0), origin=(100.0, -50.0, 7.0), nstart=(3, 4, 5))
    mask = make_mask(values, geometry)
    mesh = to_angstrom(label_surface(mask, mask.labels[0], Silent()), geometry, "cell")
    assert mesh.vertices.min(0) == pytest.approx((100, -50, 7), abs=0.1)
    assert mesh.vertices.max(0) == pytest.approx((148, -10, 127), abs=0.1)
    foot = mesh.vertices[mesh.vertices[:, 2] > 7 + 3.2 * 20]
    assert foot[:, 0].max() == pytest.approx(116, abs=0.1)


def test_a_length_without_a_voxel_size_is_an_error():
    mask = make_mask(np.ones((5, 7, 11), np.int8), Geometry((1.0, 1.0, 1.0)))
    with pytest.raises(TomosegError, match=r"voxel size of cell\.mrc is unknown"):
        to_angstrom(label_surface(mask, mask.labels[0], Silent()), mask.geometry, "cell.mrc")
