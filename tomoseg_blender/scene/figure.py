"""A figure fit for a paper: surfaces in their colours, slice, outline, scale bar and legend, in a scene of its own.

The scene shares the surfaces' meshes with the person's scene but nothing else, so that it can be made again at any
time and changes nothing there.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Vector

from ...tomo.errors import TomosegError
from ...tomo.files import replacing
from ...tomo.geometry import require_voxel_size
from . import box_edges, figure_cut, legend
from . import figure_parts as parts
from . import figure_stage as stage
from .figure_look import Haze, figure_material, forget_materials, haze_range, prepare_slice
from .figure_options import FigureSettings, check_settings
from .figure_sheet import Sheet, text_size
from .framing import MARGIN, Frame, frame_points, to_pixels
from .materials import feature_material
from .meshes import feature_of, surfaces
from .palette import hex_colour, linear
from .scale_bar import LONGEST_SHARE, ScaleBar
from .silhouettes import add_silhouette
from .slices import find_plane, shown_image
from .tomogram import geometry_of, name_of
from .volumes import check_shown, volumes

LEGEND_SHARE = 1 - LONGEST_SHARE - 4 * MARGIN  # what bar and margins leave of the width


@dataclass(frozen=True)
class Figure:
    """A built figure: its scene, its view, and what it shows as (feature, colour, object).

    edges: of the tomogram's box, [] without an outline. strip: pixels at the bottom that belong to bar and legend.
    background: '#rrggbb'.
    """

    scene: Any
    frame: Frame
    shown: list[tuple[str, str, Any]]
    edges: list[box_edges.Edge]
    sheet: Sheet
    bar: ScaleBar | None
    strip: int
    background: str
    plane: Any | None

    def pixels_of(self, points: Any) -> Any:
        """Where world points (n, 3) fall in the picture, (n, 2) from the lower left corner."""
        return to_pixels(np.asarray(points, float), self.frame)


def build_figure(tomogram: Any, settings: FigureSettings) -> Figure:
    """Build the scene of a tomogram's figure; one built before is replaced.

    Raises TomosegError if there is nothing to show, the voxel size that a scale bar needs is unknown, or a preset or
    feature is not known; nothing is built then.
    """
    check_settings(settings)
    originals = _chosen(tomogram, settings)
    if settings.scale_bar:
        require_voxel_size(geometry_of(tomogram), name_of(tomogram))
    plane = _slice_plane(tomogram, settings)
    lines, strip = _strip(originals, settings)
    frame = _frame(tomogram, originals, settings, strip)
    scene = stage.new_stage(name_of(tomogram))
    camera = stage.add_camera(scene, frame)
    stage.add_lights(scene, camera)
    stage.set_world(scene, settings.background)
    stage.set_render(scene, settings.size, settings.transparent, settings.engine)
    shown = _add_contents(scene, tomogram, originals, frame, settings)
    if plane is not None:
        plane = _add_slice(scene, plane, frame, settings)
    edges = _add_outline(scene, tomogram, frame, settings)
    background = stage.background_colour(settings.background)
    sheet, bar = _add_sheet(scene, camera, frame, lines, settings)
    if strip and not settings.transparent:
        sheet.band(strip, background)
    forget_materials()
    figure_cut.forget_nodes()
    return Figure(scene, frame, shown, edges, sheet, bar, strip, background, plane)


def render_figure(figure: Figure, path: Path, samples: int = 24) -> float:
    """Render a built figure to a PNG with Cycles; returns the seconds it took. Raises TomosegError if it fails.

    Measured: 1200 × 900 with 20 samples takes 20 to 35 s of one core. The denoiser is used where this Blender has one.
    """
    scene = figure.scene
    set_quality(scene, samples)
    began = time.monotonic()
    with replacing(path.absolute()) as temporary:
        scene.render.filepath = str(temporary)
        try:
            bpy.ops.render.render(write_still=True, scene=scene.name)
        except RuntimeError as error:
            raise TomosegError(f"The figure could not be rendered: {str(error).strip()}") from error
        if not temporary.exists():
            raise TomosegError(f"Blender wrote no picture to {path}: choose another folder.")
    return time.monotonic() - began


def set_quality(scene: Any, samples: int) -> None:
    """Set the samples of a figure's render, and the denoiser where this Blender has one."""
    scene.eevee.taa_render_samples = samples
    if scene.render.engine == "CYCLES":
        scene.cycles.samples = samples
        scene.cycles.use_denoising = _has_denoiser(scene)


def _chosen(tomogram: Any, settings: FigureSettings) -> list[tuple[str, str, Any]]:
    """(feature, colour, object) of what is shown: those named, or all that are not hidden in renders."""
    found = volumes(tomogram) if settings.use_volumes else surfaces(tomogram)
    by_name = {feature_of(original): original for original in found}
    if missing := [name for name in settings.features if name not in by_name]:
        raise TomosegError(f"There is no surface of {missing[0]} in {name_of(tomogram)}: import the mask first.")
    names = settings.features or [name for name, original in by_name.items() if not original.hide_render]
    if not names:
        raise TomosegError(f"{name_of(tomogram)} has nothing to show: import a mask first, or unhide a surface.")
    if settings.use_volumes:
        for name in names:
            check_shown(by_name[name])
    return [(name, _colour(by_name[name]), by_name[name]) for name in names]


def _colour(original: Any) -> str:
    """The colour that the feature's material has now, as the person may have changed it."""
    material = original.active_material
    return hex_colour(material.diffuse_color if material is not None else original.color)


def _slice_plane(tomogram: Any, settings: FigureSettings) -> Any | None:
    if not settings.slice_axis:
        return None
    plane = find_plane(tomogram, settings.slice_axis)
    if plane is None or shown_image(plane) is None:
        raise TomosegError(f"No slice along {settings.slice_axis} is shown: show one first, or leave it out.")
    return plane


def _strip(originals: list[tuple[str, str, Any]], settings: FigureSettings) -> tuple[list[list[legend.Entry]], int]:
    """Rows of the legend, and the pixels that it and the scale bar need at the bottom of the picture."""
    text = text_size(settings.size)
    lines: list[list[legend.Entry]] = []
    if settings.legend:
        found = legend.entries([(name, colour) for name, colour, _ in originals])
        lines = legend.rows(found, LEGEND_SHARE * settings.size[0] / text)
    height = max(len(lines) * legend.LINE, 1.9 if settings.scale_bar else 0.0)
    return lines, round(height * text + (MARGIN * settings.size[0] if height else 0))


def _frame(tomogram: Any, originals: list[tuple[str, str, Any]], settings: FigureSettings, strip: int) -> Frame:
    """The view that shows all, above `strip` pixels."""
    points = [parts.mesh_points(original) for _, _, original in originals]
    if settings.outline or settings.slice_axis:
        points.append(parts.box_points(tomogram))
    every = np.concatenate(points)
    return frame_points(every, settings.elevation, settings.azimuth_for(every), settings.size, strip)


def _add_contents(
    scene: Any, tomogram: Any, originals: list[tuple[str, str, Any]], frame: Frame, settings: FigureSettings
) -> list[tuple[str, str, Any]]:
    cut = None
    if settings.preset == "cut_open":
        cut = parts.add_cut(scene, tomogram, settings.cut_axis, settings.cut_position, Vector(frame.towards))
    shown = []
    for name, colour, original in originals:
        copy = parts.add_copy(scene, original)
        if original.type == "MESH":
            _dress(scene, (name, colour, original), copy, frame, cut, settings)
        shown.append((name, colour, copy))
    return shown


def _dress(
    scene: Any, surface: tuple[str, str, Any], copy: Any, frame: Frame, cut: Any | None, settings: FigureSettings
) -> None:
    """Give the figure's copy of a surface its looks: its material, the cut, and the lines around it."""
    name, colour, original = surface
    haze = _haze(frame, settings)
    material = original.active_material or feature_material(name, colour)
    parts.give_material(copy, figure_material(material, frame.width, cut, haze))
    if cut is not None:
        figure_cut.take_away(copy, cut)
    if settings.silhouettes:
        add_silhouette(scene, original, frame, stage.LINES[settings.background], cut, haze)


def _add_slice(scene: Any, original: Any, frame: Frame, settings: FigureSettings) -> Any:
    """The figure's copy of a slice plane."""
    plane = parts.add_copy(scene, original)
    parts.show_unlit(plane)
    # Surfaces are darker where they stand on it; EEVEE would let it shade itself.
    plane.visible_shadow = settings.engine == "cycles"
    # Of a volume the renderer meets the blocks that hold it, which are larger.
    reach = None if settings.use_volumes else frame.width
    prepare_slice(plane, reach, settings.engine, _haze(frame, settings))
    return plane


def _haze(frame: Frame, settings: FigureSettings) -> Haze | None:
    if settings.haze <= 0:
        return None
    # White swallows colours sooner than black does: light is mixed, not what the eye makes of it.
    strength = settings.haze**2 if settings.background == "white" else settings.haze
    return Haze(
        linear(stage.background_colour(settings.background)), strength, *haze_range(frame.distance, frame.depth)
    )


def _add_outline(scene: Any, tomogram: Any, frame: Frame, settings: FigureSettings) -> list[box_edges.Edge]:
    if not settings.outline:
        return []
    grey = "#8c8c8c" if settings.background == "white" else "#767676"
    edges = box_edges.add_edges(scene, tomogram, frame, grey)
    box_edges.hide_near_edges(edges, box_edges.nearest_corner(tomogram, frame.towards))
    return edges


def _add_sheet(
    scene: Any, camera: Any, frame: Frame, lines: list[list[legend.Entry]], settings: FigureSettings
) -> tuple[Sheet, ScaleBar | None]:
    sheet, text, ink = Sheet(scene, camera, frame), text_size(settings.size), stage.INKS[settings.background]
    margin = MARGIN * settings.size[0]
    bar = ScaleBar(sheet, margin, margin, text, ink) if settings.scale_bar else None
    if bar is not None:
        bar.fit(frame)
    if lines:
        legend.add_legend(sheet, lines, settings.size[0] - margin, margin, text, ink)
    return sheet, bar


def _has_denoiser(scene: Any) -> bool:
    try:
        scene.cycles.denoiser = "OPENIMAGEDENOISE"
    except TypeError:  # this build has none
        return False
    if hasattr(scene.cycles, "denoising_quality"):
        scene.cycles.denoising_quality = "FAST"  # the accurate one takes as long as 25 samples and looks the same
        scene.cycles.denoising_prefilter = "FAST"
    return True
