"""Folders that stood when a step began: nothing that is written below one of them makes it anew.

A project folder that a person moves, renames or deletes while a step runs would else come back at its old place, with
one file in it, and the result would be missing where the project is now.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import TomosegError

PROJECT_FILE = "project.json"


class FolderGone(TomosegError):
    """A folder that stood when the step began was moved, renamed or deleted since."""


@dataclass(frozen=True)
class Folder:
    """One of them; of a project also its list must be there, since an empty mount point is a folder, too."""

    path: Path
    is_project: bool

    @property
    def stands(self) -> bool:
        try:
            return (self.path / PROJECT_FILE).is_file() if self.is_project else self.path.is_dir()
        except OSError:  # no permission to look, a drive that does not answer: that is told by whoever writes there
            return True

    def __str__(self) -> str:
        if self.is_project:
            return f"The project folder {self.path} is gone: put it back, or open the project where it is now."
        return f"The folder {self.path} is gone: put it back, or name it where it is now, and start the step again."


_to_make: list[tuple[Path, list[Folder]]] = []  # named folders that were not there, and where to add them once they are
_watched: list[Folder] = []  # by the step, or the part of one, that this process does: one at a time


@contextmanager
def standing(paths: Iterable[Path]) -> Iterator[None]:
    """Within the block, no folder that holds one of `paths` and stands now is made anew by `make_folder`.

    Nor is one of `paths` itself, once `make_folder` has made it. Raises FolderGone in place of another TomosegError or
    OSError where one of them has gone: that is the reason.
    """
    places = [path.absolute() for path in paths]
    own = list(dict.fromkeys(folder for place in places for folder in _folders_of(place)))
    to_make = [(place, own) for place in places if not os.path.lexists(place)]
    _to_make.extend(to_make)
    try:
        with _watching(own):
            yield
    finally:
        for one in to_make:
            _to_make.remove(one)


@contextmanager
def still_standing(folders: Iterable[Folder]) -> Iterator[None]:
    """As `standing`, of folders that stood when another process, `watched` there, began the step that this is part of.

    They may be gone before this part begins.
    """
    with _watching(list(dict.fromkeys(folders))):
        yield


@contextmanager
def _watching(own: list[Folder]) -> Iterator[None]:
    _watched.extend(own)
    try:
        yield
    except (OSError, TomosegError) as error:
        if isinstance(error, FolderGone) or (missing := first_gone(_watched)) is None:
            raise
        raise missing from error
    finally:
        for folder in own:
            _watched.remove(folder)


def _folders_of(path: Path) -> Iterator[Folder]:
    """The nearest folder of a path that is there, and the project around it."""
    there = [place for place in (path.absolute(), *path.absolute().parents) if _is_folder(place)]
    if there:
        yield Folder(there[0], (there[0] / PROJECT_FILE).is_file())
    for place in there[1:]:
        if (place / PROJECT_FILE).is_file():
            yield Folder(place, is_project=True)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long, no permission to look
        return False


def watched(paths: Iterable[Path]) -> tuple[Folder, ...]:
    """The folders watched now that hold one of `paths`."""
    places = [path.absolute() for path in paths]
    return tuple(dict.fromkeys(one for one in _watched if any(place.is_relative_to(one.path) for place in places)))


def first_gone(folders: Iterable[Folder]) -> FolderGone | None:
    """The error that names the outermost of them that is gone; None where all stand."""
    missing = [one for one in folders if not one.stands]
    return FolderGone(str(min(missing, key=lambda one: len(one.path.parts)))) if missing else None


def gone(path: Path) -> FolderGone | None:
    """The error that names the outermost watched folder around a path that is gone; None for none."""
    return first_gone(watched([path]))


def make_folder(folder: Path) -> None:
    """Make a folder and those around it, but none that stood when the step began. Raises FolderGone and OSError."""
    place = folder.absolute()
    stood = [one.path for one in watched([folder])]
    if not stood:
        folder.mkdir(parents=True, exist_ok=True)
        return
    _make_below(place, stood)
    for named, own in _to_make:
        if place.is_relative_to(named) and (made := Folder(named, is_project=False)) not in own:
            own.append(made)
            _watched.append(made)


def take_back(folder: Path) -> None:
    """Tell that the step itself removes a folder that it has made: it does not count as gone."""
    for named, own in _to_make:
        if named == folder.absolute() and (made := Folder(named, is_project=False)) in own:
            own.remove(made)
            _watched.remove(made)


def _make_below(place: Path, stood: list[Path]) -> None:
    if (missing := gone(place)) is not None:
        raise missing
    base = max(stood, key=lambda path: len(path.parts))
    try:
        for one in (*reversed(place.parents), place):  # one by one: were it to go away now, this makes it not anew
            if one != base and one.is_relative_to(base):
                one.mkdir(exist_ok=True)
    except FileNotFoundError as error:
        raise gone(place) or error from error
