"""Enabling and disabling the extension leaves nothing behind."""

import bpy
import pytest

PACKAGE = "bl_ext.user_default.tomoseg"


def ours() -> set[str]:
    """Everything of ours that Blender knows: classes, properties, handlers, timers, keymap items, menu entries."""
    found = {name for name in dir(bpy.types) if name.startswith("TOMOSEG_") or "tomoseg" in name.lower()}
    found |= {f"Scene.{name}" for name in dir(bpy.types.Scene) if "tomoseg" in name}
    found |= {f"op {name}" for name in dir(bpy.ops.tomoseg)}
    for name in dir(bpy.app.handlers):
        functions = getattr(bpy.app.handlers, name)
        if isinstance(functions, list):
            found |= {f"{name} {one.__name__}" for one in functions if PACKAGE in getattr(one, "__module__", "")}
    for menu in ("VIEW3D_MT_editor_menus", "IMAGE_MT_editor_menus"):
        for one in getattr(bpy.types, menu).draw._draw_funcs:
            if PACKAGE in one.__module__:
                found.add(f"{menu} {one.__name__}")
    return found


def test_disabling_leaves_no_class_handler_timer_or_property(part):
    import addon_utils  # exists once bpy is loaded

    before = ours()
    timers = part("tomoseg_blender.handlers")._TIMERS
    assert {"TOMOSEG_OT_train", "Scene.tomoseg", "op train", "VIEW3D_MT_editor_menus _draw_entry"} <= before
    assert "undo_post _after_undo" in before
    assert all(bpy.app.timers.is_registered(timer) for timer in timers)
    addon_utils.disable(PACKAGE)
    try:
        assert ours() == set()
        assert not any(bpy.app.timers.is_registered(timer) for timer in timers)
        assert part("tomoseg_blender.worker").HANDLE.worker is None
    finally:
        addon_utils.enable(PACKAGE, default_set=True)
    assert ours() == before


def test_every_operator_and_each_of_its_properties_explains_itself():
    names = dir(bpy.ops.tomoseg)
    assert len(names) > 25
    for name in names:
        operator = getattr(bpy.ops.tomoseg, name).get_rna_type()
        assert len(operator.description) > 12, f"{name} has no tooltip"
        assert not operator.description.endswith("."), f"Blender adds the full stop to {name} itself"
        for prop in operator.properties:
            assert prop.identifier == "rna_type" or prop.name, f"{name}.{prop.identifier} has no label"


def test_every_operator_is_in_the_menu_where_search_finds_it(part):
    listed = [name for _, names in part("tomoseg_blender.menus")._STEPS for name in names]
    assert sorted([*listed, "workspace"]) == sorted(dir(bpy.ops.tomoseg))


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("segment tomogram", "apply"),
        ("train network", "train"),
        ("missing wedge", "spectrum"),
        ("tilt axis", "spectrum"),
        ("gallery", "show_gallery"),
        ("negative", "suggest_negatives"),
        ("isosurface", "outline_map"),
        ("relion", "export_star"),
        ("brush", "change_radius"),
        ("cancel", "cancel_job"),
        ("erase label", "erase_stroke"),
        ("live training", "live_finish"),
        ("batch", "batch"),
        ("import tomogram", "import_tomogram"),
    ],
)
def test_search_finds_operators_by_words_of_the_field(part, typed, name):
    words = part("tomoseg_blender.menus")._NAMES.get(name) or getattr(bpy.ops.tomoseg, name).get_rna_type().name
    assert all(word in words.lower() for word in typed.split()), words


def test_names_in_the_menu_are_those_of_operators_and_differ(part):
    menus = part("tomoseg_blender.menus")
    assert set(menus._NAMES) <= set(dir(bpy.ops.tomoseg))
    shown = [
        menus._NAMES.get(name) or getattr(bpy.ops.tomoseg, name).get_rna_type().name for name in dir(bpy.ops.tomoseg)
    ]
    assert len(set(shown)) == len(shown)
