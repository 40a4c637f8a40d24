"""Step 0, the project: one folder that holds everything, and the features that are looked for in it."""

from pathlib import Path
from typing import Any

import bpy
from bpy.props import StringProperty
from bpy.types import Context, Event, Operator, Scene

from ...tomo.errors import TomosegError
from ...tomo.project import Project
from ...tomo.words import counted
from .. import boxing, painting, state, viewing
from ..scene import boxes, tomogram
from .common import Action, ChoosesFile, OfFeature


def enter(scene: Scene, folder: Path, *, create: bool) -> Project:
    """Make `folder` the scene's project. Raises TomosegError, also where the .blend shows another project."""
    current = state.project_folder(scene)
    if current is not None and current != folder and current.is_dir() and tomogram.tomograms():
        # Names may be the same in both: boxes and labels of one would end up in the other.
        raise TomosegError(f"This .blend shows tomograms of {current}: start a new file first (File > New).")
    project = Project.create(folder) if create else Project.open(folder)
    scene.tomoseg.folder = relative(folder)
    load(scene)
    return project


def relative(folder: Path) -> str:
    """The folder as the .blend keeps it: relative, once that is saved."""
    if not bpy.data.filepath:
        return str(folder)
    try:
        return bpy.path.relpath(str(folder))
    except ValueError:  # another drive on Windows
        return str(folder)


def load(scene: Scene) -> None:
    """Bring the scene in line with the project's files."""
    state.refresh(scene)
    boxes.show_boxes(state.require_project(scene).boxes())
    shown = viewing.shown_tomogram(scene)
    if shown is not None:
        viewing.show(scene, shown[0])


class _Folder(ChoosesFile):
    """A file dialog for a folder."""

    directory: StringProperty(name="Folder", description="The project's folder", subtype="DIR_PATH")  # type: ignore[valid-type]
    create = False

    def act(self: Any, context: Context) -> str:
        if not self.directory:
            raise TomosegError("No folder was named: choose the project's folder.")
        folder = Path(bpy.path.abspath(self.directory)).resolve()
        project = enter(context.scene, folder, create=self.create)
        tomograms, features = len(project.tomograms()), len(project.features())
        return f"Project {project.folder.name}: {counted(tomograms, 'tomogram')}, {counted(features, 'feature')}"


class TOMOSEG_OT_create_project(_Folder, Action, Operator):
    bl_idname = "tomoseg.create_project"
    bl_label = "New Project"
    bl_description = "Make a folder a Tomoseg project, or open the project in it"
    bl_options = {"REGISTER", "UNDO"}
    create = True


class TOMOSEG_OT_open_project(_Folder, Action, Operator):
    bl_idname = "tomoseg.open_project"
    bl_label = "Open Project"
    bl_description = "Open a Tomoseg project folder"
    bl_options = {"REGISTER", "UNDO"}


class TOMOSEG_OT_reload_project(Action, Operator):
    bl_idname = "tomoseg.reload_project"
    bl_label = "Reload Project"
    bl_description = "Read lists, boxes and labels from the project folder again"
    bl_options = {"REGISTER", "UNDO"}
    needs = "no_project"

    def act(self, context: Context) -> str:
        painting.save_painted(context.scene)
        painting.forget_saved()
        load(context.scene)
        return "Read the project folder again"


class TOMOSEG_OT_add_feature(Action, Operator):
    bl_idname = "tomoseg.add_feature"
    bl_label = "Add Feature"
    bl_description = "Add a feature to look for; its boxes, labels and network carry its name"
    bl_options = {"REGISTER", "UNDO"}
    needs = "no_project"

    name: StringProperty(name="Name", description="Part of file names, such as membrane")  # type: ignore[valid-type]
    colour: StringProperty(name="Colour", description="#rrggbb; empty: the next of the palette")  # type: ignore[valid-type]

    def invoke(self, context: Context, _event: Event) -> set[str]:
        return set(context.window_manager.invoke_props_dialog(self))

    def act(self, context: Context) -> str:
        boxing.save_boxes(context.scene)
        feature = state.require_project(context.scene).add_feature(self.name.strip(), self.colour or None)
        state.refresh(context.scene)
        group = context.scene.tomoseg
        group.feature_index = group.features.find(feature.name)
        return f"Added {feature.name}"


class TOMOSEG_OT_remove_feature(OfFeature, Action, Operator):
    bl_idname = "tomoseg.remove_feature"
    bl_label = "Remove Feature"
    bl_description = "Take the feature off the project's list; its labels, networks and results stay in the folder"
    bl_options = {"REGISTER", "UNDO"}
    needs = "no_feature"
    waits = True  # what runs may be of this feature, and would end with results that belong to none

    def invoke(self, context: Context, event: Event) -> set[str]:
        return set(context.window_manager.invoke_confirm(self, event))

    def act(self, context: Context) -> str:
        name = state.feature_named(context.scene, self.feature).name
        painting.save_painted(context.scene)
        state.require_project(context.scene).remove_feature(name)
        return f"Removed {name} from the list; its files stay"


register, unregister = bpy.utils.register_classes_factory(
    (
        TOMOSEG_OT_create_project,
        TOMOSEG_OT_open_project,
        TOMOSEG_OT_reload_project,
        TOMOSEG_OT_add_feature,
        TOMOSEG_OT_remove_feature,
    )
)
