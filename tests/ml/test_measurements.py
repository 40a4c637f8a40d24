"""Areas, lengths and thicknesses of bodies whose size is known."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ml import components as component_module
from ml import measurements
from ml.components import find_components
from ml.crofton import Crofton
from ml.distances import distances_to
from ml.masks import mask_of, slab_ranges
from ml.measurements import measure_components
from ml.report import Silent
from ml.thickness import median_and_spread
from tests.ml.shapes import SIDE, as_volume, ball, bow, coordinates, cylinder, plate, tube
from tomo.geometry import Geometry
from tomo.mrc import Tomogram

ONE = (1.0, 1.0, 1.0)


def components_of(values):
    tomogram = Tomogram(Path("cell__mask.mrc"), values, Geometry((10.0, 10.0, 10.0)), [])
    return find_components(mask_of(tomogram, Silent()), Silent())


def measure(values, size=ONE):
    return measure_components(components_of(values), size, Silent())


@pytest.mark.parametrize("radius", [4, 6, 10, 20, 30])
def test_a_balls_area_is_within_1_percent(radius):
    values = ball(radius)
    assert values.sum() == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.01)
    assert measure(values).area[0] == pytest.approx(4 * np.pi * radius**2, rel=0.01)


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
@pytest.mark.parametrize(("radius", "length"), [(3, 50), (5, 50), (8, 50), (5, 25), (12, 40)])
def test_a_cylinders_length_and_area_are_within_2_percent(radius, length, seed):
    found = measure(cylinder(radius, length, seed))
    assert found.area[0] == pytest.approx(2 * np.pi * radius * (length + radius), rel=0.02)
    assert found.length[0] == pytest.approx(length, rel=0.02)
    assert found.thickness[0, 0] == pytest.approx(2 * radius, rel=0.05)


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_hollow_and_bent_filaments_are_measured_along_their_middle(seed):
    assert measure(tube(9, 3, 60, seed)).length[0] == pytest.approx(60, rel=0.02)
    assert measure(bow(24, 3, 3, seed)).length[0] == pytest.approx(3 * 24, rel=0.02)


@pytest.mark.parametrize("thickness", [3, 4, 6])
def test_a_membrane_along_the_axes_has_its_area_and_thickness(thickness):
    found = measure(plate(thickness, 40))
    assert found.area[0] == pytest.approx(2 * 40 * 40 + 4 * 40 * thickness, rel=0.02)
    assert found.thickness[0, 0] == pytest.approx(thickness, rel=0.02)
    assert np.isnan(found.length[0])  # no filament


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("thickness", [3, 4, 5, 8])
def test_a_membrane_askew_has_its_area_and_thickness(thickness, seed):
    found = measure(plate(thickness, 50, seed))
    assert found.area[0] == pytest.approx(2 * 50 * 50 + 4 * 50 * thickness, rel=0.02)
    assert found.thickness[0, 0] == pytest.approx(thickness, rel=0.05)


def test_a_vesicles_membrane_is_measured_on_both_sides():
    values = ball(28) - ball(22)
    found = measure(values)
    assert found.area[0] == pytest.approx(4 * np.pi * (28**2 + 22**2), rel=0.01)
    assert found.thickness[0] == pytest.approx((6, 0.3), rel=0.02, abs=0.2)
    assert np.isnan(found.length[0])


def test_voxels_may_be_longer_along_z():
    size = (1.0, 1.2, 2.5)
    around = coordinates() * size[::-1]
    values = ((around**2).sum(1) < 30**2).reshape((SIDE,) * 3).astype(np.int8)
    found = measure(values, size)
    assert found.area[0] == pytest.approx(4 * np.pi * 30**2, rel=0.02)
    assert found.thickness[0, 0] == pytest.approx(60, rel=0.02)


UNEVEN = (0.8, 1.0, 1.4)  # x, y, z


def uneven(seed):
    """z, y, x of all voxels around the middle, in lengths, turned: for bodies in voxels of uneven sides."""
    around = coordinates() * UNEVEN[::-1]
    return (around @ Rotation.random(random_state=seed).as_matrix()).T


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_cylinder_in_uneven_voxels_keeps_length_area_and_volume(seed):
    z, y, x = uneven(seed)
    values = as_volume((np.hypot(y, x) < 6) & (abs(z) < 20))
    found = measure(values, UNEVEN)
    assert values.sum() * np.prod(UNEVEN) == pytest.approx(np.pi * 6**2 * 40, rel=0.02)
    assert found.length[0] == pytest.approx(40, rel=0.02)
    assert found.area[0] == pytest.approx(2 * np.pi * 6 * (40 + 6), rel=0.02)
    assert found.thickness[0, 0] == pytest.approx(12, rel=0.05)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_membrane_in_uneven_voxels_keeps_area_and_thickness(seed):
    z, y, x = uneven(seed)
    values = as_volume((abs(z) < 3) & (abs(y) < 20) & (abs(x) < 20))
    found = measure(values, UNEVEN)
    assert values.sum() * np.prod(UNEVEN) == pytest.approx(6 * 40 * 40, rel=0.02)
    assert found.area[0] == pytest.approx(2 * 40 * 40 + 4 * 40 * 6, rel=0.02)
    assert found.thickness[0, 0] == pytest.approx(6, rel=0.05)


def test_where_the_volume_cuts_an_object_there_is_no_surface():
    values = np.zeros((20, 24, 30), np.int8)
    values[:, 9:15] = 1
    assert measure(values).area[0] == pytest.approx(2 * 20 * 30, rel=0.001)


def test_blocks_and_slabs_leave_no_trace_in_the_numbers(monkeypatch):
    values = ball(20) + 2 * np.roll(ball(8), 30, 0)
    whole = measure(values)
    monkeypatch.setattr(measurements, "TILE", 19)
    monkeypatch.setattr(component_module, "slab_ranges", lambda shape: slab_ranges(shape, 13 * shape[1] * shape[2]))
    blocks = measure(values)
    assert blocks.area == pytest.approx(whole.area, rel=1e-6)
    assert blocks.thickness[:, 0] == pytest.approx(whole.thickness[:, 0], rel=0.03)  # other rays
    assert blocks.length == pytest.approx(whole.length, nan_ok=True)


def test_a_filament_through_many_slabs_is_one(monkeypatch):
    whole = measure(cylinder(3, 60, 2)).length
    monkeypatch.setattr(component_module, "slab_ranges", lambda shape: slab_ranges(shape, 7 * shape[1] * shape[2]))
    assert measure(cylinder(3, 60, 2)).length == pytest.approx(whole) and whole[0] == pytest.approx(60, rel=0.02)


def test_components_of_large_tomograms_keep_their_cells_apart():
    shape = (512, 1024, 1024)
    keys = measurements._joint_keys(np.array([0, 5, 100_000], np.int32), np.array([7, 7, 7]), shape)
    assert keys.tolist() == [7, 5 * 2**29 + 7, 100_000 * 2**29 + 7]


@pytest.mark.parametrize("sides", [(6, 30, 60), (5, 50, 60)])
def test_a_sheet_is_no_filament_whatever_its_sides(sides):
    values = np.zeros((20, 70, 80), np.int8)
    values[5 : 5 + sides[0], 5 : 5 + sides[1], 5 : 5 + sides[2]] = 1
    assert np.isnan(measure(values).length[0])


def test_touching_labels_and_components_share_no_area():
    values = np.zeros((12, 14, 30), np.int8)
    values[3:9, 3:9, 3:9] = 1
    values[3:9, 3:9, 9:15] = 2
    values[3:9, 3:9, 20:26] = 1
    area = measure(values).area
    assert area == pytest.approx([area[0]] * 3) and area[0] == pytest.approx(6 * 36, rel=0.03)


def test_the_gap_to_another_label_runs_from_surface_to_surface():
    values = np.zeros((12, 14, 40), np.int8)
    values[3:9, 3:9, 3:9] = 1
    values[3:9, 3:9, 30:36] = 1
    values[3:9, 3:9, 14:20] = 2
    values[0, 0, 9] = 3
    found = distances_to(components_of(values), [2, 3], (8.0, 8.0, 8.0), Silent())
    # 5 voxels of 8 Å from the first cube, 10 from the second; nothing to itself.
    assert found[2][:3] == pytest.approx([40, 80, np.nan], nan_ok=True)
    assert found[3][0] == pytest.approx(8 * (np.sqrt(9 + 9 + 1) - 1))


def test_a_touching_label_is_at_no_distance():
    values = np.ones((5, 7, 11), np.int8)
    values[3:] = 2
    assert distances_to(components_of(values), [2], ONE, Silent())[2][0] == 0


def test_the_weights_of_the_formula_add_up_for_any_voxel():
    for size in (ONE, (1.0, 2.0, 3.0)):
        crofton = Crofton.of(size)
        assert 2 * crofton.share.sum() == pytest.approx(1)
        axis = crofton.of_plane(np.array([[0.0, 0.0], [0.0, 0.0], [1.0, 2.0]], np.float32))
        assert 0.8 < axis[0] < 1.1 and axis[1] == pytest.approx(2 * axis[0])


def test_the_median_leaves_out_rays_along_the_rim_but_not_a_mere_spread():
    values = np.array([4.0, 4.2, 3.8, 4.1, 3.9, 40.0, 40.0, np.nan])
    middle, spread = median_and_spread(values)
    assert middle == pytest.approx(4.0) and spread < 0.3
    assert median_and_spread(np.array([np.nan, np.nan, 3.0])) is None
    assert median_and_spread(np.zeros(0)) is None
