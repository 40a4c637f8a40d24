"""The "Tomoseg" menu in the headers of the 3D view and the Image Editor: what is in a menu, F3 finds."""

from typing import Any

import bpy
from bpy.types import Context, Menu

from . import live

# Operators in the protocol's order, a separator between steps.
_STEPS = (
    ("create_project", "open_project", "reload_project", "add_feature", "remove_feature"),
    ("import_tomogram",),
    ("show_tomogram", "next_tomogram", "next_variant", "slice_step", "automatic_contrast", "spectrum", "workspace"),
    ("use_box_tool", "place_box", "erase_box", "switch_kind", "next_feature", "show_gallery", "pick_tile"),
    ("add_box", "delete_box", "next_box", "change_kind", "import_rois", "export_rois", "import_scnt"),
    ("suggest_negatives", "borrow_negatives"),
    ("paint_slice", "finish_painting", "save_labels", "label_from_mask"),
    ("erase_stroke", "fit_brush", "change_radius", "switch_role"),
    ("fill_label", "flood_label", "copy_label", "interpolate_label", "label_from_map"),
    ("live", "live_pause", "live_forget", "live_next", "live_finish"),
    ("mark_wrong", "take_in_box", "take_in_lasso"),
    ("check_annotation", "go_to_finding"),
    ("build_trainset",),
    ("train", "continue_training", "show_training_result", "import_network", "export_network"),
    ("apply", "batch"),
    ("merge", "resample"),
    ("outline_map", "use_trained_threshold"),
    (
        "open_mask",
        "import_mask",
        "import_surfaces",
        "import_volumes",
        "import_density",
        "import_maps",
        "add_label",
        "palette_colours",
    ),
    ("pick_component", "delete_component", "relabel_component", "component_to_boxes"),
    ("save_mask", "discard_corrections"),
    ("measure", "export_star", "show_part"),
    ("figure", "film", "add_view", "remove_view", "move_view", "go_to_view"),
    ("cancel_job", "check_worker", "install_worker", "repair_worker", "remove_worker"),
)
_MENUS = ("VIEW3D_MT_editor_menus", "IMAGE_MT_editor_menus")


class TOMOSEG_MT_main(Menu):
    bl_idname = "TOMOSEG_MT_main"
    bl_label = "Tomoseg"

    def draw(self, _context: Context) -> None:
        layout = self.layout
        layout.operator_context = "INVOKE_DEFAULT"
        for number, names in enumerate(_STEPS):
            if number:
                layout.separator()
            for name in names:
                layout.operator(f"tomoseg.{name}")


def _draw_entry(self: Any, _context: Context) -> None:
    self.layout.menu(TOMOSEG_MT_main.bl_idname)


def _draw_live(self: Any, context: Context) -> None:
    """The switch of live training at the right end of the 3D view's header, once a project is open."""
    if context.scene.tomoseg.folder:
        self.layout.operator("tomoseg.live", text="Live", icon="REC", depress=live.training() is not None)


_register_classes, _unregister_classes = bpy.utils.register_classes_factory((TOMOSEG_MT_main,))


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
