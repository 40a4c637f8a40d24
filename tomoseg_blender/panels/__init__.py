"""The sidebar tab "Tomoseg": a status panel, then one panel per step in the protocol's order."""

from . import (
    apply,
    batch,
    boxes,
    build_trainset,
    check,
    correct,
    figure,
    import_tomogram,
    label_table,
    live,
    measure,
    merge,
    paint,
    project,
    results,
    status,
    train,
    view,
)

# Blender shows panels in the order of their registration.
_PARTS = (
    status,
    project,
    import_tomogram,
    view,
    boxes,
    paint,
    live,
    check,
    build_trainset,
    train,
    apply,
    batch,
    merge,
    results,
    label_table,
    correct,
    measure,
    figure,
)


def register() -> None:
    """Register all panels."""
    for part in _PARTS:
        part.register()


def unregister() -> None:
    """Take them away again."""
    for part in reversed(_PARTS):
        part.unregister()
