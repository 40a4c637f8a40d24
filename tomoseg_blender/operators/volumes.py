"""Step 9, volumes of what is no mask: the tomogram itself as a see-through density, and the maps of its features."""

from typing import Any

import bpy
import numpy as np
from bpy.types import Context, Operator, Scene
from numpy.typing import NDArray

from ...tomo.errors import TomosegError
from .. import state, viewing, volume_writing
from ..scene import vdb, volumes
from .common import Action, OfTomogram

DENSITY = "tomogram_density"  # the name that the tomogram's volume has among those of features
BRIGHTEST = 99.95  # percentile
SAMPLED = 16  # slices that the range is taken from
MAP_LOW, MAP_HIGH = 0.05, 1.0  # of maps: 1 is as strong as on the training labels


class TOMOSEG_OT_import_density(OfTomogram, Action, Operator):
    bl_idname = "tomoseg.import_density"
    bl_label = "Import Tomogram as Volume"
    bl_description = "Show the tomogram itself as a see-through volume with a threshold"
    bl_options = {"REGISTER", "UNDO"}
    needs = "no_tomogram"
    waits = True

    def act(self, context: Context) -> str:
        scene = context.scene
        vdb.require_vdb()
        name = state.tomogram_named(scene, self.tomogram).name
        project, opened = state.require_project(scene), viewing.data_of(scene, name)
        path, shape = project.volume_path(name, DENSITY), opened.shape
        wanted = volume_writing.request_for_map(scene, opened.path, DENSITY, path, *visible_range(opened.data))

        def done(scene: Scene, _result: dict[str, Any]) -> str:
            empty = viewing.empty_of(scene, name)
            volume = volumes.import_volume(path, empty, DENSITY, volumes.TOMOGRAM_COLOUR, see_through=True)
            volumes.set_threshold(empty, scene.tomoseg.volume.threshold)
            volume.hide_render = True  # a figure of the results does not show it unless it is wanted
            return f"Volume of {name}. {volume_writing.binned(shape, scene)}".strip()

        return volume_writing.start(scene, f"Volume of {name}", [wanted], done)


class TOMOSEG_OT_import_maps(OfTomogram, Action, Operator):
    bl_idname = "tomoseg.import_maps"
    bl_label = "Import Maps as Volumes"
    bl_description = "Make OpenVDB volumes of the tomogram's maps, as strong as the networks believe"
    bl_options = {"REGISTER", "UNDO"}
    needs = "no_tomogram"
    waits = True

    def act(self, context: Context) -> str:
        scene = context.scene
        vdb.require_vdb()
        name = state.tomogram_named(scene, self.tomogram).name
        project = state.require_project(scene)
        maps = project.maps_for_merging(name)
        if not maps:
            raise TomosegError(f"{name} has no map yet: apply a network to it first.")
        colours = {feature.name: feature.colour for feature in project.features()}
        paths = {feature: project.volume_path(name, f"{feature}_map") for feature in maps}
        wanted = [
            volume_writing.request_for_map(scene, source, f"{feature} map", paths[feature], MAP_LOW, MAP_HIGH)
            for feature, source in maps.items()
        ]
        shape = viewing.data_of(scene, name).shape

        def done(scene: Scene, _result: dict[str, Any]) -> str:
            volumes.check_files(paths.values())
            for feature, path in paths.items():
                colour = colours.get(feature, volumes.TOMOGRAM_COLOUR)
                volumes.import_volume(path, viewing.empty_of(scene, name), f"{feature} map", colour)
            return f"Volumes of the maps of {', '.join(paths)}. {volume_writing.binned(shape, scene)}".strip()

        return volume_writing.start(scene, f"Maps of {name}", wanted, done)


def visible_range(data: NDArray[Any]) -> tuple[float, float]:
    """(low, high): from the mean of a tomogram [z, y, x], below which nothing is kept, to its brightest voxels."""
    step = max(1, data.shape[0] // SAMPLED)
    sample = np.asarray(data[::step], np.float32)
    low, high = float(sample.mean()), float(np.percentile(sample, BRIGHTEST))
    return (low, high) if high > low else (low, low + 1.0)


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_OT_import_density, TOMOSEG_OT_import_maps))
