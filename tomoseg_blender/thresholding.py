"""One threshold per feature: kept in the project, and the feature's surface made anew once the slider stands still.

First comes a coarse surface of every n-th voxel, within a second or two, then the full one in its place.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy
from bpy.types import Scene

from ..tomo import mrc
from ..tomo.errors import TomosegError
from ..tomo.geometry import Geometry
from . import jobs, state, viewing
from .scene import components, marks, meshes
from .scene.units import SHOWN_VOXEL_SIZE
from .worker import HANDLE

STILL_SECONDS = 0.3  # without a move before the surface is made
AGAIN_SECONDS = 0.5  # until a busy worker is asked again
PREVIEW_SIDE = 144  # voxels along the longest side of a coarse surface
PREVIEW = {"smoothing": 4, "triangles": 0}  # merging triangles would take longer than showing them
STEP = "merge"  # the panel that shows these jobs


@dataclass
class _Waiting:
    """Features whose surface is to be made anew, and our own job; not in the scene, where undo would turn it back."""

    since: float = 0.0
    features: dict[str, set[str]] = field(default_factory=dict)
    job: Any = None
    cancelled: str = ""


_WAITING = _Waiting()


def changed(scene: Scene, feature: str) -> None:
    """A feature's threshold was moved. Nothing slow happens here: it is called for each step of a drag."""
    if bpy.app.background:
        keep_levels(scene)
        return
    viewing.redraw("VIEW_3D")
    _WAITING.since = time.monotonic()
    _WAITING.features.setdefault(scene.name, set()).add(feature)
    if not bpy.app.timers.is_registered(settle):
        bpy.app.timers.register(settle, first_interval=STILL_SECONDS)


def keep_levels(scene: Scene) -> int:
    """Write the thresholds that differ to the project; returns how many."""
    project = state.open_project(scene)
    if project is None or project.read_only:
        return 0
    count = 0
    for saved in project.features():
        row = scene.tomoseg.features.get(saved.name)
        if row is not None and abs(row.level - saved.threshold) > 1e-6:
            project.set_threshold(saved.name, round(row.level, 6))
            count += 1
    return count


def settle() -> float | None:
    """Timer: once the slider stands still, keep the threshold and make the surface; ends when nothing waits."""
    left = STILL_SECONDS - (time.monotonic() - _WAITING.since)
    if left > 0:
        return left
    for name in list(_WAITING.features):
        scene = bpy.data.scenes.get(name)
        try:
            if scene is None or not _settled(scene, _WAITING.features[name]):
                continue
        except TomosegError as error:
            if scene is not None:
                scene.tomoseg.reasons.next_step = str(error)
        _WAITING.features.pop(name, None)
    return AGAIN_SECONDS if _WAITING.features else None


def _settled(scene: Scene, features: set[str]) -> bool:
    """Keep the thresholds; start the surface of the next waiting feature. False while some still wait."""
    keep_levels(scene)
    item = state.active_tomogram(scene)
    if not scene.tomoseg.masks.follow or item is None:
        return True
    project = state.require_project(scene)
    for feature in sorted(features):
        if not project.segmentation_path(item.name, feature).is_file():
            features.discard(feature)
    if not features:
        return True
    job = jobs.running()
    if job is not None:
        if job is _WAITING.job and not job.cancelling:
            _WAITING.cancelled = job.title
            jobs.cancel()  # a surface at a threshold that counts no more
        return False
    if _WAITING.cancelled and HANDLE.outcome is not None and HANDLE.outcome.title == _WAITING.cancelled:
        HANDLE.outcome = None  # nothing that the person cancelled
    _WAITING.cancelled = ""
    outline_map(scene, item.name, features.pop(), preview=True)
    return not features


def outline_map(scene: Scene, name: str, feature: str, *, preview: bool) -> str:
    """Make the surface of a feature's map at its threshold in the worker. preview: first a coarse one.

    Raises TomosegError where there is no map.
    """
    project, row = state.require_project(scene), state.feature_named(scene, feature)
    path = project.segmentation_path(name, feature)
    if not path.is_file():
        raise TomosegError(f"There is no map of {feature} in {name}: apply its network first, or import a map.")
    opened = mrc.open_tomogram(path)
    sample = max(1, -(-max(opened.shape) // PREVIEW_SIDE)) if preview else 1
    params: dict[str, Any] = {"mask": str(path), "threshold": row.level, "sample": sample, **shown_size(opened)}
    chosen = scene.tomoseg.surface
    if sample > 1:
        params |= {**PREVIEW, "output": str(project.folder / "previews")}
    else:
        settings = {"smoothing": chosen.smoothing, "triangles": chosen.triangles, "open_border": chosen.open_border}
        params |= {**settings, "output": str(project.folder / "surfaces")}
    colour, level = state.hex_colour(row), row.level

    def done(scene: Scene, result: dict[str, Any]) -> str:
        _show(scene, name, feature, colour, result)
        if sample > 1:
            outline_map(scene, name, feature, preview=False)
        return f"Surface of {feature} at {level:.2f}."

    sentence = jobs.start(scene, STEP, f"Surface of {feature} at {level:.2f}", ("surface", params), done)
    _WAITING.job = HANDLE.job
    return sentence


def shown_size(opened: mrc.Tomogram) -> dict[str, float]:
    """The worker's option for a voxel size that is unknown: surfaces are then drawn as the tomogram is, at 10 Å."""
    known = Geometry(opened.geometry.voxel_size).voxel_size_known
    return {} if known else {"voxel_size": SHOWN_VOXEL_SIZE}


def _show(scene: Scene, name: str, feature: str, colour: str, result: dict[str, Any]) -> None:
    """Put the surface into the scene; where the map is nowhere above the threshold, an old one becomes empty."""
    empty = viewing.empty_of(scene, name)
    for entry in result["surfaces"]:
        surface = meshes.import_surface(Path(entry["path"]), empty, feature, colour)
        for told in ("mask", "stamp", "value", "number"):  # it shows a map now: no component can be picked on it
            surface.pop(f"tomoseg_{told}", None)
        marks.mark(surface, meshes.KIND, label=components.label_of(surface))
    state.refresh(scene)
