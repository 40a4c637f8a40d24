"""Before training: check the annotation, and suggest boxes that lack the feature."""

from typing import Any

import bpy
from bpy.props import IntProperty, StringProperty
from bpy.types import Context, Operator, Scene

from ...tomo import lint
from ...tomo.boxes import ADVISED_NEGATIVES, NEGATIVE, POSITIVE, Box
from ...tomo.errors import TomosegError
from ...tomo.lint_checks import Finding
from ...tomo.suggest import suggest_negatives
from ...tomo.words import counted
from .. import boxing, painting, state, viewing
from .common import Action, OfFeature, OfTomogram


class TOMOSEG_OT_check_annotation(OfFeature, Action, Operator):
    bl_idname = "tomoseg.check_annotation"
    bl_label = "Check Annotation"
    bl_description = "Look for what would spoil the training: empty boxes, labels in the gaps, too few boxes, and so on"
    bl_options = {"REGISTER"}
    needs = "no_feature"

    def act(self, context: Context) -> str:
        scene = context.scene
        feature = state.feature_named(scene, self.feature)
        boxing.save_boxes(scene)
        painting.save_painted(scene)
        findings = lint.check_annotation(state.require_project(scene), feature.name)
        _keep(scene, feature.name, findings, {box.id: box.centre for box in state.require_project(scene).boxes()})
        problems = sum(finding.problem for finding in findings)
        if not findings:
            return f"Nothing wrong was found with the boxes and labels of {feature.name}"
        return f"{feature.name}: {counted(problems, 'problem')}, {counted(len(findings) - problems, 'hint')}"


def _keep(scene: Scene, feature: str, findings: list[Finding], centres: dict[str, tuple[int, int, int]]) -> None:
    group = scene.tomoseg
    with state.muted():
        group.findings.clear()
        for finding in findings:
            item = group.findings.add()
            item.sentence, item.tomogram, item.z = finding.sentence, finding.tomogram, finding.z
            item.name = finding.words
            item.box_id, item.problem = finding.box_id, finding.problem
            if finding.box_id in centres:
                item.place = "{}, {}, z {}".format(*centres[finding.box_id])
            elif finding.tomogram and finding.z >= 0:
                item.place = f"slice {finding.z}"
        group.finding_index, group.checked = -1, feature


class TOMOSEG_OT_go_to_finding(Action, Operator):
    bl_idname = "tomoseg.go_to_finding"
    bl_label = "Go to Finding"
    bl_description = "Show the box or the slice that a finding is about"
    bl_options = {"REGISTER", "UNDO"}
    needs = "no_tomogram"
    moves = True

    number: IntProperty(name="Number", description="Of the finding in the list, from 0", min=0)  # type: ignore[valid-type]

    def act(self, context: Context) -> str:
        findings = context.scene.tomoseg.findings
        if self.number >= len(findings):
            raise TomosegError("There is no such finding: check the annotation again.")
        return go_to(context, findings[self.number])


def go_to(context: Context, item: Any) -> str:
    """Show the place of a finding. Raises TomosegError if it has none, or the box is gone."""
    scene = context.scene
    if not item.tomogram:
        return "This finding is about all boxes"
    if scene.tomoseg.shown != item.tomogram:
        painting.save_painted(scene)
        viewing.show(scene, state.tomogram_named(scene, item.tomogram))
    if not item.box_id:
        boxing.go_to_slice(scene, item.z)
        return f"Slice {item.z} of {item.tomogram}"
    found = [box for box in state.require_project(scene).boxes() if box.id == item.box_id]
    if not found:
        raise TomosegError("This box is gone: check the annotation again.")
    boxing.go_to(scene, found[0])
    boxing.centre_on(context, found[0])
    return f"{found[0].kind.capitalize()} box at {found[0].centre}"


class TOMOSEG_OT_suggest_negatives(OfFeature, OfTomogram, Action, Operator):
    bl_idname = "tomoseg.suggest_negatives"
    bl_label = "Suggest Negatives"
    bl_description = (
        "Place negative boxes spread over the tomogram, away from positive boxes, labels and predictions; "
        "look at them and delete those that show the feature"
    )
    bl_options = {"REGISTER", "UNDO"}
    needs = "boxes"

    count: IntProperty(  # type: ignore[valid-type]
        name="Number", description="Boxes to place; 0: as many as are missing of the advised number", default=0, min=0
    )
    seed: IntProperty(name="Seed", description="Another number gives other places", default=0, min=0)  # type: ignore[valid-type]

    def act(self, context: Context) -> str:
        scene = context.scene
        item, feature = state.tomogram_named(scene, self.tomogram), state.feature_named(scene, self.feature)
        boxing.save_boxes(scene)
        painting.save_painted(scene)
        project = state.require_project(scene)
        own = [box for box in project.boxes() if box.feature == feature.name]
        have = sum(box.kind == NEGATIVE for box in own)
        count = self.count or max(ADVISED_NEGATIVES - have, 0)
        size = next((box.size for box in own if box.kind == POSITIVE), scene.tomoseg.box_size)
        known = [box for box in own if box.tomogram == item.name]
        found = suggest_negatives(
            known,
            tuple(item.shape),
            Box(item.name, feature.name, NEGATIVE, (0, 0, 0), size),
            count,
            lambda box: lint.painted_or_predicted(project, box),
            self.seed,
        )
        if not found:
            raise TomosegError(
                f"{feature.name} has {counted(have, 'negative box')} already, or {item.name} has no more room: "
                "name a number, or import another tomogram."
            )
        boxing.add_all(scene, found)
        return f"Placed {counted(len(found), 'negative box')}: look at each, and delete what shows {feature.name}"


class TOMOSEG_OT_borrow_negatives(OfFeature, Action, Operator):
    bl_idname = "tomoseg.borrow_negatives"
    bl_label = "Others as Negatives"
    bl_description = (
        "Take the positive boxes of another feature as negative boxes of this one, "
        "so that the network tells the two apart"
    )
    bl_options = {"REGISTER", "UNDO"}
    needs = "no_feature"

    source: StringProperty(  # type: ignore[valid-type]
        name="Other Feature", description="Whose positive boxes are taken; empty: those of all others"
    )

    def act(self, context: Context) -> str:
        scene = context.scene
        feature = state.feature_named(scene, self.feature)
        boxing.save_boxes(scene)
        project_boxes = state.require_project(scene).boxes()
        taken = {(box.tomogram, box.centre) for box in project_boxes if box.feature == feature.name}
        found = [
            Box(box.tomogram, feature.name, NEGATIVE, box.centre, box.size)
            for box in project_boxes
            if box.kind == POSITIVE and box.feature in ({self.source} if self.source else {box.feature})
            if box.feature != feature.name and (box.tomogram, box.centre) not in taken
        ]
        if not found:
            raise TomosegError(f"No other feature has positive boxes that {feature.name} could borrow: place some.")
        boxing.add_all(scene, found)
        return f"Took {counted(len(found), 'box')} of other features as negative for {feature.name}"


register, unregister = bpy.utils.register_classes_factory(
    (
        TOMOSEG_OT_check_annotation,
        TOMOSEG_OT_go_to_finding,
        TOMOSEG_OT_suggest_negatives,
        TOMOSEG_OT_borrow_negatives,
    )
)
