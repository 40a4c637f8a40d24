"""What all operators share: the reason why not, the sentence at the end, and the report of an error."""

from typing import Any

from bpy.props import StringProperty
from bpy.types import Context, Event

from ...tomo.errors import TomosegError
from .. import compat, jobs, state
from ..keeping import looks_only


class Action:
    """An operator's frame. `act` does the work and returns a sentence for the user (or nothing).

    needs: the field of `scene.tomoseg.reasons` that must be empty. waits: the step runs in the worker, which does
    one thing at a time. refreshes: something in the project may have changed; False for what is done many times a
    second. moves: another slice may be in view afterwards, which an undo must bring back with its strokes.
    """

    needs: str = ""
    waits: bool = False
    refreshes: bool = True
    moves: bool = False

    @classmethod
    def poll(cls: Any, context: Context) -> bool:
        """False, with the reason in one sentence, where the step cannot run yet."""
        reasons = context.scene.tomoseg.reasons
        reason: str = (getattr(reasons, cls.needs) if cls.needs else "") or ((jobs.busy() or "") if cls.waits else "")
        if not reason and not looks_only(cls.__name__):
            reason = reasons.read_only
        if reason:
            cls.poll_message_set(reason)
        return not reason

    def act(self: Any, context: Context) -> str | None:
        """The work itself; raises TomosegError."""
        return None

    def execute(self: Any, context: Context) -> set[str]:
        """Do it, and tell how it went."""
        try:
            sentence = self.act(context)
        except TomosegError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        finally:
            if self.refreshes:
                state.refresh(context.scene)
        if sentence:
            self.report({"INFO"}, sentence)
        grouped = "UNDO_GROUPED" in self.bl_options
        if self.moves and compat.keep_step_while_painting(context, self.bl_label, grouped=grouped):
            return {"CANCELLED"}  # else Blender adds a step of its own, which takes one more Ctrl+Z for nothing
        return {"FINISHED"}


class ChoosesFile:
    """An operator that opens a file dialog first; the dialog fills `filepath` or `directory`."""

    def invoke(self: Any, context: Context, _event: Event) -> set[str]:
        """Open the dialog; it calls `execute`."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}


class OfFeature:
    """An operator that works on one feature."""

    feature: StringProperty(  # type: ignore[valid-type]
        name="Feature", description="Name of the feature; empty: the one chosen in the list", options={"SKIP_SAVE"}
    )


class OfTomogram:
    """An operator that works on one tomogram."""

    tomogram: StringProperty(  # type: ignore[valid-type]
        name="Tomogram", description="Name of the tomogram; empty: the one chosen in the list", options={"SKIP_SAVE"}
    )
