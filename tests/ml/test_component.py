"""The component of a mask at a voxel, and its surface alone."""

import numpy as np
import pytest

from ml.component import Options, describe, run
from ml.measure import Options as MeasureOptions
from ml.measure import run as measure
from ml.mesh import volume
from ml.ply import read_ply
from ml.report import Silent
from tomo.errors import TomosegError


def test_the_component_has_the_number_of_the_measured_table(mask, tmp_path):
    rows = measure(MeasureOptions(mask, thickness=False, length=False), Silent())["components"]
    made = run(Options(mask, (4, 3, 9), tmp_path, smoothing=0), Silent())
    row = next(one for one in rows if one["name"] == "vesicle" and one["component"] == 2)
    assert (made["feature"], made["component"], made["voxels"]) == ("vesicle", 2, row["voxels"])
    assert made["slices"] == [8, 10] and made["path"] == str(tmp_path / "cell__vesicle-0002.ply")
    assert describe(made).startswith("vesicle, component 2: ")
    surface = read_ply(tmp_path / "cell__vesicle-0002.ply")
    size = (surface.vertices.max(0) - surface.vertices.min(0)) / 10
    np.testing.assert_allclose(size, 3, atol=0.01)  # 3 voxels of 10 Å, and nothing of the other vesicle
    assert 20e3 < volume(surface) < 27e3


@pytest.mark.parametrize(
    ("voxel", "words"), [((0, 0, 0), "no label at"), ((20, 0, 0), "has no voxel"), ((0, 0, -1), "has no voxel")]
)
def test_where_there_is_none_it_says_so(mask, tmp_path, voxel, words):
    with pytest.raises(TomosegError, match=words):
        run(Options(mask, voxel, tmp_path / "out"), Silent())
    assert not (tmp_path / "out").exists()
