"""The project folder: lists that survive, paths that never leave it."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tomo.boxes import POSITIVE, Box
from tomo.errors import TomosegError
from tomo.features import Feature
from tomo.project import Project, TomogramEntry

ENTRY = TomogramEntry(
    "cell_bin4",
    "tomograms/cell_bin4.mrc",
    "D:\\data\\cell.rec",
    4,
    "denoised",
    "cell",
    "x",
    (40.0, 40.0, 41.0),
    (5, 7, 11),
)


@pytest.fixture
def project(tmp_path):
    return Project.create(tmp_path / "my project")


def test_a_project_is_opened_again_as_it_was(project):
    project.add_tomogram(ENTRY)
    project.add_feature("membrane")
    box = Box("cell_bin4", "membrane", POSITIVE, (3, 3, 1), 4)
    project.save_boxes([box])
    again = Project.create(project.folder)
    assert again.tomograms() == [ENTRY]
    assert again.tomogram("cell_bin4") == ENTRY
    assert again.features() == [Feature("membrane", "#e69f00")]
    assert again.boxes() == [box]


def test_a_project_may_be_moved(project, tmp_path):
    project.add_tomogram(ENTRY)
    moved = project.folder.rename(tmp_path / "elsewhere")
    assert Project.open(moved).tomogram_path("cell_bin4") == moved / "tomograms" / "cell_bin4.mrc"
    assert str(tmp_path) not in (moved / "project.json").read_text()


def test_a_new_project_is_empty(project):
    assert (project.tomograms(), project.features(), project.boxes()) == ([], [], [])


def test_what_is_no_project_is_not_opened(tmp_path):
    with pytest.raises(TomosegError, match="is no Tomoseg project"):
        Project.open(tmp_path)
    with pytest.raises(TomosegError, match="is no Tomoseg project"):
        Project.open(tmp_path / "missing")
    (tmp_path / "file").write_text("")
    with pytest.raises(TomosegError, match="is a file: choose a folder"):
        Project.create(tmp_path / "file")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_a_project_of_a_newer_tomoseg_asks_for_an_update(project):
    text = json.dumps({"schema": 2, "tomograms": []})
    (project.folder / "project.json").write_text(text)
    with pytest.raises(TomosegError, match=r"newer Tomoseg .*update Tomoseg"):
        Project.create(project.folder)
    with pytest.raises(TomosegError, match="update Tomoseg"):
        project.add_tomogram(ENTRY)
    assert (project.folder / "project.json").read_text() == text


def test_the_same_tomogram_imported_again_replaces_its_entry(project):
    project.add_tomogram(ENTRY)
    project.add_tomogram(TomogramEntry("other", "tomograms/other.mrc"))
    project.add_tomogram(TomogramEntry("cell_bin4", "tomograms/cell_bin4.mrc", shrink=8))
    assert [(entry.name, entry.shrink) for entry in project.tomograms()] == [("cell_bin4", 8), ("other", 1)]
    project.remove_tomogram("cell_bin4")
    assert [entry.name for entry in project.tomograms()] == ["other"]


def test_bins_and_variants_know_each_other(project):
    for name in ("cell", "cell_bin4", "other"):
        project.add_tomogram(TomogramEntry(name, f"tomograms/{name}.mrc"))
    project.add_tomogram(TomogramEntry("smooth", "tomograms/smooth.mrc", variant="denoised", family="cell"))
    assert [entry.name for entry in project.family("cell_bin4")] == ["cell", "cell_bin4", "smooth"]
    with pytest.raises(TomosegError, match="There is no tomogram 'gone'"):
        project.family("gone")


def test_names_that_some_disks_cannot_tell_apart_are_refused(project):
    project.add_feature("Actin")
    for name in ("actin", "Actin"):
        with pytest.raises(TomosegError, match="cannot be told apart from 'Actin'"):
            project.add_feature(name)
    project.add_tomogram(TomogramEntry("Cell", "tomograms/Cell.mrc"))
    with pytest.raises(TomosegError, match="cannot be told apart"):
        project.add_tomogram(TomogramEntry("cell", "tomograms/cell.mrc"))
    assert [feature.name for feature in project.features()] == ["Actin"]


def test_features_change_colour_and_go(project):
    project.add_feature("membrane", "#112233")
    project.add_feature("actin")
    project.set_colour("membrane", "#445566")
    assert project.features() == [Feature("membrane", "#445566"), Feature("actin", "#e69f00")]
    project.remove_feature("membrane")
    assert [feature.name for feature in project.features()] == ["actin"]


def test_features_added_at_the_same_moment_are_all_kept(project):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(project.add_feature, [f"feature {number}" for number in range(24)]))
    assert len({feature.name for feature in project.features()}) == 24


def test_results_have_readable_names(project):
    paths = {
        project.tomogram_path("cell"): "tomograms/cell.mrc",
        project.label_path("cell", "actin", 12): "labels/cell__actin/z00012.mrc",
        project.trainset_path("actin"): "trainsets/actin.npz",
        project.network_path("actin"): "networks/actin.safetensors",
        project.triplets_path("actin"): "triplets/actin.png",
        project.segmentation_path("cell", "actin"): "segmentations/cell__actin.mrc",
        project.mask_path("cell"): "masks/cell__mask.mrc",
        project.label_table_path(project.mask_path("cell")): "masks/cell__mask.json",
        project.surface_path("cell", "actin"): "surfaces/cell__actin.ply",
        project.volume_path("cell", "actin"): "volumes/cell__actin.vdb",
        project.figure_path("figure 1"): "figures/figure 1.png",
    }
    assert {path.relative_to(project.folder).as_posix() for path in paths} == set(paths.values())
    assert all(path == project.folder / name for path, name in paths.items())


@pytest.mark.parametrize("name", ["../cell", "/cell", "a/b", "..\\cell", "C:cell", "", "..", "con"])
def test_no_name_leads_out_of_the_folder(project, name):
    for path in (
        project.tomogram_path,
        project.mask_path,
        project.figure_path,
        project.trainset_path,
        project.network_path,
        project.triplets_path,
        lambda bad: project.segmentation_path(bad, "actin"),
        lambda bad: project.segmentation_path("cell", bad),
        lambda bad: project.label_path("cell", bad, 0),
        lambda bad: project.surface_path(bad, "actin"),
        lambda bad: project.volume_path("cell", bad),
    ):
        with pytest.raises(TomosegError, match="cannot be a"):
            path(name)


@pytest.mark.parametrize("file", ["../cell.mrc", "/cell.mrc", "a/../../b.mrc", "C:/cell.mrc", "a\\..\\b.mrc", ""])
def test_a_list_that_points_out_of_the_folder_is_refused(project, file):
    with pytest.raises(TomosegError, match="no path inside the project folder"):
        TomogramEntry("cell", file)
    project.add_tomogram(ENTRY)
    data = json.loads((project.folder / "project.json").read_text())
    data["tomograms"][0]["file"] = file
    (project.folder / "project.json").write_text(json.dumps(data))
    with pytest.raises(TomosegError, match=r"project\.json holds a damaged tomogram .*restore the file"):
        project.tomogram_path("cell_bin4")


@pytest.mark.parametrize(
    "change",
    [{"shrink": 0}, {"shrink": "x"}, {"voxel_size": [1, 2]}, {"voxel_size": [1, 2, float("nan")]}, {"shape": None}],
)
def test_a_damaged_entry_is_one_sentence(project, change):
    project.add_tomogram(ENTRY)
    data = json.loads((project.folder / "project.json").read_text())
    data["tomograms"][0].update(change)
    (project.folder / "project.json").write_text(json.dumps(data))
    with pytest.raises(TomosegError, match=r"project\.json holds a damaged tomogram"):
        Project.open(project.folder)


def test_maps_for_merging_are_the_tomograms_own_or_else_of_its_finest_bin(project):
    for name, shrink in (("cell_bin8", 8), ("cell_bin4", 4), ("cell", 1), ("other", 1)):
        project.add_tomogram(TomogramEntry(name, f"tomograms/{name}.mrc", shrink=shrink))
    for feature in ("membrane", "actin", "ribosome"):
        project.add_feature(feature)
    maps = [
        ("cell_bin4", "membrane"),
        ("cell", "membrane"),
        ("cell_bin8", "actin"),
        ("cell", "actin"),
        ("other", "ribosome"),
    ]
    for tomogram, feature in maps:
        path = project.segmentation_path(tomogram, feature)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    assert project.maps_for_merging("cell_bin4") == {
        "membrane": project.segmentation_path("cell_bin4", "membrane"),
        "actin": project.segmentation_path("cell", "actin"),
    }
