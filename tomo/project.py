"""The project folder: every box, label, network and result is a file in it, under a readable name."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from . import boxes, features
from .boxes import Box
from .errors import TomosegError
from .features import Feature
from .files import locked, read_list, write_json
from .geometry import Triple
from .label_table import label_table_path
from .labels import slice_file_name
from .names import bin_suffix_of, check_feature_name, check_tomogram_name, result_name
from .standing import PROJECT_FILE, Folder

SCHEMA = 1


@dataclass(frozen=True)
class TomogramEntry:
    """A tomogram of the project.

    file: path relative to the project folder, with "/". source: where it was imported from, as text.
    shrink: how many voxels of the source one voxel spans. variant: "raw", "denoised" …
    family: shared by all bins and variants of one tomogram, its own name without `_bin4` by default.
    preprocessing: the MRC label that says what was done, or "". voxel_size: Å (x, y, z), 0 or 1 unknown.
    shape: [z, y, x] in voxels.
    """

    name: str
    file: str
    source: str = ""
    shrink: int = 1
    variant: str = "raw"
    family: str = ""
    preprocessing: str = ""
    voxel_size: Triple = (0.0, 0.0, 0.0)
    shape: tuple[int, int, int] = (0, 0, 0)

    def __post_init__(self) -> None:
        check_tomogram_name(self.name)
        check_inside(self.file)
        if self.shrink < 1 or len(self.voxel_size) != 3 or not all(map(math.isfinite, self.voxel_size)):
            raise TomosegError(f"{self.name} has an impossible shrink or voxel size: import the tomogram again.")
        if not self.family:
            object.__setattr__(self, "family", bin_suffix_of(self.name)[0])


LONGEST_FILE_NAME = 255  # bytes; no usual disk takes more


def check_inside(file: str) -> str:
    """`file` if it is a relative path that stays in the project folder; raises TomosegError otherwise."""
    path = PurePosixPath(file)
    too_long = any(len(part.encode(errors="replace")) > LONGEST_FILE_NAME for part in path.parts)
    if not file or path.is_absolute() or ".." in path.parts or too_long or any(sign in file for sign in "\\:\0"):
        raise TomosegError(f"{file!r} is no path inside the project folder: import the tomogram again.")
    return file


class Project:
    """A project folder. Its lists are read anew at each call, since the worker changes them too.

    read_only: why nothing may be changed from here, one sentence, or "".
    """

    def __init__(self, folder: Path, read_only: str = "") -> None:
        self.folder = folder
        self.read_only = read_only

    @classmethod
    def create(cls, folder: Path) -> "Project":
        """Make `folder` a project, or open the one that is there. Raises TomosegError if that is impossible."""
        if folder.exists() and not folder.is_dir():
            raise TomosegError(f"{folder} is a file: choose a folder for the project.")
        if not (folder / PROJECT_FILE).exists():
            write_json(folder / PROJECT_FILE, {"schema": SCHEMA, "tomograms": []})
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path) -> "Project":
        """Open a project folder. Raises TomosegError if it is none or was made by a newer Tomoseg."""
        if not (folder / PROJECT_FILE).is_file():
            raise TomosegError(f"{folder} is no Tomoseg project (it has no {PROJECT_FILE}): choose another folder.")
        project = cls(folder)
        project.tomograms()
        return project

    def require_writable(self) -> None:
        """Raise TomosegError where nothing may be changed, or where the project's folder went away in the meantime."""
        if self.read_only:
            raise TomosegError(self.read_only)
        if not (self.folder / PROJECT_FILE).is_file():
            raise TomosegError(str(Folder(self.folder, is_project=True)))

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Change the project's lists, one process at a time. Raises TomosegError where that is not allowed."""
        self.require_writable()
        with locked(self.folder):
            yield

    # Lists

    def tomograms(self) -> list[TomogramEntry]:
        """All tomograms in the order of their import."""
        path = self.folder / PROJECT_FILE
        return [_entry_from(entry, path) for entry in read_list(path, "tomograms", SCHEMA)]

    def tomogram(self, name: str) -> TomogramEntry:
        """The tomogram called `name`; raises TomosegError if there is none."""
        for entry in self.tomograms():
            if entry.name == name:
                return entry
        raise TomosegError(f"There is no tomogram {name!r} in {self.folder}: import it first.")

    def family(self, name: str) -> list[TomogramEntry]:
        """All bins and variants of the tomogram called `name`, itself included."""
        family = self.tomogram(name).family
        return [entry for entry in self.tomograms() if entry.family == family]

    def add_tomogram(self, entry: TomogramEntry) -> None:
        """Add a tomogram, or replace the entry of the same name (imported again)."""
        with self.changing():
            entries = self.tomograms()
            _refuse_lookalike(entry.name, [other.name for other in entries])
            kept = [entry if other.name == entry.name else other for other in entries]
            self._save(kept if entry in kept else [*kept, entry])

    def remove_tomogram(self, name: str) -> None:
        """Take a tomogram off the list; its files stay."""
        with self.changing():
            self._save([entry for entry in self.tomograms() if entry.name != name])

    def _save(self, entries: list[TomogramEntry]) -> None:
        write_json(self.folder / PROJECT_FILE, {"schema": SCHEMA, "tomograms": [asdict(entry) for entry in entries]})

    def features(self) -> list[Feature]:
        """All features in the order in which they were added, which is the order of the labels at merge."""
        return features.load_features(self.folder / "features.json")

    def add_feature(self, name: str, colour: str | None = None) -> Feature:
        """Add a feature; raises TomosegError if the name is taken or cannot be part of a file's name."""
        name = check_feature_name(name)
        with self.changing():
            present = self.features()
            _refuse_lookalike(name, [feature.name for feature in present], same_too=True)
            feature = Feature(name, colour or features.next_colour(present))
            features.save_features(self.folder / "features.json", [*present, feature])
        return feature

    def set_colour(self, name: str, colour: str) -> None:
        """Give the feature called `name` another colour."""
        with self.changing():
            changed = [replace(each, colour=colour) if each.name == name else each for each in self.features()]
            features.save_features(self.folder / "features.json", changed)

    def set_threshold(self, name: str, threshold: float) -> None:
        """Give the feature called `name` another threshold, in amplitude units."""
        with self.changing():
            changed = [replace(one, threshold=threshold) if one.name == name else one for one in self.features()]
            features.save_features(self.folder / "features.json", changed)

    def remove_feature(self, name: str) -> None:
        """Take a feature off the list; its labels, networks and results stay."""
        with self.changing():
            kept = [feature for feature in self.features() if feature.name != name]
            features.save_features(self.folder / "features.json", kept)

    def boxes(self) -> list[Box]:
        """All boxes of all tomograms and features."""
        return boxes.load_boxes(self.folder / "boxes.json")

    def save_boxes(self, all_boxes: list[Box]) -> None:
        """Replace all boxes of the project."""
        with self.changing():
            boxes.save_boxes(self.folder / "boxes.json", all_boxes)

    # Paths: every name is checked, so that nothing outside the folder is ever written

    def tomogram_path(self, name: str) -> Path:
        """Where the tomogram called `name` is, or would be imported to."""
        check_tomogram_name(name)
        known = next((entry.file for entry in self.tomograms() if entry.name == name), f"tomograms/{name}.mrc")
        return self.folder / known

    def label_folder(self, tomogram: str, feature: str) -> Path:
        """The folder of the painted slices of one feature in one tomogram."""
        return self.folder / "labels" / _result(tomogram, feature)

    def label_path(self, tomogram: str, feature: str, z: int) -> Path:
        """The painted slice `z`."""
        return self.label_folder(tomogram, feature) / slice_file_name(z)

    def trainset_path(self, feature: str) -> Path:
        """The training set of a feature."""
        return self.folder / "trainsets" / f"{check_feature_name(feature)}.npz"

    def network_path(self, feature: str) -> Path:
        """The trained network of a feature."""
        return self.folder / "networks" / f"{check_feature_name(feature)}.safetensors"

    def triplets_path(self, feature: str) -> Path:
        """The triplet sheet of a feature's training; the stack, scores and loss curve lie beside it."""
        return self.folder / "triplets" / f"{check_feature_name(feature)}.png"

    def segmentation_path(self, tomogram: str, feature: str) -> Path:
        """The map that the feature's network makes of the tomogram."""
        return self.folder / "segmentations" / f"{_result(tomogram, feature)}.mrc"

    def mask_path(self, tomogram: str) -> Path:
        """The integer mask that merging makes of a tomogram's maps."""
        return self.folder / "masks" / f"{result_name(check_tomogram_name(tomogram), 'mask')}.mrc"

    def label_table_path(self, mask: Path) -> Path:
        """The label table beside a mask."""
        return label_table_path(mask)

    def surface_path(self, tomogram: str, feature: str) -> Path:
        """The mesh of one label, in Å."""
        return self.folder / "surfaces" / f"{_result(tomogram, feature)}.ply"

    def volume_path(self, tomogram: str, feature: str) -> Path:
        """The VDB volume of one label."""
        return self.folder / "volumes" / f"{_result(tomogram, feature)}.vdb"

    def figure_path(self, name: str) -> Path:
        """A rendered picture."""
        return self.folder / "figures" / f"{check_tomogram_name(name)}.png"

    def maps_for_merging(self, tomogram: str) -> dict[str, Path]:
        """The map of each feature that has one, in the order of the features.

        Where a feature was not applied to this tomogram, the map of its least shrunk bin or variant
        counts; merging brings maps of unlike bins to one size.
        """
        family = sorted(self.family(tomogram), key=lambda entry: (entry.name != tomogram, entry.shrink))
        found: dict[str, Path] = {}
        for feature in self.features():
            paths = (self.segmentation_path(entry.name, feature.name) for entry in family)
            if path := next((path for path in paths if path.is_file()), None):
                found[feature.name] = path
        return found


def _result(tomogram: str, feature: str) -> str:
    return result_name(check_tomogram_name(tomogram), check_feature_name(feature))


def _refuse_lookalike(name: str, present: list[str], *, same_too: bool = False) -> None:
    """Windows and macOS take `Actin` and `actin` for one file: refuse the second."""
    for other in present:
        if other.casefold() == name.casefold() and (same_too or other != name):
            raise TomosegError(f"{name!r} cannot be told apart from {other!r}, which is there: use another name.")


def _entry_from(entry: Any, path: Path) -> TomogramEntry:
    try:
        x, y, z = (float(value) for value in entry["voxel_size"])
        depth, height, width = (int(value) for value in entry["shape"])
        texts = {key: str(entry[key]) for key in ("name", "file", "source", "variant", "family", "preprocessing")}
        return TomogramEntry(**texts, shrink=int(entry["shrink"]), voxel_size=(x, y, z), shape=(depth, height, width))
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError, TomosegError) as error:
        raise TomosegError(f"{path} holds a damaged tomogram ({str(entry)[:60]}): restore the file.") from error
