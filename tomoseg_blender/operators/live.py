"""Live training: switch it on and off, pause, go back, finish, and where to annotate next."""

from typing import Any

import bpy
from bpy.props import BoolProperty, FloatProperty
from bpy.types import Context, Event, Operator

from ...tomo.errors import TomosegError
from .. import boxing, jobs, live, painting, state
from ..settings import TrainSettings, settings_of
from .common import Action
from .train import trained

FORGET_SECONDS = 60.0
NOT_LIVE = "Switch live training on first."
FROM_THE_BEGINNING = (
    "Begin live training anew, with the network that panel Train chooses: what an earlier live training of the feature "
    "has learned is forgotten; the feature's finished network stays until Finish"
)
FINISHING = "Live training is being finished: wait for its end, or stop it."


class TOMOSEG_OT_live(TrainSettings, Action, Operator):
    bl_idname = "tomoseg.live"
    bl_label = "Live Training"
    bl_description = (
        "Train the feature's network on what is annotated now, while you paint, and show what it finds on the slice in "
        "view; again: stop, and keep what it has learned for the next time"
    )
    bl_options = {"REGISTER"}
    needs = "boxes"
    waits = True

    fresh: BoolProperty(  # type: ignore[valid-type]
        name="From the Beginning",
        description="Forget what an earlier live training of the feature has learned",
        default=False,
        options={"SKIP_SAVE"},
    )
    seconds: FloatProperty(  # type: ignore[valid-type]
        name="Seconds", description="Finish after so long; 0: when you say so", default=0.0, min=0.0
    )

    @classmethod
    def description(cls: Any, _context: Context, properties: Any) -> str:
        return FROM_THE_BEGINNING if properties.fresh else cls.bl_description

    @classmethod
    def poll(cls: Any, context: Context) -> bool:
        if live.training() is not None:
            return True
        if not super().poll(context):
            return False
        if reason := context.scene.tomoseg.reasons.not_shown:
            cls.poll_message_set(reason)
        return not reason

    def invoke(self, context: Context, event: Event) -> set[str]:
        return set(context.window_manager.invoke_confirm(self, event)) if self.fresh else self.execute(context)

    def act(self, context: Context) -> str:
        if live.training() is not None:
            jobs.cancel()
            return "Stopping live training"
        if jobs.waits() and not self.seconds:
            raise TomosegError(
                "Live training goes on until somebody finishes it, which needs a window: give it seconds, or use Train."
            )
        scene = context.scene
        feature = state.feature_named(scene, "")
        boxing.save_boxes(scene)
        painting.save_painted(scene)
        options = settings_of(self, context, "train", TrainSettings)
        request = ("live", live_request(scene, feature.name, options, fresh=self.fresh))
        partner = live.Training(scene, feature.name, self.seconds)
        title = f"Live training of {feature.name}"
        return jobs.start(scene, live.STEP, title, request, trained, partner=partner, remedy=live.REMEDY)


def live_request(scene: Any, feature: str, options: dict[str, Any], *, fresh: bool = False) -> dict[str, Any]:
    """The parameters of the worker's live training: those of training, and what is looked at.

    It goes on from what the feature's last training, live or not, has left, unless it is to be fresh.
    """
    project = state.require_project(scene)
    recipe = "" if options["recipe"] == "own" else options["recipe"]
    shown = {"project": str(project.folder), "tomogram": scene.tomoseg.shown, "feature": feature, "fresh": fresh}
    network = project.network_path(feature)
    trained = {"from_trained": str(network)} if network.is_file() and not fresh else {}
    return {**shown, **options, "recipe": recipe, **trained}


class _WhileLive(Action):
    """An operator that talks to the running live training."""

    refreshes = False

    @classmethod
    def poll(cls: Any, _context: Context) -> bool:
        reason = cls.reason(live.training())
        if reason:
            cls.poll_message_set(reason)
        return not reason

    @classmethod
    def reason(cls, now: live.Training | None) -> str:
        """Why this cannot be done now, or nothing."""
        return NOT_LIVE if now is None else (FINISHING if now.finishing else "")


class TOMOSEG_OT_live_pause(_WhileLive, Operator):
    bl_idname = "tomoseg.live_pause"
    bl_label = "Pause or Continue"
    bl_description = "Let live training rest, or go on with it; the prediction still follows the slice in view"
    bl_options = {"REGISTER"}

    def act(self, _context: Context) -> str:
        now = live.training()
        paused = now is not None and bool(now.facts.get("paused"))
        jobs.tell("continue" if paused else "pause")
        return "Live training goes on" if paused else "Live training rests"


class TOMOSEG_OT_live_forget(_WhileLive, Operator):
    bl_idname = "tomoseg.live_forget"
    bl_label = "Forget the Last Minute"
    bl_description = "Take the network back to what it was a minute ago; boxes and labels stay as they are"
    bl_options = {"REGISTER"}

    @classmethod
    def reason(cls, now: live.Training | None) -> str:
        if now is not None and not now.finishing and not now.facts.get("can_forget_seconds"):
            return "The network has not learned anything yet that it could forget."
        return super().reason(now)

    def act(self, _context: Context) -> str:
        jobs.tell("forget", seconds=FORGET_SECONDS)
        return "Going back to the network of a minute ago"


class TOMOSEG_OT_live_finish(_WhileLive, Operator):
    bl_idname = "tomoseg.live_finish"
    bl_label = "Finish"
    bl_description = "Train until nothing more is gained, write the network, and show its triplets as Train does"
    bl_options = {"REGISTER"}

    def act(self, context: Context) -> str:
        boxing.save_boxes(context.scene)
        painting.save_painted(context.scene)
        live.finish()
        return "Finishing live training"


class TOMOSEG_OT_live_next(_WhileLive, Operator):
    bl_idname = "tomoseg.live_next"
    bl_label = "Next Box to Annotate"
    bl_description = (
        "Go to the place where the network is least sure, and put a positive box there, ready to be painted; if "
        "nothing of the feature is there, mark it as wrong"
    )
    bl_options = {"REGISTER"}

    def act(self, context: Context) -> str:
        painting.save_painted(context.scene)
        jobs.tell("next_box", tomogram=context.scene.tomoseg.shown)
        return "Looking for the place where the network is least sure"


register, unregister = bpy.utils.register_classes_factory(
    (
        TOMOSEG_OT_live,
        TOMOSEG_OT_live_pause,
        TOMOSEG_OT_live_forget,
        TOMOSEG_OT_live_finish,
        TOMOSEG_OT_live_next,
    )
)
