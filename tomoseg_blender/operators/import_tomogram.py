"""Step 1, import: tomograms come into the project, shrunk and filtered; the source is never written to."""

from pathlib import Path
from typing import Any

import bpy
from bpy.props import CollectionProperty, StringProperty
from bpy.types import Context, Operator, OperatorFileListElement, Scene

from ...tomo.errors import TomosegError
from .. import jobs, state
from ..settings import ImportSettings, settings_of, without_defaults
from .common import Action, ChoosesFile


class TOMOSEG_OT_import_tomogram(ChoosesFile, ImportSettings, Action, Operator):
    bl_idname = "tomoseg.import_tomogram"
    bl_label = "Import Tomograms"
    bl_description = "Import tomograms into the project: shrink, filter, normalise; EMAN2 wants features bright"
    bl_options = {"REGISTER"}
    needs = "no_project"
    waits = True

    filepath: StringProperty(name="File", subtype="FILE_PATH", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    directory: StringProperty(name="Folder", subtype="DIR_PATH", options={"SKIP_SAVE"})  # type: ignore[valid-type]
    files: CollectionProperty(name="Files", type=OperatorFileListElement, options={"SKIP_SAVE"})  # type: ignore[valid-type]
    name: StringProperty(  # type: ignore[valid-type]
        name="Name",
        description="The tomogram's name in the project; empty: the file's. For one file only",
        options={"SKIP_SAVE"},
    )
    filter_glob: StringProperty(  # type: ignore[valid-type]
        default="*.mrc;*.rec;*.map;*.st;*.mrc.gz;*.mrc.bz2;*.hdf;*.tif;*.tiff", options={"HIDDEN"}
    )

    def act(self, context: Context) -> str:
        scene = context.scene
        paths = chosen_files(self.filepath, self.directory, [entry.name for entry in self.files])
        options = settings_of(self, context, "import_options", ImportSettings)
        params = {
            "files": [str(path) for path in paths],
            "project": str(state.require_project(scene).folder),
            **without_defaults({**options, "name": self.name}, "voxel_size", "name"),
        }
        return jobs.start(scene, "import", "Importing", ("import", params), _imported)


def chosen_files(filepath: str, directory: str, names: list[str]) -> list[Path]:
    """The files of a file dialog or of a call from Python. Raises TomosegError if none was chosen."""
    if any(names):
        folder = Path(bpy.path.abspath(directory or str(Path(filepath).parent)))
        return [folder / name for name in names if name]
    if not filepath or Path(filepath).is_dir():
        raise TomosegError("No file was chosen: choose a tomogram (MRC, REC, MAP, HDF or TIFF).")
    return [Path(bpy.path.abspath(filepath))]


def _imported(scene: Scene, result: dict[str, Any]) -> str:
    state.refresh(scene)
    names = [entry["name"] for entry in result["tomograms"]]
    group = scene.tomoseg
    if names and not group.shown:  # what somebody looks at now stays
        group.tomogram_index = group.tomograms.find(names[-1])
    return f"Imported {', '.join(names)}"


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_OT_import_tomogram,))
