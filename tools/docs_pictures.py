"""Cut the documentation's pictures of the window out of those that the window tests leave: docs_pictures.py FOLDER.

FOLDER: the --out of tests/gui/run.py. Needs Pillow, which the worker's environment has. A picture whose stage was not
run is left as it is.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
WINDOW = (0, 0, 1280, 838)
PANELS = (610, 82, 866, 838)
VIEW = (64, 82, 600, 740)
GREY_STEP, COLOURS, COLOURFUL = 4, 160, 20  # of the palette, and from which difference of the channels a colour counts
GAP = 6  # pixels between two parts
# Of each picture its parts, left to right: a picture of the tests, and what is cut out (left, top, right, bottom).
PICTURES: dict[str, tuple[tuple[str, tuple[int, int, int, int]], ...]] = {
    "annotation_view": (("tour_0_opened", WINDOW),),
    "annotation_boxes": (("tour_5_boxes_and_gallery", WINDOW),),
    "annotation_paint": (("tour_9_filled", WINDOW),),
    "annotation_flood": (("16_flooded", VIEW),),
    "check": (("tour_6_check", (0, 82, 866, 838)),),
    "fourier": (("tour_1_fourier", (898, 240, 1280, 650)), ("tour_2_fourier_across", (898, 240, 1280, 650))),
    "search": (("tour_3_search", WINDOW),),
    "live": tuple((f"real_{part}", VIEW) for part in ("1_painted", "2_learned", "3_wrong", "4_corrected")),
    "batch": (("tour_7_batch", PANELS),),
    "film": (("tour_8_film", PANELS),),
    "parts": (("masks_12_panel_measure", (0, 82, 866, 838)),),
    "correct": (("masks_11_panel_correct", PANELS),),
}


def palette_of(picture: Image.Image) -> Image.Image:
    """Greys and the picture's own colours, which would be lost among the many greys of a slice."""
    pixels = np.asarray(picture).reshape(-1, 3)
    greys = np.repeat(np.arange(0, 256, GREY_STEP, np.uint8), 3)
    colourful = pixels[np.ptp(pixels, axis=1) > COLOURFUL]
    colours = Image.fromarray(colourful[None]).quantize(COLOURS, kmeans=2).getpalette() if len(colourful) else []
    palette = Image.new("P", (1, 1))
    palette.putpalette([*greys.tolist(), *colours][: 3 * 256])
    return palette


def main() -> None:
    """Write all of them into docs/images."""
    folder = Path(sys.argv[1])
    for name, parts in PICTURES.items():
        missing = [source for source, _ in parts if not (folder / f"{source}.png").is_file()]
        if missing:
            print(f"{name}.png stays as it is: no {missing[0]}.png in {folder}")
            continue
        cut = [Image.open(folder / f"{source}.png").convert("RGB").crop(box) for source, box in parts]
        whole = Image.new("RGB", (sum(one.width + GAP for one in cut) - GAP, max(one.height for one in cut)), "white")
        left = 0
        for one in cut:
            whole.paste(one, (left, 0))
            left += one.width + GAP
        path = IMAGES / f"{name}.png"
        whole.quantize(palette=palette_of(whole), dither=Image.Dither.NONE).save(path, optimize=True)
        print(f"{path.name}: {whole.width} × {whole.height}, {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
