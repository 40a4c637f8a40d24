"""The stage of a figure: its own scene with camera, lights, world and render settings.

Lights follow the camera and sum up so that a surface facing the key light shows about its own colour and none is
burnt out; with the view transform Standard hues then stay those that were chosen.
"""

from typing import Any

import bpy
from mathutils import Matrix, Vector

from .. import compat
from . import marks
from .framing import Frame
from .materials import node_tree
from .palette import hex_colour

SCENE_KIND = "figure scene"
COLLECTION_KIND = "figure"
VOLUME_LAYERS, MOST_VOLUME_CELLS = 128, 40_000_000  # of EEVEE's volumes: some 28 bytes for each cell
AMBIENT = 0.42  # what the sky gives from all sides; creases get less, which shows shapes
# (strength, from right/up/front, angle): the key from the upper left, as drawings of relief have it.
KEY = (-0.6, 0.8, 0.6)
SUNS = ((1.75, KEY, 10.0), (0.3, (0.9, -0.1, 0.5), 40.0))
BACKGROUNDS = {"white": (1.0, 1.0, 1.0, 1.0), "dark": (0.006, 0.007, 0.010, 1.0)}
INKS = {"white": "#111111", "dark": "#f2f2f2"}
LINES = {"white": "#1c1c1c", "dark": "#000000"}  # along the rims of surfaces


def new_stage(name: str) -> Any:
    """An empty scene for the figure of this name; one built before is replaced, objects and all."""
    remove_stage(name)
    scene = bpy.data.scenes.new(f"Figure {name}")
    marks.mark(scene, SCENE_KIND, figure=name)
    return scene


def find_stage(name: str) -> Any | None:
    """The scene of the figure of this name, or None."""
    return marks.first_marked(bpy.data.scenes, SCENE_KIND, figure=name)


def remove_stage(name: str) -> None:
    """Remove a figure's scene with what was made for it; surfaces, slices and other scenes stay."""
    scene = find_stage(name)
    if scene is None:
        return
    for scene_object in tuple(scene.collection.objects):
        if marks.is_marked(scene_object, COLLECTION_KIND):
            bpy.data.objects.remove(scene_object)
    if scene.world is not None:
        bpy.data.worlds.remove(scene.world)
    bpy.data.scenes.remove(scene)


def add_to_stage(scene: Any, name: str, data: Any, parent: Any = None) -> Any:
    """A new object of the figure, in its scene only."""
    scene_object = bpy.data.objects.new(name, data)
    adopt(scene, scene_object, parent)
    return scene_object


def adopt(scene: Any, scene_object: Any, parent: Any = None) -> None:
    """Make an object the figure's own and put it into its scene."""
    marks.mark(scene_object, COLLECTION_KIND)
    scene.collection.objects.link(scene_object)
    if parent is not None:
        scene_object.parent = parent
        scene_object.matrix_parent_inverse = Matrix.Identity(4)


def add_camera(scene: Any, frame: Frame) -> Any:
    """The orthographic camera of `frame`; its own x and y are the picture's right and up."""
    data = bpy.data.cameras.new("Figure camera")
    data.type = "ORTHO"
    data.sensor_fit = "HORIZONTAL"
    data.ortho_scale = frame.width
    data.clip_start, data.clip_end = frame.width * 0.001, frame.distance + frame.depth + frame.width
    camera = add_to_stage(scene, "Figure camera", data)
    turn = Matrix((frame.right, frame.up, frame.towards)).transposed()
    place = Vector(frame.middle) + Vector(frame.towards) * frame.distance
    camera.matrix_world = Matrix.Translation(place) @ turn.to_4x4()
    scene.camera = camera
    return camera


def add_lights(scene: Any, camera: Any) -> None:
    """A key and a fill sun with soft shadows, fixed to the camera."""
    for number, (strength, direction, angle) in enumerate(SUNS, 1):
        data = bpy.data.lights.new(f"Figure light {number}", "SUN")
        data.energy = strength
        data.angle = angle * 3.14159 / 180
        light = add_to_stage(scene, data.name, data, camera)
        light.rotation_euler = Vector(direction).to_track_quat("Z", "Y").to_euler()


def set_world(scene: Any, background: str) -> None:
    """A sky that lights from all sides, and a plain background that only the camera sees."""
    world = bpy.data.worlds.new(f"{scene.name} world")
    scene.world = world
    tree = node_tree(world)
    tree.nodes.clear()
    light, seen, path, mix, output = (
        tree.nodes.new(kind)
        for kind in (
            "ShaderNodeBackground",
            "ShaderNodeBackground",
            "ShaderNodeLightPath",
            "ShaderNodeMixShader",
            "ShaderNodeOutputWorld",
        )
    )
    light.inputs["Strength"].default_value = AMBIENT
    light.inputs["Color"].default_value = (1, 1, 1, 1)
    seen.inputs["Color"].default_value = BACKGROUNDS[background]
    tree.links.new(path.outputs["Is Camera Ray"], mix.inputs[0])
    tree.links.new(light.outputs[0], mix.inputs[1])
    tree.links.new(seen.outputs[0], mix.inputs[2])
    tree.links.new(mix.outputs[0], output.inputs["Surface"])


def background_colour(background: str) -> str:
    """'#rrggbb' of what lies behind everything, as it is seen in the picture."""
    return hex_colour(BACKGROUNDS[background])


def set_render(scene: Any, size: tuple[int, int], transparent: bool, engine: str = "cycles") -> None:
    """How the scene is rendered. engine: "cycles", on the CPU: right on every machine, with or without a graphics
    card or a screen; or "eevee": faster, on a graphics card."""
    scene.render.engine = "CYCLES" if engine == "cycles" else compat.eevee_engine()
    if engine == "cycles":
        _set_cycles(scene.cycles)
    else:
        _set_eevee(scene.eevee, size)
    scene.render.resolution_x, scene.render.resolution_y = size
    scene.render.resolution_percentage = 100
    scene.render.film_transparent = transparent
    scene.render.dither_intensity = 0.0  # colours exactly as computed
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGBA" if transparent else "RGB"
    scene.view_settings.view_transform = "Standard"
    scene.view_settings.look = "None"


def _set_eevee(eevee: Any, size: tuple[int, int]) -> None:
    eevee.use_shadows = True  # new scenes have none
    # Volumes are drawn in cells of so many pixels: as fine as a graphics card's memory allows.
    eevee.volumetric_samples = VOLUME_LAYERS
    tiles = eevee.bl_rna.properties["volumetric_tile_size"].enum_items.keys()
    layer = size[0] * size[1] * VOLUME_LAYERS
    fine = [tile for tile in tiles if layer / int(tile) ** 2 <= MOST_VOLUME_CELLS]
    eevee.volumetric_tile_size = min(fine or tiles[-1:], key=int)


def _set_cycles(cycles: Any) -> None:
    cycles.device = "CPU"
    cycles.max_bounces = 3
    cycles.diffuse_bounces = 2
    cycles.glossy_bounces = 1
    cycles.volume_bounces = 0  # more would shift the hues
    cycles.transparent_max_bounces = 256
    cycles.use_adaptive_sampling = True
    cycles.adaptive_threshold = 0.03
