"""Films of a figure: a turntable, a sweep of the slice plane, a way through saved views; written as MP4.

A film is a figure whose camera is keyed for each frame. It stays orthographic, so that the scale bar is true in each
frame; where the view grows or shrinks, the bar changes with it.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Matrix, Quaternion, Vector
from numpy.typing import NDArray

from ...tomo.errors import TomosegError
from ...tomo.files import replacing
from .. import compat
from . import box_edges, figure_look, figure_parts, silhouettes
from .figure import Figure, set_quality
from .framing import MARGIN, Frame, directions

Vectors = NDArray[np.float64]
ShowSlice = Callable[[int], None]


@dataclass(frozen=True)
class View:
    """A saved view: where it looks at (Blender units), how the camera is turned (w, x, y, z), how wide it sees."""

    name: str
    middle: tuple[float, float, float]
    turn: tuple[float, float, float, float]
    width: float


def turntable(figure: Figure, points: Vectors, elevation: float, azimuth: float, count: int) -> list[Frame]:
    """`count` frames of one turn around the middle of `points` (n, 3), all equally wide and with all of them seen."""
    turns = [azimuth + 360.0 * number / count for number in range(count)]
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    axes = [directions(elevation, turn) for turn in turns]
    right, up = (max(float(np.abs((points - middle) @ axis[n]).max()) for axis in axes) for n in (0, 1))
    size, strip = figure.frame.size, figure.strip
    margin = MARGIN * size[0]
    pixel = max(2 * right / (size[0] - 2 * margin), 2 * up / (size[1] - strip - 2 * margin))
    depth = float(np.linalg.norm(points - middle, axis=1).max())
    return [
        Frame(across, along, towards, middle - along * strip * pixel / 2, pixel * size[0], size, depth)
        for across, along, towards in axes
    ]


def way(figure: Figure, points: Vectors, views: list[View], count: int) -> list[Frame]:
    """`count` frames from the first view through all others to the last, at rest at each of them.

    Raises TomosegError for fewer than two views.
    """
    if len(views) < 2:
        raise TomosegError("A film through saved views needs two of them at least: add views, then make the film.")
    places = np.linspace(0, len(views) - 1, count)
    return [_between(figure, points, views, float(place)) for place in places]


def _between(figure: Figure, points: Vectors, views: list[View], place: float) -> Frame:
    """The frame at `place`, where whole numbers are the views."""
    number = min(int(place), len(views) - 2)
    share = place - number
    share = share * share * (3 - 2 * share)  # starts and ends gently
    first, second = views[number], views[number + 1]
    turn = Quaternion(first.turn).slerp(Quaternion(second.turn), share)
    right, up, towards = (np.array(turn @ Vector(axis)) for axis in ((1, 0, 0), (0, 1, 0), (0, 0, 1)))
    middle = (1 - share) * np.array(first.middle) + share * np.array(second.middle)
    width = math.exp((1 - share) * math.log(first.width) + share * math.log(second.width))
    depth = float(np.abs((points - middle) @ towards).max())
    return Frame(right, up, towards, middle, width, figure.frame.size, depth)


def key_frames(figure: Figure, tomogram: Any, frames: list[Frame]) -> None:
    """Let the figure's camera, sheet, box edges and scale bar follow `frames`, from frame 1 on."""
    scene = figure.scene
    scene.frame_start, scene.frame_end = 1, len(frames)
    camera = scene.camera
    camera.rotation_mode = "QUATERNION"
    distance = max(frame.distance for frame in frames)  # one for all: shadows and clipping stay the same
    if figure.strip and figure.sheet.backing is None:
        figure.sheet.band(figure.strip, figure.background)
    depth = max(frame.depth for frame in frames)
    figure_look.set_haze_range(scene, *figure_look.haze_range(distance, depth))
    camera.data.clip_start = min(frame.width for frame in frames) * 0.001
    camera.data.clip_end = 2 * distance + max(frame.width for frame in frames)
    if figure.bar is not None:
        for frame in frames:
            figure.bar.fit(frame)  # all the bars that the film needs are there before the first is keyed
    silhouettes.key_widths(scene, frames)
    before: Quaternion | None = None
    for number, frame in enumerate(frames, 1):
        before = _key_camera(camera, frame, distance, number, before)
        figure.sheet.fit(frame)
        for path in ("scale", "location"):
            figure.sheet.holder.keyframe_insert(path, frame=number)
        if figure.bar is not None:
            figure.bar.key(frame, number)
        box_edges.hide_near_edges(figure.edges, box_edges.nearest_corner(tomogram, frame.towards))
        for edge in figure.edges:  # each frame: Blender blends between keys, of switches, too
            edge.shown.keyframe_insert("hide_render", frame=number)
            edge.shown.data.bevel_depth = box_edges.radius(frame)
            edge.shown.data.keyframe_insert("bevel_depth", frame=number)
    for piece in scene.objects:  # what is hidden in the view is not evaluated, and would keep its first state
        piece.hide_viewport = False


def _key_camera(camera: Any, frame: Frame, distance: float, number: int, before: Quaternion | None) -> Quaternion:
    matrix = Matrix((frame.right, frame.up, frame.towards)).transposed()
    turn = matrix.to_quaternion()
    if before is not None:
        turn.make_compatible(before)
    camera.location = Vector(frame.middle) + Vector(frame.towards) * distance
    camera.rotation_quaternion = turn
    camera.data.ortho_scale = frame.width
    for path in ("location", "rotation_quaternion"):
        camera.keyframe_insert(path, frame=number)
    camera.data.keyframe_insert("ortho_scale", frame=number)
    return turn


def render_film(
    figure: Figure, path: Path, samples: int, rate: int, told: Callable[[int], None], show_slice: ShowSlice | None
) -> None:
    """Render the keyed frames to an MP4 (H.264) at `path`, `rate` frames a second; all of it or nothing.

    told: called with each frame's number before it is rendered. show_slice: called with it, too, to change the slice
    plane. Background mode only: both are called while Blender renders. Raises TomosegError.
    """
    if path.suffix.lower() != ".mp4":  # to other names Blender adds the numbers of the frames
        raise TomosegError(f"{path.name} is no name for a film: let it end in .mp4.")
    scene = figure.scene
    set_quality(scene, samples)
    compat.set_video_output(scene.render)
    scene.render.fps, scene.render.fps_base = rate, 1.0
    scene.render.film_transparent = False  # MP4 knows no transparency: it would be black
    # Meshes go to Cycles once for the whole film; a slice's new pixels would not get there.
    scene.render.use_persistent_data = show_slice is None
    with replacing(path.absolute()) as temporary, _at_each_frame(scene, told, show_slice):
        scene.render.filepath = str(temporary)
        try:
            bpy.ops.render.render(animation=True, scene=scene.name)
        except RuntimeError as error:
            raise TomosegError(f"The film could not be rendered: {str(error).strip()}") from error
        if not temporary.exists():
            raise TomosegError(f"Blender wrote no film to {path}: choose another folder.")


@contextmanager
def _at_each_frame(scene: Any, told: Callable[[int], None], show_slice: ShowSlice | None) -> Iterator[None]:
    """Within this block Blender calls the two functions before it renders a frame of `scene`."""

    def before(changed: Any, *_rest: Any) -> None:
        if changed == scene:
            told(scene.frame_current)
            if show_slice is not None:
                show_slice(scene.frame_current)

    bpy.app.handlers.frame_change_pre.append(before)
    try:
        yield
    finally:
        bpy.app.handlers.frame_change_pre.remove(before)


def film_points(figure: Figure, tomogram: Any) -> Vectors:
    """The corners of what a film shows, (n, 3): the tomogram's box where it is drawn, else that of the surfaces."""
    if figure.edges:
        return np.asarray(figure_parts.box_points(tomogram), float)
    return np.concatenate([figure_parts.mesh_points(shown) for _, _, shown in figure.shown])
