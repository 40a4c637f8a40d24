"""Finding Tomoseg's own data again: by custom properties, since people rename objects and Blender cuts names."""

from collections.abc import Iterable, Iterator
from typing import Any

KIND = "tomoseg_kind"
_PREFIX = "tomoseg_"


def mark(data: Any, kind: str, **values: Any) -> None:
    """Write what `data` (an object, image or material) is for into its custom properties."""
    data[KIND] = kind
    for name, value in values.items():
        data[_PREFIX + name] = value


def value_of(data: Any, name: str, default: Any = None) -> Any:
    """One value that `mark` wrote, or `default`."""
    return data.get(_PREFIX + name, default)


def is_marked(data: Any, kind: str, **values: Any) -> bool:
    """True if `data` was marked with this kind and all these values."""
    return data.get(KIND) == kind and all(value_of(data, name) == value for name, value in values.items())


def marked(where: Iterable[Any], kind: str, **values: Any) -> Iterator[Any]:
    """All of `where` (bpy.data.objects, say) that were marked so. Cost grows with the number of objects."""
    return (data for data in where if is_marked(data, kind, **values))


def first_marked(where: Iterable[Any], kind: str, **values: Any) -> Any | None:
    """The first that was marked so, or None."""
    return next(marked(where, kind, **values), None)
