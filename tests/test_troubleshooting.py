"""The sentences on docs/troubleshooting.md are those of the program."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("tomo", "ml", "tomoseg_blender")


def texts() -> list[str]:
    """All text in the source, that of f-strings in the pieces between their fields."""
    found = []
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            constants = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
            found += [value for value in constants if isinstance(value, str)]
    return found


def sentences() -> list[str]:
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    return re.findall(r"\*\*(.+?)\*\*", page.replace("*.whl", "\N{ASTERISK OPERATOR}.whl"))


def test_each_sentence_of_the_page_is_in_the_program():
    said = texts()
    found = sentences()
    assert len(found) > 30
    for sentence in found:
        pieces = [piece.strip() for piece in sentence.replace("\N{ASTERISK OPERATOR}", "*").split("…")]
        strange = [piece for piece in pieces if not any(piece in text for text in said)]
        assert not strange, f"{sentence!r}: the program never says {strange}"
