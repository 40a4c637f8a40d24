"""What happens by itself: saving boxes and labels, following undo, and reading the project when a .blend is opened."""

from pathlib import Path
from typing import Any

import bpy
from bpy.app.handlers import persistent
from bpy.types import Scene

from ..tomo import exchange
from ..tomo.errors import TomosegError
from . import (
    boxing,
    compat,
    gallery,
    jobs,
    masks,
    outlining,
    painting,
    restoring,
    sections,
    state,
    thresholding,
    undo_steps,
    viewing,
)
from .keeping import KEEPER
from .scene import boxes, labels, volumes
from .worker import HANDLE

AUTOSAVE_SECONDS = 15.0  # twice in the half minute that may be lost: a long stroke delays it
ZOOM_SECONDS = 0.5
BOX_SECONDS = 0.3
STROKE_SECONDS = 0.5  # until a label that is being drawn on is tried again
GALLERY_SECONDS = 1.0
CLAIM_SECONDS = 2.0


def _tomoseg_scenes() -> list[Scene]:
    return [scene for scene in bpy.data.scenes if scene.tomoseg.folder]


def _save(scene: Scene) -> str | None:
    """Write boxes and labels of a scene to its project; returns the sentence if that failed."""
    try:
        changed = boxing.save_boxes(scene)
        changed = bool(painting.save_painted(scene)) or changed
    except TomosegError as error:
        return str(error)
    if changed:
        state.refresh(scene)
    return None


def _let_go(_path: Path) -> None:
    """Close the files that are shown: on Windows an open one cannot be replaced (tomo/exchange.py)."""
    viewing.forget()
    outlining.forget()


def _tell(scene: Scene, sentence: str) -> None:
    scene.tomoseg.reasons.next_step = sentence
    print(f"Tomoseg: {sentence}")


class _Packed:
    """The label images that are packed while a .blend is being written."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}


_PACKED = _Packed()


def _before_save(path: Any, *_rest: Any) -> None:
    """Boxes and labels go to the project; what cannot, stays in the .blend. The folder's path becomes relative."""
    for scene in _tomoseg_scenes():
        failed = _save(scene)
        if failed is not None:
            painting.keep_in_blend()
            _tell(scene, failed)
        folder = state.project_folder(scene)
        if folder is not None and folder.is_absolute() and isinstance(path, str) and path:
            scene.tomoseg.folder = relative_to(folder, Path(path))
    _PACKED.files = labels.pack_for_blend()


def relative_to(folder: Path, blend: Path) -> str:
    """The project folder as a .blend at `blend` keeps it; absolute where no relative path exists."""
    try:
        return bpy.path.relpath(str(folder), start=str(blend.parent))
    except ValueError:  # another drive on Windows
        return str(folder)


def _after_save(path: Any, *_rest: Any) -> None:
    """A saved copy elsewhere leaves this .blend where it was: its folder must not become relative to the copy."""
    labels.unpack_after_blend(_PACKED.files)
    if not isinstance(path, str) or not path or path == bpy.data.filepath:
        volumes.use_relative_paths()
        return
    for scene in _tomoseg_scenes():
        folder = Path(bpy.path.abspath(scene.tomoseg.folder, start=str(Path(path).parent)))
        current = bpy.data.filepath
        scene.tomoseg.folder = relative_to(folder, Path(current)) if current else str(folder)


def _after_failed_save(*_arguments: Any) -> None:
    labels.unpack_after_blend(_PACKED.files)


def _before_render(*_arguments: Any) -> None:
    """A large slice is drawn without its image in Solid mode: a render needs that in full."""
    for scene in _tomoseg_scenes():
        try:
            viewing.fill_image(scene)
        except TomosegError as error:
            _tell(scene, str(error))


def _after_load(*_arguments: Any) -> None:
    """The project folder rules: boxes and labels are shown as its files have them now."""
    HANDLE.outcome = None  # how a step ended in the file before
    painting.forget_versions()
    state.give_back_projects()
    for scene in _tomoseg_scenes():
        state.refresh(scene)
        if scene.tomoseg.reasons.project:
            # The folder is gone: what the .blend holds stays, and the folder rules once it is back.
            boxes.forget_boxes()
            continue
        failed: str | None = None
        try:
            project, known = state.require_project(scene), restoring.boxes_of_blend()
            scene.tomoseg.reasons.restored = restoring.restored(project, known) or ""
            boxes.show_boxes(project.boxes())
            if not project.read_only:
                painting.save_painted(scene)  # only what could not be saved before
            painting.forget_saved(for_good=True)
            shown = viewing.shown_tomogram(scene)
            if shown is not None:
                viewing.show(scene, shown[0])
        except TomosegError as error:
            failed = str(error)
        state.refresh(scene)
        if failed is not None:
            _tell(scene, failed)


def _after_undo(*_arguments: Any) -> None:
    """Boxes and labels are saved as they are now, and the slice of the current index is shown again."""
    for scene in _tomoseg_scenes():
        _keep_lists(scene)
        failed = _save(scene)
        state.refresh(scene)
        try:
            viewing.show_again(scene)
            shown = viewing.shown_tomogram(scene)
            if shown is not None:
                painting.save_shown(scene, shown[0])
        except TomosegError as error:
            failed = failed or str(error)
        if failed is not None:
            _tell(scene, failed)


def _keep_lists(scene: Scene) -> None:
    """Thresholds and the label table follow undo; refreshing the lists would take the files' word for it."""
    try:
        thresholding.keep_levels(scene)
        masks.keep_table(scene)
    except TomosegError as error:
        _tell(scene, str(error))


def _after_change(scene: Scene, depsgraph: Any) -> None:
    """A box was moved, copied or deleted by Blender's own tools: the project follows, in a window a moment later."""
    if not scene.tomoseg.folder or not depsgraph.id_type_updated("OBJECT"):
        return
    if bpy.app.background:
        save_all()
    elif not bpy.app.timers.is_registered(save_all):
        # Writing files for each mouse move of a drag would make it jerk.
        bpy.app.timers.register(save_all, first_interval=BOX_SECONDS)


def save_all() -> None:
    """Timer and exit: write the boxes and labels of all scenes to their projects."""
    for scene in _tomoseg_scenes():
        failed = _save(scene)
        if failed is not None:
            _tell(scene, failed)
    if not compat.modal_operators():  # else something may be dragged just now
        boxing.snap()


def _autosave() -> float:
    save_all()
    return STROKE_SECONDS if painting.is_stroking() else AUTOSAVE_SECONDS


def _claim() -> float:
    """Once the Blender that had the project has gone, it is read anew and may be changed here."""
    if any(scene.tomoseg.reasons.read_only and state.may_change(scene) for scene in _tomoseg_scenes()):
        _after_load()
    return CLAIM_SECONDS


def _follow_gallery() -> float:
    """The gallery is always up to date while somebody sees it."""
    for scene in _tomoseg_scenes():
        gallery.follow(scene)
    return GALLERY_SECONDS


def _follow_zoom() -> float:
    """The brush keeps its radius in voxels when the view is zoomed, and what was chosen with F becomes that radius."""
    if painting.painted_plane(bpy.context.scene) is not None:
        painting.follow_radius(bpy.context)
    return ZOOM_SECONDS


_HANDLERS = (
    ("save_pre", _before_save),
    ("save_post", _after_save),
    ("save_post_fail", _after_failed_save),
    ("load_post", _after_load),
    ("render_init", _before_render),
    ("undo_post", _after_undo),
    ("redo_post", _after_undo),
    ("depsgraph_update_post", _after_change),
)
_TIMERS = {
    _autosave: AUTOSAVE_SECONDS,
    _claim: CLAIM_SECONDS,
    _follow_zoom: ZOOM_SECONDS,
    _follow_gallery: GALLERY_SECONDS,
}


def register() -> None:
    """Add handlers and timers."""
    for name, function in _HANDLERS:
        getattr(bpy.app.handlers, name).append(persistent(function))
    for timer, seconds in _TIMERS.items():
        bpy.app.timers.register(timer, first_interval=seconds, persistent=True)
    exchange.ASKED.append(_let_go)


def unregister() -> None:
    """Save, and take handlers and timers away again. Blender calls this on quitting too, while its data still live."""
    save_all()
    sections.MAKER.forget()
    looking = (viewing.rest, viewing.sharpen, viewing.make_sections)
    for timer in (*_TIMERS, *looking, save_all, thresholding.settle, undo_steps.keep, jobs.poll):
        if bpy.app.timers.is_registered(timer):
            bpy.app.timers.unregister(timer)
    for name, function in _HANDLERS:
        getattr(bpy.app.handlers, name).remove(function)
    exchange.ASKED.remove(_let_go)
    KEEPER.keep_only([])
