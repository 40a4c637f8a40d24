"""Steps 7 to 9 for many tomograms: apply all networks, merge, measure and make surfaces, on all cores or a cluster."""

from typing import Any

import bpy
from bpy.props import StringProperty
from bpy.types import Context, Operator, Scene

from ...tomo.errors import TomosegError
from ...tomo.words import counted
from .. import jobs, state
from ..settings import BatchSettings, settings_of
from .apply import named_tomograms
from .common import Action

SHARED = ("numbers", "threads", "memory", "device", "rescale", "half")  # with applying to one tomogram


class TOMOSEG_OT_batch(BatchSettings, Action, Operator):
    bl_idname = "tomoseg.batch"
    bl_label = "Segment Chosen"
    bl_description = (
        "For all tomograms ticked in the list: apply the network of every feature that has one, merge, measure, and "
        "make surfaces. Goes on where an earlier run stopped"
    )
    bl_options = {"REGISTER"}
    needs = "apply"
    waits = True

    tomograms: StringProperty(  # type: ignore[valid-type]
        name="Tomograms", description="Names separated by semicolons; empty: those ticked", options={"SKIP_SAVE"}
    )

    def act(self, context: Context) -> str:
        scene = context.scene
        names = named_tomograms(scene, self.tomograms, ticked=not self.tomograms)
        options = settings_of(self, context, "batch", BatchSettings)
        request = batch_request(scene, names, options)
        noun = "tomogram" if len(names) == 1 else "tomograms"
        return jobs.start(scene, "batch", f"Segmenting {len(names)} {noun}", ("batch", request), _segmented)


def batch_request(scene: Scene, names: list[str], options: dict[str, Any]) -> dict[str, Any]:
    """The parameters of the worker's batch: its results become those of the project. Raises TomosegError."""
    project, group = state.require_project(scene), scene.tomoseg
    features = [feature for feature in group.features if project.network_path(feature.name).is_file()]
    if not features:
        raise TomosegError("No feature has a network yet: train one first.")
    own = "threshold" if group.merge.trained_thresholds else "level"
    return {
        "tomograms": [str(project.tomogram_path(name)) for name in names],
        "networks": [str(project.network_path(feature.name)) for feature in features],
        "output": str(project.folder),
        "colours": [state.hex_colour(feature) for feature in features],
        "flips": int(group.apply.flips),
        **{name: getattr(group.apply, name) for name in SHARED},
        "measure": options["tables"],
        "surfaces": options["surfaces"],
        "threshold": [getattr(feature, own) for feature in features],
        **_where(options),
        **({"blender": _this_blender()} if options["figures"] else {}),
    }


def _this_blender() -> str:
    """The executable that renders the figures. Raises TomosegError where this is Blender as a Python module."""
    if not bpy.app.binary_path:
        raise TomosegError("Figures are rendered by a Blender of their own, and here is none: leave them out.")
    return str(bpy.app.binary_path)


def _where(options: dict[str, Any]) -> dict[str, Any]:
    """Who does the work, of the three that the panel offers."""
    if options["place"] == "scheduler":
        if not options["scheduler"]:
            raise TomosegError("No scheduler is named: type its address, such as tcp://host:8786.")
        return {"scheduler": options["scheduler"]}
    if options["place"] == "cluster":
        if not options["cluster"]:
            raise TomosegError("No file describes the cluster: choose a YAML file.")
        return {"cluster": bpy.path.abspath(options["cluster"])}
    return {"workers": options["workers"]}


def _segmented(scene: Scene, result: dict[str, Any]) -> str:
    state.refresh(scene)
    if "problem" in result:
        raise TomosegError(result["problem"])
    kept = sum(row["status"] == "kept" for row in result["rows"])
    return f"{counted(len(result['rows']), 'tomogram')} segmented ({kept} done before): see {result['table']}"


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_OT_batch,))
