"""Writing VDB files from the project's masks, maps and tomograms: here in background mode, else in a second Blender."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
from bpy.types import Scene

from ..tomo import mrc
from . import child_blender, jobs
from .scene import vdb


def steps(wanted: dict[str, Any]) -> Iterator[float]:
    """Write what `request_for_labels` or `request_for_map` describes; yields the fraction that is done."""
    opened = mrc.open_tomogram(Path(wanted["source"]))
    half, most = wanted["half"], wanted["most"]
    if "labels" in wanted:
        files = {int(value): (name, Path(path)) for value, (name, path) in wanted["labels"].items()}
        return vdb.label_vdb_steps(opened.data, files, opened.geometry, half, most)
    path, feature, low, high = (wanted[name] for name in ("path", "feature", "low", "high"))
    return vdb.map_vdb_steps(opened.data, Path(path), feature, opened.geometry, low, high, half, most)


def request_for_labels(scene: Scene, source: Path, files: dict[int, tuple[str, Path]]) -> dict[str, Any]:
    """One VDB for each label of a mask: {value: (feature, path)}."""
    labels = {str(value): [name, str(path)] for value, (name, path) in files.items()}
    return {"source": str(source), "labels": labels, **_options(scene)}


def request_for_map(scene: Scene, source: Path, feature: str, path: Path, low: float, high: float) -> dict[str, Any]:
    """One VDB of a map or tomogram, empty up to `low` and full from `high` on."""
    ends = {"low": float(low), "high": float(high)}
    return {"source": str(source), "feature": feature, "path": str(path), **ends, **_options(scene)}


def _options(scene: Scene) -> dict[str, Any]:
    options = scene.tomoseg.volume
    return {"half": options.half, "most": options.most * 1e6}


def start(scene: Scene, title: str, wanted: list[dict[str, Any]], done: jobs.OnDone) -> str:
    """Write all that is wanted, then call `done`; a window stays alive meanwhile. Returns a sentence for the user."""
    if bpy.app.background:
        return jobs.start_here(scene, "results", title, all_steps(wanted), done)
    return child_blender.start_function(
        scene, "results", title, (__name__, "run"), wanted, lambda found: done(found, {})
    )


def all_steps(wanted: list[dict[str, Any]]) -> Iterator[float]:
    """The steps of several requests, one after the other."""
    for number, request in enumerate(wanted):
        for fraction in steps(request):
            yield (number + fraction) / len(wanted)


def run(wanted: list[dict[str, Any]]) -> None:
    """In the second Blender: write all, and tell how far it is."""
    for fraction in all_steps(wanted):
        child_blender.tell(fraction, "Writing volumes")


def binned(shape: tuple[int, ...], scene: Scene) -> str:
    """What there is to say about the binning of a volume of this shape, or nothing."""
    factor = vdb.bin_factor(shape, scene.tomoseg.volume.most * 1e6)
    if factor == 1:
        return ""
    return f"It was binned by {factor}, to at most {scene.tomoseg.volume.most:g} million voxels."
