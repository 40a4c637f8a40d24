"""Live training: what it has learned so far, how to steer it, and how to correct it."""

from typing import Any

import bpy
from bpy.types import Context, Panel

from ...tomo.words import counted
from .. import jobs, live
from .common import TomosegPanel, draw_job, feature_or_hint, operator, sentence


class TOMOSEG_PT_live(TomosegPanel, Panel):
    bl_idname = "TOMOSEG_PT_live"
    bl_label = "Live Training"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context: Context) -> None:
        layout, group = self.layout, context.scene.tomoseg
        if feature_or_hint(layout, context) is None:
            return
        now = live.training()
        _draw_switch(layout, now)
        layout.prop(group, "prediction_opacity", slider=True)
        if now is None:
            draw_job(layout, context, live.STEP)
            return
        _draw_state(layout, context, now)
        _draw_steering(layout, now)
        column = layout.column(align=True)
        operator(column, "mark_wrong", icon="CANCEL")
        operator(column, "take_in_box", icon="MESH_PLANE")
        operator(column, "take_in_lasso", icon="GP_SELECT_BETWEEN_STROKES")
        operator(column, "label_from_map", text="Take Prediction of Slice", icon="IMAGE_DATA")


def _draw_switch(layout: Any, now: live.Training | None) -> None:
    row = layout.row(align=True)
    if now is not None:
        operator(row, "live", text=f"Stop Training {now.feature}", icon="SNAP_FACE", depress=True)
        return
    operator(row, "live", text="Live Training", icon="PLAY")
    operator(row, "live", text="", icon="FILE_REFRESH").fresh = True


def _draw_state(layout: Any, context: Context, now: live.Training) -> None:
    column = layout.column(align=True)
    for text in state_lines(now):
        column.label(text=text)
    if now.finishing:
        draw_job(layout, context, live.STEP)
    if why := now.why_here(context.scene):
        sentence(layout, context, why, "VIEWZOOM")
    if now.sentence:
        sentence(layout, context, now.sentence, "INFO")


def state_lines(now: live.Training) -> list[str]:
    """What the worker has told of the training, a line each."""
    facts = now.facts
    job = jobs.running(live.STEP)
    if job is not None and job.cancelling:
        return ["Stopping"]
    lines = [now.summary] if now.summary else []
    if facts.get("loss") is not None:
        lines.append(f"Loss {facts['loss']:.3g}")
    if facts.get("positives") is not None:
        lines.append(f"{facts['positives']} positive, {counted(facts['negatives'], 'negative box')}")
    if facts.get("seconds_per_step"):
        device = facts.get("device")
        lines.append(f"{facts['seconds_per_step']:.2g} s per step{f' on {device}' if device else ''}")
    return lines


def _draw_steering(layout: Any, now: live.Training) -> None:
    paused = bool(now.facts.get("paused"))
    operator(layout, "live_next", icon="VIEWZOOM")
    row = layout.row(align=True)
    operator(row, "live_pause", text="Continue" if paused else "Pause", icon="PLAY" if paused else "PAUSE")
    operator(row, "live_forget", text="Forget a Minute", icon="LOOP_BACK")
    operator(layout, "live_finish", icon="CHECKMARK")


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_PT_live,))
