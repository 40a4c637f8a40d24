"""Imports point one way: tomo ← ml, tomo ← tomoseg_blender, and neither side sees the other's libraries."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FORBIDDEN = {
    "tomo": {"ml", "tomoseg_blender", "bpy", "torch", "scipy", "skimage", "h5py"},
    "ml": {"tomoseg_blender", "bpy"},
    "tomoseg_blender": {"ml", "torch", "skimage", "scipy", "h5py"},
}


def imported_names(source: str, parts: tuple[str, ...]) -> set[str]:
    """The first names that a module's imports lead to, counted from the repository's root."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = list(parts[:-1])[: len(parts) - node.level] if node.level else []
            full = base + (node.module.split(".") if node.module else [])
            names |= {full[0]} if full else {alias.name for alias in node.names}
    return names


@pytest.mark.parametrize("room", FORBIDDEN)
def test_no_file_of_a_room_imports_what_it_must_not(room):
    files = sorted((ROOT / room).rglob("*.py"))
    assert files, f"the room {room} has no files"
    for file in files:
        names = imported_names(file.read_text(encoding="utf-8"), file.relative_to(ROOT).parts)
        assert not names & FORBIDDEN[room], f"{file.relative_to(ROOT)} imports {names & FORBIDDEN[room]}"


def test_a_relative_import_across_rooms_is_seen():
    parts = ("tomoseg_blender", "operators", "train.py")
    assert imported_names("from ... import ml", parts) == {"ml"}
    assert imported_names("from ...ml import train", parts) == {"ml"}
    assert imported_names("from ..scene import slices", parts) == {"tomoseg_blender"}
    assert imported_names("from ...tomo import mrc", parts) == {"tomo"}
