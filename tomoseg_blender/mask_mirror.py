"""Which mask of a tomogram counts, and the mirror of its label table in `scene.tomoseg.masks`."""

from pathlib import Path
from typing import Any

from ..tomo.label_table import label_table_path, load_label_table
from ..tomo.mask_names import version_of
from ..tomo.project import Project
from .scene.palette import srgb


def current_mask(project: Project, item: Any) -> Path | None:
    """The tomogram's mask: the one imported or corrected last, else the newest version of the merged one, or None.

    item: the tomogram's property group.
    """
    if item.mask and (path := project.folder / "masks" / item.mask).is_file():
        return path
    own = project.mask_path(item.name)
    versions = [path for path in own.parent.glob("*.mrc") if version_of(path)[0] == version_of(own)[0]]
    return max(versions, key=lambda path: (path.stat().st_mtime_ns, version_of(path)[1]), default=None)


def mirror(group: Any, project: Project | None, item: Any | None) -> None:
    """List the labels of a tomogram's mask as its table has them; reads one small file. Call it within `muted()`.

    group: `scene.tomoseg.masks`. Raises TomosegError for a damaged table.
    """
    path = current_mask(project, item) if project is not None and item is not None else None
    entries = load_label_table(label_table_path(path)) if path is not None else []
    group.file = "" if path is None else path.name
    while len(group.labels) > len(entries):
        group.labels.remove(len(group.labels) - 1)
    for number, entry in enumerate(entries):
        row = group.labels[number] if number < len(group.labels) else group.labels.add()
        row.value, row.name, row.known_as, row.colour = entry.value, entry.name, entry.name, srgb(entry.colour)
    group.label_index = max(0, min(group.label_index, len(entries) - 1))
