"""Feature colours: '#rrggbb' as people write them, and the numbers that Blender wants."""

from collections.abc import Sequence

from ...tomo.features import check_colour

Rgb = tuple[float, float, float]
Rgba = tuple[float, float, float, float]
IGNORE_COLOUR = "#7f7f7f"


def srgb(colour: str) -> Rgb:
    """(r, g, b), 0 to 1, of '#rrggbb', as byte images and screens use them. Raises TomosegError."""
    digits = check_colour(colour)
    red, green, blue = (int(digits[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return red, green, blue


def linear(colour: str) -> Rgba:
    """(r, g, b, 1) scene-linear, as materials, lights and object colours use them. Raises TomosegError."""
    red, green, blue = (_decode(value) for value in srgb(colour))
    return red, green, blue, 1.0


def _decode(value: float) -> float:
    # The sRGB transfer curve of IEC 61966-2-1.
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def hex_colour(linear_colour: Sequence[float]) -> str:
    """'#rrggbb' of a scene-linear colour (r, g, b, …), 0 to 1."""
    return "#" + "".join(f"{round(255 * _encode(value)):02x}" for value in tuple(linear_colour)[:3])


def _encode(value: float) -> float:
    value = min(max(value, 0.0), 1.0)
    return 12.92 * value if value <= 0.0031308 else float(1.055 * value ** (1 / 2.4) - 0.055)
