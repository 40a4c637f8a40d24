"""One file of operators per step of the protocol, with the name of its panel."""

from . import (
    apply,
    batch,
    box_tool,
    boxes,
    brush,
    build_trainset,
    check,
    correct,
    correcting,
    edit_label,
    eman2,
    figure,
    film,
    flood,
    gallery,
    import_tomogram,
    label_table,
    labels_from_mask,
    live,
    measure,
    merge,
    paint,
    project,
    results,
    status,
    threshold,
    train,
    view,
    volumes,
    worker_setup,
    workspace,
)

_PARTS = (
    status,
    worker_setup,
    project,
    import_tomogram,
    view,
    workspace,
    boxes,
    box_tool,
    gallery,
    paint,
    labels_from_mask,
    brush,
    edit_label,
    flood,
    correcting,
    check,
    build_trainset,
    eman2,
    train,
    live,
    apply,
    batch,
    threshold,
    merge,
    results,
    volumes,
    label_table,
    correct,
    measure,
    figure,
    film,
)


def register() -> None:
    """Register all operators."""
    for part in _PARTS:
        part.register()


def unregister() -> None:
    """Take them away again."""
    for part in reversed(_PARTS):
        part.unregister()
