"""The masks of a tomogram: which one counts now, its labels' names and colours, and what shows them in the scene."""

from pathlib import Path
from typing import Any

import bpy
from bpy.types import Scene

from ..tomo import mrc
from ..tomo.errors import TomosegError
from ..tomo.label_table import LabelEntry, label_table_path, load_label_table, save_label_table
from ..tomo.mask_checks import check_same_size
from ..tomo.names import check_feature_name
from ..tomo.project import Project
from . import mask_mirror, state
from .scene import components, marks, materials, meshes, recolour, tomogram, volumes
from .scene.palette import linear, srgb


def current_mask(scene: Scene, name: str) -> Path | None:
    """The mask of tomogram `name` that counts now, or None."""
    item = scene.tomoseg.tomograms.get(name)
    return None if item is None else mask_mirror.current_mask(state.require_project(scene), item)


def mask_of(scene: Scene, name: str, filepath: str) -> Path:
    """The mask named, or the tomogram's current one. Raises TomosegError if there is none, or if the one in the
    project's folder has another size than the tomogram."""
    path = Path(bpy.path.abspath(filepath)) if filepath else current_mask(scene, name)
    if path is None or not path.is_file():
        missing = state.require_project(scene).mask_path(name) if path is None else path
        raise TomosegError(f"There is no mask {missing}: merge the maps of {name} first, or choose a mask's file.")
    if is_own(state.require_project(scene), path):
        shape, wanted = mrc.open_tomogram(path).shape, tuple(scene.tomoseg.tomograms[name].shape)
        check_same_size(path, shape, name, wanted, "merge again, or choose its own mask")
    return path


def choose_mask(scene: Scene, name: str, mask: Path) -> None:
    """Let `mask`, a file in the project's folder of masks, be the tomogram's current one, and list its labels."""
    item = scene.tomoseg.tomograms.get(name)
    if item is not None:
        item.mask = mask.name
    state.refresh(scene)


def stamp_of(mask: Path) -> str:
    """What tells one state of a mask's file from another."""
    try:
        told = mask.stat()
    except OSError as error:
        raise TomosegError(f"The mask {mask} is gone ({error.strerror}): restore it, or merge again.") from error
    return f"{told.st_mtime_ns}-{told.st_size}"


def listed(scene: Scene) -> list[LabelEntry]:
    """The labels as the panel's list has them now."""
    return [LabelEntry(row.value, row.name, state.hex_colour(row)) for row in scene.tomoseg.masks.labels]


def keep_table(scene: Scene) -> bool:
    """After undo and redo: write names and colours of the list to the mask's table where they differ; True if so."""
    group, project = scene.tomoseg.masks, state.open_project(scene)
    if not group.file or project is None or project.read_only:
        return False
    table = label_table_path(project.folder / "masks" / group.file)
    saved, now = load_label_table(table), listed(scene)
    if not saved or saved == now or {one.value for one in saved} != {one.value for one in now}:
        return False
    save_label_table(table, now)
    return True


def save_listed(scene: Scene) -> Path:
    """Write the list to the table of its mask; returns the table's path. Raises TomosegError if there is no mask."""
    if not scene.tomoseg.masks.file:
        raise TomosegError("No mask is listed: merge maps into a mask, or import one first.")
    project = state.require_project(scene)
    project.require_writable()
    table = label_table_path(project.folder / "masks" / scene.tomoseg.masks.file)
    save_label_table(table, listed(scene))
    return table


def set_colour(scene: Scene, feature: str, colour: str) -> None:
    """Give a feature another colour ('#rrggbb') everywhere: project, label table, list, materials."""
    project = state.require_project(scene)
    if any(one.name == feature and one.colour != colour for one in project.features()):
        project.set_colour(feature, colour)
    with state.muted():
        for row in (*scene.tomoseg.masks.labels, *scene.tomoseg.features):
            if row.name == feature and state.hex_colour(row) != colour:
                row.colour = srgb(colour)
    if any(row.name == feature for row in scene.tomoseg.masks.labels):
        save_listed(scene)
    recolour.recolour(feature, colour)


def rename(scene: Scene, row: Any, name: str) -> None:
    """Give a label of the listed mask another name, in its table and in what shows it.

    Raises TomosegError for a name that cannot be part of file names, or that another label has; the row then has its
    old name again.
    """
    before = row.known_as
    try:
        name = check_feature_name(name)
        if any(other.value != row.value and other.name == name for other in scene.tomoseg.masks.labels):
            raise TomosegError(f"Another label of {scene.tomoseg.masks.file} is called {name}: use another name.")
    except TomosegError:
        with state.muted():
            row.name = before
        raise
    with state.muted():
        row.name = row.known_as = name
    save_listed(scene)
    item = state.active_tomogram(scene)
    empty = None if item is None else tomogram.find_tomogram(item.name)
    if empty is not None:
        _rename_shown(empty, before, name, state.hex_colour(row))


def _rename_shown(empty: Any, before: str, name: str, colour: str) -> None:
    """Surfaces and volumes of a label follow its name; names and materials that the person gave them stay."""
    for shown in (*meshes.surfaces(empty), *volumes.volumes(empty)):
        own = str(marks.value_of(shown, "feature", ""))
        if own != before and components.label_of(shown) != before:
            continue
        new = name + own[len(before) :] if own.startswith(before) else name
        if shown.name == own:
            shown.name = new
        shown["tomoseg_feature"] = new
        if marks.value_of(shown, "label"):
            shown["tomoseg_label"] = name
        if shown.type == "MESH" and shown.data.materials:
            old = marks.first_marked(bpy.data.materials, materials.FEATURE_KIND, feature=own)
            if old is not None and shown.data.materials[0] == old:
                shown.data.materials[0] = materials.feature_material(new, colour)
                shown.color = linear(colour)


def label_value(scene: Scene, name: str) -> int:
    """The integer of the listed label called `name`, or of the chosen one for an empty name. Raises TomosegError."""
    group = scene.tomoseg.masks
    row = group.labels.get(name) if name else None
    if not name and 0 <= group.label_index < len(group.labels):
        row = group.labels[group.label_index]
    if row is None:
        known = ", ".join(one.name for one in group.labels) or "none"
        raise TomosegError(f"The mask has no label {name!r}: its labels are {known}.")
    return int(row.value)


def is_own(project: Project, mask: Path) -> bool:
    """True for a file in the project's own folder of masks."""
    return mask.parent.resolve() == (project.folder / "masks").resolve()
