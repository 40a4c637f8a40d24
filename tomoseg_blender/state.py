"""The open project, and its mirror in `scene.tomoseg`, which panels and polls read instead of files."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bpy
from bpy.types import Scene

from ..tomo import mrc, reasons
from ..tomo.boxes import NEGATIVE, POSITIVE
from ..tomo.errors import TomosegError
from ..tomo.geometry import Geometry
from ..tomo.labels import annotated_slices
from ..tomo.project import Project
from . import mask_mirror
from .keeping import KEEPER
from .network_facts import NetworkFacts, network_facts
from .scene.palette import srgb
from .scene.tomogram import find_tomogram


class _Mute:
    """Counts who writes properties now without wanting their update functions to act."""

    def __init__(self) -> None:
        self.depth = 0


_MUTE = _Mute()


@contextmanager
def muted() -> Iterator[None]:
    """Within this block update functions of `scene.tomoseg` do nothing: the mirror is written, not edited."""
    _MUTE.depth += 1
    try:
        yield
    finally:
        _MUTE.depth -= 1


def is_muted() -> bool:
    """True inside `muted()`."""
    return _MUTE.depth > 0


def project_folder(scene: Scene) -> Path | None:
    """The project folder as an absolute path, or None where no project was opened."""
    folder = scene.tomoseg.folder
    return Path(bpy.path.abspath(folder)) if folder else None


def open_project(scene: Scene) -> Project | None:
    """The scene's project, or None where there is none. Raises TomosegError if its folder is gone or damaged."""
    folder = project_folder(scene)
    if folder is None:
        return None
    if folder.is_absolute():
        project = Project.open(folder)
        project.read_only = KEEPER.refusal(folder)
        return project
    raise TomosegError(f"The project folder {scene.tomoseg.folder} is relative to a .blend that was never saved.")


def may_change(scene: Scene) -> bool:
    """True where the scene's project can be changed from here; claims it if nobody has it."""
    folder = project_folder(scene)
    return folder is not None and folder.is_absolute() and not KEEPER.refusal(folder)


def give_back_projects() -> None:
    """Let other Blenders change the projects that no scene shows any more."""
    folders = [project_folder(scene) for scene in bpy.data.scenes]
    KEEPER.keep_only([folder for folder in folders if folder is not None and folder.is_absolute()])


def require_project(scene: Scene) -> Project:
    """The scene's project; raises TomosegError where there is none."""
    project = open_project(scene)
    if project is None:
        raise TomosegError("No project is open: open or create a project folder first.")
    return project


def active_tomogram(scene: Scene) -> Any | None:
    """The tomogram (a property group) chosen in the list, or None."""
    return _active(scene.tomoseg.tomograms, scene.tomoseg.tomogram_index)


def active_feature(scene: Scene) -> Any | None:
    """The feature (a property group) chosen in the list, or None."""
    return _active(scene.tomoseg.features, scene.tomoseg.feature_index)


def _active(collection: Any, index: int) -> Any | None:
    return collection[index] if 0 <= index < len(collection) else None


def tomogram_named(scene: Scene, name: str) -> Any:
    """The tomogram `name`, or the active one for an empty name. Raises TomosegError if there is none."""
    found = scene.tomoseg.tomograms.get(name) if name else active_tomogram(scene)
    if found is None:
        raise TomosegError(
            f"Tomogram {name} is not in this project: import it first." if name else "Import a tomogram first."
        )
    return found


def feature_named(scene: Scene, name: str) -> Any:
    """The feature `name`, or the active one for an empty name. Raises TomosegError if there is none."""
    found = scene.tomoseg.features.get(name) if name else active_feature(scene)
    if found is None:
        raise TomosegError(f"Feature {name} is not in this project: add it first." if name else "Add a feature first.")
    return found


def hex_colour(feature: Any) -> str:
    """The feature's colour as '#rrggbb'."""
    return "#" + "".join(f"{round(255 * value):02x}" for value in feature.colour)


def open_data(project: Project, name: str) -> mrc.Tomogram:
    """A tomogram of the project, memory-mapped."""
    return mrc.open_tomogram(project.tomogram_path(name))


def refresh(scene: Scene) -> None:
    """Bring `scene.tomoseg` in line with the project's files: lists, counts, and why steps cannot run yet.

    Called after each change, on loading and on undo. A damaged or missing project becomes a sentence in the panel.
    """
    group = scene.tomoseg
    with muted():
        group.reasons.project = group.reasons.read_only = ""
        try:
            project = open_project(scene)
            group.reasons.read_only = "" if project is None else project.read_only
            if project is None:
                group.tomograms.clear()
                group.features.clear()
            else:
                _mirror_tomograms(group, project)
                _mirror_features(group, project)
            mask_mirror.mirror(group.masks, project, active_tomogram(scene))
            _mirror_reasons(scene, project)
        except TomosegError as error:
            group.reasons.project = str(error)
            group.reasons.next_step = str(error)
    give_back_projects()


def _mirror(collection: Any, names: list[str]) -> None:
    """Give a collection exactly these items in this order; items that stay keep their values."""
    for index in reversed(range(len(collection))):
        if collection[index].name not in names:
            collection.remove(index)
    for target, name in enumerate(names):
        index = collection.find(name)
        if index < 0:
            collection.add().name = name
            index = len(collection) - 1
        if index != target:
            collection.move(index, target)


def _mirror_tomograms(group: Any, project: Project) -> None:
    entries = project.tomograms()
    _mirror(group.tomograms, [entry.name for entry in entries])
    for item, entry in zip(group.tomograms, entries, strict=True):
        if tuple(item.shape) != entry.shape:
            item.shape = entry.shape
            item.slice_z, item.slice_y, item.slice_x = (size // 2 for size in entry.shape)
            item.low = item.high = 0.0  # imported anew: the contrast is chosen when it is shown
        known = Geometry(entry.voxel_size).voxel_size_known
        item.voxel_size = entry.voxel_size[0] if known else 0.0
        item.missing = not project.tomogram_path(entry.name).is_file()
        item.segmentations = len(project.maps_for_merging(entry.name))
        item.masked = project.mask_path(entry.name).is_file()
    group.tomogram_index = max(0, min(group.tomogram_index, len(group.tomograms) - 1))


def _mirror_features(group: Any, project: Project) -> None:
    features = project.features()
    _mirror(group.features, [feature.name for feature in features])
    boxes = project.boxes()
    names = [entry.name for entry in project.tomograms()]
    chosen = _active(group.tomograms, group.tomogram_index)
    maps = {} if chosen is None else project.maps_for_merging(chosen.name)
    for item, feature in zip(group.features, features, strict=True):
        item.colour, item.level, item.has_map = srgb(feature.colour), feature.threshold, feature.name in maps
        kinds = [box.kind for box in boxes if box.feature == feature.name]
        item.positives, item.negatives = kinds.count(POSITIVE), kinds.count(NEGATIVE)
        item.painted = sum(len(annotated_slices(project, name, feature.name)) for name in names)
        item.has_trainset = project.trainset_path(feature.name).is_file()
        network = project.network_path(feature.name)
        item.trained = network.is_file()
        facts = network_facts(network) if item.trained else NetworkFacts()
        item.threshold, item.learning_rate = facts.threshold, facts.learning_rate
    group.feature_index = max(0, min(group.feature_index, len(group.features) - 1))


def _mirror_reasons(scene: Scene, project: Project | None) -> None:
    tomogram, feature = active_tomogram(scene), active_feature(scene)
    tomogram_name = "" if tomogram is None else tomogram.name
    feature_name = "" if feature is None else feature.name
    checks: dict[str, Callable[[], str | None]] = {
        "no_project": lambda: reasons.missing_for_import(project),
        "no_tomogram": lambda: (
            reasons.missing_for_import(project) or ("" if tomogram_name else "Import a tomogram first.")
        ),
        "no_feature": lambda: reasons.missing_for_import(project) or ("" if feature_name else "Add a feature first."),
        "not_shown": lambda: "" if find_tomogram(scene.tomoseg.shown) else "Show a tomogram first.",
        "boxes": lambda: reasons.missing_for_boxes(project, tomogram_name, feature_name),
        "paint": lambda: reasons.missing_for_painting(project, tomogram_name, feature_name),
        "trainset": lambda: reasons.missing_for_trainset(project, feature_name),
        "train": lambda: reasons.missing_for_training(project, feature_name),
        "apply": lambda: reasons.missing_for_applying(project, feature_name),
        "merge": lambda: reasons.missing_for_merging(project, tomogram_name),
        "results": lambda: reasons.missing_for_mask_import(project, tomogram_name),
        "figure": lambda: reasons.missing_for_figure(project, tomogram_name),
        "next_step": lambda: reasons.next_step(project, tomogram_name, feature_name),
    }
    for name, check in checks.items():
        setattr(scene.tomoseg.reasons, name, check() or "")
    if not scene.tomoseg.reasons.paint:
        scene.tomoseg.reasons.paint = scene.tomoseg.reasons.not_shown
