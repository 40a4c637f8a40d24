"""The "Tomoseg" menu in the headers of the 3D view and the Image Editor: what is in a menu, F3 finds by its words."""

from typing import Any

import bpy
from bpy.types import Context, Menu

from . import live

# The menus below "Tomoseg" in the protocol's order, and their operators.
_STEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Project", ("create_project", "open_project", "reload_project", "add_feature", "remove_feature")),
    (
        "Tomogram",
        (
            "import_tomogram",
            "show_tomogram",
            "next_tomogram",
            "next_variant",
            "slice_step",
            "automatic_contrast",
            "spectrum",
        ),
    ),
    (
        "Boxes",
        (
            *("use_box_tool", "place_box", "erase_box", "switch_kind", "next_feature", "show_gallery", "pick_tile"),
            *("add_box", "delete_box", "next_box", "change_kind", "suggest_negatives", "borrow_negatives"),
            *("import_rois", "export_rois", "import_scnt"),
        ),
    ),
    (
        "Labels",
        (
            *("paint_slice", "finish_painting", "save_labels", "erase_stroke", "fit_brush", "change_radius"),
            *("switch_role", "fill_label", "flood_label", "copy_label", "interpolate_label", "label_from_map"),
            *("label_from_mask", "check_annotation", "go_to_finding"),
        ),
    ),
    (
        "Live Training",
        (
            *("live", "live_pause", "live_forget", "live_next", "live_finish"),
            *("mark_wrong", "take_in_box", "take_in_lasso"),
        ),
    ),
    (
        "Network",
        (
            *("build_trainset", "train", "continue_training", "show_training_result", "import_network"),
            *("export_network", "apply", "batch"),
        ),
    ),
    (
        "Mask",
        (
            *("merge", "resample", "outline_map", "use_trained_threshold", "open_mask", "import_mask"),
            *("pick_component", "delete_component", "relabel_component", "component_to_boxes"),
            *("save_mask", "discard_corrections", "measure", "export_star", "show_part"),
        ),
    ),
    (
        "Surfaces and Volumes",
        ("import_surfaces", "import_volumes", "import_density", "import_maps", "add_label", "palette_colours"),
    ),
    ("Figure and Film", ("figure", "film", "add_view", "remove_view", "move_view", "go_to_view")),
    ("Worker", ("cancel_job", "check_worker", "install_worker", "repair_worker", "remove_worker")),
)
# Where a button's word would not tell, out of its panel, what it does, or what a biologist would type into F3.
_NAMES = {
    "slice_step": "Next Slice",
    "spectrum": "Fourier Amplitude: Missing Wedge, Tilt Axis",
    "switch_kind": "Switch Box Kind: Positive or Negative",
    "show_gallery": "Gallery of Boxes",
    "change_kind": "Change Kind of Box: Positive or Negative",
    "borrow_negatives": "Boxes of Other Features as Negatives",
    "paint_slice": "Paint Label on Slice",
    "erase_stroke": "Erase Label",
    "fit_brush": "Paint Stroke",
    "change_radius": "Change Brush Radius",
    "switch_role": "Paint Feature or Ignore",
    "flood_label": "Flood Label: Voxels of Like Grey",
    "copy_label": "Copy Label of Neighbouring Slice",
    "interpolate_label": "Interpolate Label Between Slices",
    "label_from_map": "Take Prediction as Label",
    "check_annotation": "Check Annotation: Boxes and Labels",
    "live_pause": "Pause or Continue Live Training",
    "live_forget": "Forget Last Minute of Live Training",
    "live_finish": "Finish Live Training",
    "train": "Train Network",
    "continue_training": "Continue Training",
    "show_training_result": "Show Training Result: Triplets",
    "apply": "Apply Network: Segment Tomogram",
    "batch": "Segment Chosen Tomograms: Batch",
    "merge": "Merge Maps into Mask",
    "outline_map": "Surface of Map: Isosurface",
    "export_star": "Write STAR for RELION",
    "add_view": "Save View for Film",
    "remove_view": "Remove View of Film",
    "move_view": "Move View of Film",
    "go_to_view": "Go to View of Film",
    "cancel_job": "Cancel Running Step",
}
_MENUS = ("VIEW3D_MT_editor_menus", "IMAGE_MT_editor_menus")


class _StepMenu:
    """The operators of one step."""

    names: tuple[str, ...] = ()

    def draw(self, _context: Context) -> None:
        layout: Any = self.layout  # type: ignore[attr-defined]
        layout.operator_context = "INVOKE_DEFAULT"
        for name in self.names:
            words = {"text": _NAMES[name]} if name in _NAMES else {}
            layout.operator(f"tomoseg.{name}", **words)


def _step_menu(label: str, names: tuple[str, ...]) -> type[Menu]:
    kind = f"TOMOSEG_MT_{label.lower().replace(' ', '_')}"
    return type(kind, (_StepMenu, Menu), {"bl_idname": kind, "bl_label": label, "names": names})


_STEP_MENUS = tuple(_step_menu(label, names) for label, names in _STEPS)


class TOMOSEG_MT_main(Menu):
    bl_idname = "TOMOSEG_MT_main"
    bl_label = "Tomoseg"

    def draw(self, _context: Context) -> None:
        layout = self.layout
        layout.operator("tomoseg.workspace", icon="WORKSPACE")
        layout.separator()
        for menu in _STEP_MENUS:
            layout.menu(menu.bl_idname)


def _draw_entry(self: Any, _context: Context) -> None:
    self.layout.menu(TOMOSEG_MT_main.bl_idname)


def _draw_live(self: Any, context: Context) -> None:
    """The switch of live training at the right end of the 3D view's header, once a project is open."""
    if context.scene.tomoseg.folder:
        self.layout.operator("tomoseg.live", text="Live", icon="REC", depress=live.training() is not None)


_register_classes, _unregister_classes = bpy.utils.register_classes_factory((*_STEP_MENUS, TOMOSEG_MT_main))


def register() -> None:
    """Add the menu to both editors."""
    _register_classes()
    for name in _MENUS:
        getattr(bpy.types, name).append(_draw_entry)
    bpy.types.VIEW3D_HT_header.append(_draw_live)


def unregister() -> None:
    """Take it away again."""
    bpy.types.VIEW3D_HT_header.remove(_draw_live)
    for name in _MENUS:
        getattr(bpy.types, name).remove(_draw_entry)
    _unregister_classes()
