"""One file of operators per step of the protocol, with the name of its panel."""

from . import (
    apply,
    boxes,
    build_trainset,
    eman2,
    figure,
    import_tomogram,
    measure,
    merge,
    paint,
    project,
    results,
    status,
    train,
    view,
)

_PARTS = (
    status,
    project,
    import_tomogram,
    view,
    boxes,
    paint,
    build_trainset,
    eman2,
    train,
    apply,
    merge,
    results,
    measure,
    figure,
)


def register() -> None:
    """Register all operators."""
    for part in _PARTS:
        part.register()


def unregister() -> None:
    """Take them away again."""
    for part in reversed(_PARTS):
        part.unregister()
