"""After opening a .blend: what the project folder has that the .blend did not know, in one sentence."""

from pathlib import Path

import bpy

from ..tomo.boxes import Box
from ..tomo.project import Project
from .scene import boxes


def boxes_of_blend() -> list[Box]:
    """The boxes as the .blend that was just opened has them."""
    return boxes.scene_boxes()


def restored(project: Project, before: list[Box]) -> str | None:
    """What was taken from the project folder because it is newer than the .blend; None if nothing was.

    before: the boxes of the .blend, read before the project's were shown.
    """
    known = {box.id: box for box in before}
    tomograms = {box.tomogram for box in before}
    now = {box.id: box for box in project.boxes() if box.tomogram in tomograms}
    changed = sum(now.get(name) != known.get(name) for name in {*now, *known})
    painted = _newer_labels(project.folder / "labels", Path(bpy.data.filepath))
    parts = [
        f"{count} {noun}{'' if count == 1 else ending}"
        for count, noun, ending in ((changed, "box", "es"), (painted, "painted slice", "s"))
        if count
    ]
    return f"Restored {' and '.join(parts)} from the project folder, newer than this .blend." if parts else None


def _newer_labels(folder: Path, blend: Path) -> int:
    if not folder.is_dir() or not blend.is_file():
        return 0
    saved = blend.stat().st_mtime
    return sum(path.stat().st_mtime > saved for path in folder.glob("*/z*.mrc"))
