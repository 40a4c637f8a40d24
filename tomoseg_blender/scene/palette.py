"""Feature colours: '#rrggbb' as people write them, and the numbers that Blender wants."""

import re

from ...tomo.errors import TomosegError

Rgb = tuple[float, float, float]
Rgba = tuple[float, float, float, float]
IGNORE_COLOUR = "#7f7f7f"


def srgb(colour: str) -> Rgb:
    """(r, g, b), 0 to 1, of '#rrggbb', as byte images and screens use them. Raises TomosegError."""
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", colour):
        raise TomosegError(f"{colour!r} is no colour: write it as #rrggbb, for example #56b4e9.")
    red, green, blue = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return red, green, blue


def linear(colour: str) -> Rgba:
    """(r, g, b, 1) scene-linear, as materials, lights and object colours use them. Raises TomosegError."""
    red, green, blue = (_decode(value) for value in srgb(colour))
    return red, green, blue, 1.0


def _decode(value: float) -> float:
    # The sRGB transfer curve of IEC 61966-2-1.
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)
