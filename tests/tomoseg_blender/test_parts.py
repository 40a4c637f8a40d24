# The table of parts: sorted, cut to what a window carries, and a click that selects and frames one part.
import csv
import time

import bpy
import pytest

COLUMNS = ["kind", "name", "component", "voxels", "volume_nm3", "area_nm2", "length_nm"]
COLUMNS += ["thickness_nm", "distance_to_carbon_nm"]
COLUMNS += [f"{what}_{axis}" for what in ("low", "high", "centroid") for axis in "xyz"]


def write_table(path, rows):
    """A measure table with one label and the given components; what a row does not name is empty."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerow({"kind": "label", "name": "membrane", "voxels": 99, "volume_nm3": 99.0})
        for number, row in enumerate(rows, 1):
            places = {f"{what}_{axis}": 0 for what in ("low", "high", "centroid") for axis in "xyz"}
            writer.writerow(
                {"kind": "component", "name": "membrane", "component": number, "voxels": 8, **places, **row}
            )
    return path


@pytest.fixture
def parts(part):
    return part("tomoseg_blender.parts")


@pytest.fixture
def group():
    return bpy.context.scene.tomoseg


def shown(group):
    return [(row.name, row.number, row.shown) for row in group.parts]


def test_the_largest_part_comes_first_and_other_columns_sort_too(parts, group, tmp_path):
    rows = [
        {"volume_nm3": 10.0, "length_nm": 5.0, "distance_to_carbon_nm": 40.0},
        {"volume_nm3": 300.0, "distance_to_carbon_nm": 2.5},
        {"volume_nm3": 20.0, "length_nm": 70.0},
    ]
    group.measured_table = str(write_table(tmp_path / "t.csv", rows))
    parts.fill(bpy.context.scene)
    assert shown(group) == [("membrane", 2, "300 nm³"), ("membrane", 3, "20 nm³"), ("membrane", 1, "10 nm³")]
    group.parts_sorted_by = "length"
    assert shown(group) == [("membrane", 3, "70 nm"), ("membrane", 1, "5 nm"), ("membrane", 2, "–")]
    group.parts_sorted_by = "distance"
    assert shown(group) == [("membrane", 2, "2.5 nm"), ("membrane", 1, "40 nm"), ("membrane", 3, "–")]
    group.parts_sorted_by = "number"
    assert [number for _, number, _ in shown(group)] == [1, 2, 3]


def test_only_one_features_parts_are_shown_where_it_is_named(parts, group, tmp_path):
    rows = [{"volume_nm3": 10.0}, {"name": "carbon", "volume_nm3": 300.0}]
    group.measured_table = str(write_table(tmp_path / "t.csv", rows))
    group.parts_of = "membrane"
    assert [row.name for row in group.parts] == ["membrane"]
    assert group.parts_in_all == 1


def test_without_a_voxel_size_parts_are_sorted_by_voxels(parts, group, tmp_path):
    group.measured_table = str(write_table(tmp_path / "t.csv", [{"voxels": 5}, {"voxels": 900}]))
    parts.fill(bpy.context.scene)
    assert [(number, text) for _, number, text in shown(group)] == [(2, "900 voxels"), (1, "5 voxels")]


def test_of_thousands_of_parts_the_scene_holds_the_first_hundreds(parts, group, tmp_path):
    rows = [{"volume_nm3": float(number)} for number in range(20_000)]
    group.measured_table = str(write_table(tmp_path / "t.csv", rows))
    parts.fill(bpy.context.scene)
    assert len(group.parts) == parts.MOST_ROWS and group.parts_in_all == 20_000
    assert group.parts[0].number == 20_000
    began = time.monotonic()
    group.parts_sorted_by = "number"
    again = time.monotonic() - began
    began = time.monotonic()
    with (tmp_path / "t.csv").open(newline="") as file:
        list(csv.DictReader(file))
    assert again < 5 * (time.monotonic() - began) + 0.5, "sorting again does not read the table again"


def test_a_table_that_is_gone_is_one_sentence(parts, part, group, tmp_path):
    group.measured_table = str(tmp_path / "gone.csv")
    with pytest.raises(part("tomo.errors").TomosegError, match=r"gone\.csv cannot be read: measure the mask again"):
        parts.fill(bpy.context.scene)
    assert len(group.parts) == 0


def test_a_click_selects_the_parts_surface_and_frames_its_voxels(parts, part, group, project, tmp_path):
    empty = part("tomoseg_blender.scene.tomogram").find_tomogram("cell")
    show = part("tomoseg_blender.scene.meshes").show_surface
    triangle = ([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]])
    whole = show(*triangle, empty, "membrane", "#56b4e9")
    low_high = {"low_x": 4, "low_y": 2, "low_z": 1, "high_x": 9, "high_y": 3, "high_z": 1}
    table = write_table(tmp_path / "t.csv", [{"volume_nm3": 1.0, **low_high}, {"volume_nm3": 9.0}])
    group.measured_table, group.measured_tomogram = str(table), "cell"
    parts.fill(bpy.context.scene)
    group.part_index = 1
    marker = part("tomoseg_blender.scene.part_marker").find_marker(empty)
    assert marker.select_get() and whole.select_get() and bpy.context.view_layer.objects.active == whole
    # Voxels 4 to 9, 2 to 3 and 1 are framed from edge to edge.
    assert tuple(marker.location) == (7.0, 3.0, 1.5) and tuple(marker.scale) == (3.0, 1.0, 0.5)
    middle, size = part("tomoseg_blender.scene.part_marker").middle_and_size(marker)
    assert tuple(middle) == pytest.approx((1.2 + 0.7, -0.3 + 0.3, 0.5 + 0.15), abs=1e-5)
    assert size == pytest.approx(0.1 * (36 + 4 + 1) ** 0.5, abs=1e-5)
    single = show(*triangle, empty, "membrane-0001", "#56b4e9")
    group.part_index = 1
    assert single.select_get() and not whole.select_get()


def test_a_row_that_is_not_there_is_one_sentence(group):
    with pytest.raises(RuntimeError, match="Measure a mask first"):
        bpy.ops.tomoseg.show_part(index=3)
