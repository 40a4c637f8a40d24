# The main job on real data: one command from the microtubule's tomogram to its figure, in a process of its own.
import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from demo.protocol import SMALLEST
from tomo.label_table import load_label_table
from tomo.mrc import open_tomogram

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("TOMOSEG_SHARED", ROOT.parent / "shared")) / "data"
TOMOGRAM, WALL = DATA / "microtubule13_tomogram.mrc", DATA / "microtubule13_wall.mrc"
MEASURED_DICE = 0.83  # with five slices at once, on two cores


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(output folder, what was printed) of one run."""
    if not TOMOGRAM.is_file():
        pytest.skip(f"{TOMOGRAM} is missing: set TOMOSEG_SHARED to the folder with the real data")
    output = tmp_path_factory.mktemp("demo") / "out"
    words = ["--tomogram", str(TOMOGRAM), "--labels", str(WALL), "--output", str(output)]
    words += ["--size", "400", "300", "--seconds", "90"]
    done = subprocess.run(
        [sys.executable, "-m", "demo", *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return output, done.stdout


def test_everything_promised_is_written(made):
    output, _ = made
    for name in ("figure.png", "demo.blend", "mask.mrc", "mask.json", "counts.csv", "triplets_microtubule13_wall.png"):
        assert (output / name).stat().st_size > 0, name
    assert list((output / "project" / "surfaces").glob("*.ply")) and list(
        (output / "project" / "volumes").glob("*.vdb")
    )


def test_the_mask_lies_where_the_tomogram_lies(made):
    mask, tomogram = open_tomogram(made[0] / "mask.mrc"), open_tomogram(TOMOGRAM)
    assert mask.shape == tomogram.shape
    assert mask.geometry.voxel_size == pytest.approx(tomogram.geometry.voxel_size, rel=1e-4)
    assert mask.geometry.place == pytest.approx(tomogram.geometry.place)
    assert [entry.name for entry in load_label_table(made[0] / "mask.json")] == ["microtubule13_wall"]


def test_the_wall_is_found_on_slices_never_trained_on(made):
    found = re.search(r"Dice of microtubule13_wall on the 9 slices never trained on: ([\d.]+)", made[1])
    assert found, made[1]
    assert float(found[1]) >= 0.8 * MEASURED_DICE


def test_the_table_counts_the_mask_without_its_specks(made):
    with (made[0] / "counts.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    label = next(row for row in rows if row["kind"] == "label")
    parts, _ = ndimage.label(np.asarray(open_tomogram(made[0] / "mask.mrc").data), np.ones((3, 3, 3)))
    sizes = np.bincount(parts.ravel())[1:]
    assert int(label["voxels"]) == sizes[sizes * 1.052**3 >= SMALLEST].sum()
    assert float(label["volume_nm3"]) == pytest.approx(int(label["voxels"]) * 1.052**3, rel=2e-3)


def test_a_tube_in_the_features_colour_lies_across_the_figure(made):
    picture = np.asarray(Image.open(made[0] / "figure.png").convert("RGB"), float)[:250]  # without the legend
    red, green, blue = picture[..., 0], picture[..., 1], picture[..., 2]
    orange = (red > 90) & (green / red > 0.5) & (green / red < 0.8) & (blue < 0.35 * red)  # #e69f00, lit or in shade
    rows, columns = np.nonzero(orange)
    assert orange.mean() > 0.03
    assert np.ptp(np.percentile(columns, (5, 95))) > 200 and np.ptp(np.percentile(rows, (10, 90))) < 80
