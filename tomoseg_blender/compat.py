"""What differs between Blender 4.2, 4.5 and 5.x, each difference in one function and only here."""

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import bpy
from bpy.types import Brush, Context
from mathutils import Color

AT_LEAST_5 = bpy.app.version >= (5, 0, 0)
BRUSH_NAME = "Tomoseg Label"


def eevee_engine() -> str:
    """EEVEE's engine id: it lost its `_NEXT` in Blender 5.0."""
    return "BLENDER_EEVEE" if AT_LEAST_5 else "BLENDER_EEVEE_NEXT"


def enable_nodes(owner: Any) -> None:
    """Give a material or world its node tree; from 5.0 it always has one and the switch is deprecated."""
    if not AT_LEAST_5:
        owner.use_nodes = True


def volume_shift() -> float:
    """Voxels to move a volume object by, so that voxel i of its file covers [i, i + 1].

    Before 5.0 Blender draws a voxel from the sample point on, from 5.0 around it; our files put the
    sample point into the voxel's middle.
    """
    return 0.0 if AT_LEAST_5 else -0.5


def vdb_module() -> ModuleType | None:
    """Blender's own OpenVDB module under whichever name this build has it; None where it has none."""
    for name in ("openvdb", "pyopenvdb"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    # bpy from pip carries the module in a folder that is not on the path.
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folder = Path(bpy.utils.resource_path("LOCAL")) / "python" / "lib" / version / "site-packages"
    if not (folder / "openvdb").exists() and not list(folder.glob("openvdb*")):
        return None
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    try:
        return importlib.import_module("openvdb")
    except ImportError:
        return None


def set_video_output(render: Any) -> None:
    """Make the render settings write films as MP4 (H.264); 5.0 asks for the kind of medium first."""
    if AT_LEAST_5:
        render.image_settings.media_type = "VIDEO"
    render.image_settings.file_format = "FFMPEG"
    render.image_settings.color_mode = "RGB"
    render.ffmpeg.format = "MPEG4"
    render.ffmpeg.codec = "H264"
    render.ffmpeg.constant_rate_factor = "HIGH"
    render.ffmpeg.audio_codec = "NONE"


def label_brush(context: Context) -> Brush | None:
    """Tomoseg's own hard brush, made and made active; None where Blender offers no brush at all here.

    Blender's own "Paint Hard" is linked, softened and missing from some builds, so it is never used.
    """
    paint = context.tool_settings.image_paint
    brush = bpy.data.brushes.get(BRUSH_NAME)
    if brush is None:
        brush = bpy.data.brushes.new(BRUSH_NAME, mode="TEXTURE_PAINT")
    if bpy.app.version < (4, 3, 0):
        paint.brush = brush
    elif paint.brush is None or paint.brush.name != BRUSH_NAME:
        if brush.asset_data is None:
            brush.asset_mark()
        # paint.brush is read-only from 4.4 on: a brush becomes active as an asset.
        bpy.ops.brush.asset_activate(asset_library_type="LOCAL", relative_asset_identifier=f"Brush/{BRUSH_NAME}")
    if paint.brush is not None:
        _harden(context, paint.brush)
    return paint.brush


def _harden(context: Context, brush: Brush) -> None:
    settings = context.tool_settings
    unified = settings.image_paint.unified_paint_settings if AT_LEAST_5 else settings.unified_paint_settings
    for name in ("use_unified_size", "use_unified_color", "use_unified_strength"):
        setattr(unified, name, False)
    setattr(brush, "curve_distance_falloff_preset" if AT_LEAST_5 else "curve_preset", "CONSTANT")
    setattr(brush, "image_brush_type" if AT_LEAST_5 else "image_tool", "DRAW")
    brush.use_paint_antialiasing = False  # the Image Editor blends edges with it on
    brush.use_pressure_strength = False
    brush.use_pressure_size = False
    brush.strength = 1.0


def set_brush_colour(brush: Brush, colour: tuple[float, float, float]) -> None:
    """Let strokes have `colour` (r, g, b), 0 to 1 as on the screen; from 5.0 on a brush's colour is scene-linear."""
    if brush.bl_rna.properties["color"].subtype == "COLOR":
        colour = tuple(Color(colour).from_srgb_to_scene_linear())
    brush.color = colour


def byte_image(name: str, width: int, height: int, *, alpha: bool = False) -> Any:
    """A new image of bytes in sRGB, as such images are by themselves.

    Where the colour space is set too, undo in 5.2 forgets the image's pixels, and with them strokes since the step that
    it goes back to.
    """
    return bpy.data.images.new(name, width, height, alpha=alpha, float_buffer=False)


def modal_operators() -> set[str]:
    """The names of the operators that hold the mouse or keys of any window now, such as PAINT_OT_image_paint.

    Empty on a Blender that cannot tell.
    """
    windows = bpy.context.window_manager.windows
    return {one.bl_idname for window in windows for one in getattr(window, "modal_operators", ())}


def set_brush_radius(brush: Brush, pixels: float) -> None:
    """Set the brush's radius on the screen; from 5.0 its size is the diameter."""
    brush.size = max(1, round(pixels * (2 if AT_LEAST_5 else 1)))


def brush_radius(brush: Brush) -> float:
    """The brush's radius on the screen in pixels."""
    return float(brush.size) / (2 if AT_LEAST_5 else 1)


def keep_step_while_painting(context: Context, message: str, *, grouped: bool = False) -> bool:
    """Put the present slice into the undo history where Blender's own operators would not; True if that was so.

    Before 5.0 an undo step that is made while an object is painted on holds strokes only, and Ctrl+Z would take back
    strokes of a slice that was left without going back to it. Without an active object a step holds the whole file.
    grouped: several such steps in a row are one, as those of slice_step are.
    """
    if AT_LEAST_5 or context.mode != "PAINT_TEXTURE":
        return False
    with context.temp_override(active_object=None, object=None):
        if grouped:
            bpy.ops.tomoseg.slice_step("EXEC_DEFAULT", True, step=0)
        else:
            bpy.ops.ed.undo_push(message=message)
    return True
