"""Step 7, applying: the network marks its feature in one tomogram or many, slice by slice."""

from typing import Any

import bpy
from bpy.props import BoolProperty, StringProperty
from bpy.types import Context, Operator, Scene

from ...tomo.errors import TomosegError
from .. import jobs, state
from ..settings import ApplySettings, settings_of
from .common import Action, OfFeature


class TOMOSEG_OT_apply(ApplySettings, OfFeature, Action, Operator):
    bl_idname = "tomoseg.apply"
    bl_label = "Apply"
    bl_description = "Apply the feature's network to the tomogram chosen in the list, or to all that are ticked"
    bl_options = {"REGISTER"}
    needs = "no_feature"
    waits = True

    tomograms: StringProperty(  # type: ignore[valid-type]
        name="Tomograms",
        description="Names separated by semicolons; empty: the one chosen in the list",
        options={"SKIP_SAVE"},
    )
    chosen: BoolProperty(  # type: ignore[valid-type]
        name="To Chosen", description="Apply to all tomograms ticked in the list", default=False, options={"SKIP_SAVE"}
    )

    def act(self, context: Context) -> str:
        scene = context.scene
        feature = state.feature_named(scene, self.feature)
        names = named_tomograms(scene, self.tomograms, ticked=self.chosen)
        options = settings_of(self, context, "apply", ApplySettings)
        params = applying_request(scene, feature.name, names, options)
        return jobs.start(scene, "apply", f"Applying {feature.name}", ("apply", params), _applied)


def named_tomograms(scene: Scene, text: str, *, ticked: bool) -> list[str]:
    """The tomograms meant, by name. Raises TomosegError if there are none or one is not in the project."""
    if ticked:
        names = [item.name for item in scene.tomoseg.tomograms if item.chosen]
        if not names:
            raise TomosegError("No tomogram is ticked: tick those to apply the network to.")
        return names
    wanted = [name.strip() for name in text.split(";") if name.strip()] or [""]
    return [state.tomogram_named(scene, name).name for name in wanted]


def applying_request(scene: Scene, feature: str, names: list[str], options: dict[str, Any]) -> dict[str, Any]:
    """The parameters of the worker's applying. Raises TomosegError where there is no network."""
    project = state.require_project(scene)
    network = project.network_path(feature)
    if not network.is_file():
        raise TomosegError(f"Train a network for {feature} first.")
    return {
        "network": str(network),
        "tomograms": [str(project.tomogram_path(name)) for name in names],
        "output": str(project.folder / "segmentations"),
        **options,
        "flips": int(options["flips"]),
    }


def _applied(scene: Scene, result: dict[str, Any]) -> str:
    state.refresh(scene)
    return f"Wrote {len(result['maps'])} map{'' if len(result['maps']) == 1 else 's'}"


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_OT_apply,))
