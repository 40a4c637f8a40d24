"""A folder that stood when a step began, and went away, does not come back with one file in it."""

import shutil
from pathlib import Path

import pytest

from tomo.errors import TomosegError
from tomo.files import locked, write_json
from tomo.project import Project
from tomo.standing import FolderGone, gone, standing, take_back


@pytest.fixture
def project(tmp_path):
    return Project.create(tmp_path / "2026" / "cell").folder


def test_what_is_written_into_a_project_that_moved_is_refused_in_the_words_of_the_window(project, tmp_path):
    with (
        pytest.raises(FolderGone, match=r"^The project folder .*cell is gone: put it back, or open the project where"),
        standing([project / "masks" / "cell__mask.mrc"]),
    ):
        project.rename(tmp_path / "moved")
        write_json(project / "masks" / "table.json", [1])
    assert not project.exists()
    assert sorted(path.name for path in (tmp_path / "moved").iterdir()) == ["project.json"]


def test_new_folders_are_made_as_long_as_the_old_ones_stand(project, tmp_path):
    with standing([project / "masks" / "cell__mask.mrc", tmp_path / "new" / "deep"]):
        write_json(project / "masks" / "table.json", [1])
        write_json(tmp_path / "new" / "deep" / "table.json", [2])
        with locked(tmp_path / "other"):
            pass
    assert (project / "masks" / "table.json").is_file() and (tmp_path / "new" / "deep" / "table.json").is_file()


def test_the_outermost_folder_is_named_and_nothing_of_it_is_made(tmp_path):
    output = tmp_path / "results" / "maps"
    output.mkdir(parents=True)
    with pytest.raises(FolderGone, match=r"^The folder .*maps is gone: put it back, or name"), standing([output]):
        shutil.rmtree(tmp_path / "results")
        write_json(output / "deeper" / "table.json", [1])
    assert not (tmp_path / "results").exists()


def test_a_folder_that_is_named_is_watched_from_when_it_is_made(tmp_path):
    """As results for a new folder on a share: its empty mount point stands, but nothing more may be written there."""
    output = tmp_path / "share" / "new"
    output.parent.mkdir()
    with pytest.raises(FolderGone, match=r"^The folder .*new is gone"), standing([output, tmp_path / "other"]):
        write_json(output / "maps" / "one.json", [1])
        output.rename(tmp_path / "away")
        write_json(output / "maps" / "two.json", [2])
    assert list((tmp_path / "share").iterdir()) == []
    write_json(output / "maps" / "three.json", [3])  # after the step as ever
    assert (output / "maps" / "three.json").is_file()


def test_a_folder_that_a_step_makes_and_takes_back_does_not_count_as_gone(tmp_path):
    output = tmp_path / "new"
    with pytest.raises(TomosegError, match="the reason"), standing([output]):
        write_json(output / "one.json", [1])
        take_back(output)
        shutil.rmtree(output)
        raise TomosegError("the reason")


def test_a_drive_that_went_away_under_its_mount_point_is_not_written_to(project):
    with pytest.raises(FolderGone), standing([project]):
        (project / "project.json").unlink()  # what an empty mount point looks like
        write_json(project / "networks" / "bar.json", [1])
    assert list(project.iterdir()) == []


def test_a_file_that_is_missing_with_its_folder_is_told_as_that(project, tmp_path):
    with pytest.raises(FolderGone, match="is gone"), standing([project]):
        project.rename(tmp_path / "moved")
        Project.open(project)


def test_other_errors_stay_what_they_are_while_all_folders_stand(project):
    with pytest.raises(TomosegError, match="no tomogram 'x'"), standing([project]):
        Project.open(project).tomogram("x")
    with pytest.raises(FileNotFoundError), standing([project]):
        (project / "none").read_bytes()


def test_after_the_step_folders_are_made_as_ever(project, tmp_path):
    with standing([project]):
        pass
    project.rename(tmp_path / "moved")
    write_json(project / "table.json", [1])
    assert (project / "table.json").is_file()


def test_a_name_that_is_too_long_is_told_by_whoever_writes_it(tmp_path):
    with pytest.raises(TomosegError, match="its name is too long"), standing([tmp_path / ("n" * 300) / "table.json"]):
        write_json(tmp_path / ("n" * 300) / "table.json", [1])


def test_a_folder_that_cannot_be_looked_into_is_not_called_gone(project, monkeypatch):
    def refused(_path):
        raise PermissionError(13, "Permission denied")

    with standing([project]):
        monkeypatch.setattr(Path, "is_file", refused)
        monkeypatch.setattr(Path, "is_dir", refused)
        assert gone(project / "boxes.json") is None
