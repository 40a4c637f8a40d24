"""`tomoseg simulate`: a tomogram and labels that belong together, the same for the same seed."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from ml.cli import main
from ml.report import Cancelled, Silent
from ml.simulate import Options, describe, run
from ml.simulate_shapes import FEATURES
from tomo.errors import TomosegError
from tomo.mrc import open_tomogram

SIZE = (20, 72, 80)


@pytest.fixture(scope="module")
def cell(tmp_path_factory):
    return run(Options(tmp_path_factory.mktemp("usual"), 0), Silent())


@pytest.fixture(scope="module")
def other_cell(tmp_path_factory):
    return run(Options(tmp_path_factory.mktemp("other"), 1), Silent())


def volumes(result):
    """The tomogram, and the labels of each feature, [z, y, x]."""
    labels = {name: open_tomogram(Path(path)).data for name, path in result["labels"].items()}
    return open_tomogram(Path(result["tomogram"])).data, labels


def test_the_files_are_named_after_tomogram_and_feature(tmp_path):
    run(Options(tmp_path, 1, SIZE), Silent())
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"cell_tomogram.mrc", "cell.json", *(f"cell__{feature}.mrc" for feature in FEATURES)}


def test_tomogram_and_labels_share_shape_and_voxel_size(tmp_path):
    result = run(Options(tmp_path, 1, SIZE), Silent())
    for path in (result["tomogram"], *result["labels"].values()):
        tomogram = open_tomogram(Path(path))
        assert tomogram.shape == SIZE
        assert tomogram.geometry.voxel_size == pytest.approx((10, 10, 10))
    assert open_tomogram(Path(result["labels"]["gold"])).data.dtype == np.int8
    assert "features dark" in open_tomogram(Path(result["tomogram"])).labels[0]


def test_one_seed_gives_the_same_files_byte_for_byte_and_another_seed_others(tmp_path):
    for folder, seed in (("a", 5), ("b", 5), ("c", 6)):
        run(Options(tmp_path / folder, seed, SIZE), Silent())
    for name in ("cell_tomogram.mrc", "cell__membrane.mrc"):
        first, same, other = ((tmp_path / folder / name).read_bytes() for folder in "abc")
        assert first == same
        assert first != other


def test_every_feature_but_carbon_is_dark_inside_its_label(cell):
    tomogram, labels = volumes(cell)
    spread = tomogram.std()
    for feature, margin in (("membrane", 0.3), ("microtubule", 0.15), ("ribosome", 0.15), ("gold", 4)):
        inside = labels[feature] > 0
        assert tomogram[inside].mean() < tomogram[~inside].mean() - margin * spread, feature


def test_carbon_is_grainier_than_the_ice_beside_it(cell):
    tomogram, labels = volumes(cell)
    others = sum((labels[name] > 0).astype(int) for name in FEATURES)
    smooth = gaussian_filter(tomogram, (0, 1, 1))
    carbon = smooth[(labels["carbon"] > 0) & (others == 1)]
    assert carbon.std() > 1.2 * smooth[others == 0].std()


def test_labels_that_are_moved_match_the_density_no_more(cell):
    tomogram, labels = volumes(cell)
    inside = labels["membrane"] > 0
    moved = np.roll(inside, (0, 40, 40), (0, 1, 2))
    contrast = tomogram[~inside].mean() - tomogram[inside].mean()
    assert abs(tomogram[~moved].mean() - tomogram[moved].mean()) < 0.25 * contrast


def test_the_missing_wedge_of_the_tomogram_is_empty(cell):
    tomogram, _ = volumes(cell)
    part = tomogram[:, 64:192, 64:192] * np.hanning(48)[:, None, None] * np.hanning(128)
    power = np.abs(np.fft.fftn(part)) ** 2
    z, y, x = np.meshgrid(*(np.fft.fftfreq(size) for size in part.shape), indexing="ij")
    rise, fine = np.degrees(np.arctan2(np.abs(z), np.abs(x))), np.hypot(z, x)
    ring = (fine > 0.1) & (fine < 0.3) & (np.abs(y) < 0.2)
    assert power[ring & (rise > 70)].mean() < 0.05 * power[ring & (rise < 50)].mean()


@pytest.mark.parametrize("feature", ["membrane", "microtubule"])
def test_smoothing_and_a_threshold_do_not_find_the_feature(cell, other_cell, feature):
    """The bar for networks: both numbers chosen on this cell, then tried on another one."""
    tomogram, labels = volumes(cell)
    unseen, unseen_labels = volumes(other_cell)
    sigma, threshold = best_smoothing(tomogram, labels[feature])
    found = flattened(unseen, sigma) > threshold
    truth = unseen_labels[feature] > 0
    dice = 2 * np.count_nonzero(found & truth) / (np.count_nonzero(found) + np.count_nonzero(truth))
    assert 0.15 < dice < 0.45


def best_smoothing(tomogram, label):
    """Sigma (voxels) and threshold with the best Dice on one tomogram."""
    best = (0.0, 0.0, 0.0)
    for sigma in (0.0, 0.5, 1.0, 2.0, 3.0):
        smooth = flattened(tomogram, sigma)
        edges = np.append(np.linspace(*np.percentile(smooth, (50, 99.9)), 60), np.inf)
        above = np.histogram(smooth, edges)[0][::-1].cumsum()[::-1]
        right = np.histogram(smooth[label > 0], edges)[0][::-1].cumsum()[::-1]
        dice = 2 * right / (above + np.count_nonzero(label))
        best = max(best, (float(dice.max()), sigma, float(edges[dice.argmax()])))
    return best[1:]


def flattened(tomogram, sigma):
    """Features bright, without slow changes, standard deviation 1, clamped as at import; then smoothed."""
    flat = gaussian_filter(tomogram[:, ::4, ::4], (8, 4, 4)).repeat(4, 1).repeat(4, 2) - tomogram
    return gaussian_filter(np.clip(flat / flat.std(), -3, 3), sigma)


@pytest.mark.parametrize("size", [(2, 256, 256), (48, 63, 256), (48, 256, -5), (513, 256, 256), (512, 2048, 2048)])
def test_an_impossible_size_is_one_sentence_and_writes_nothing(tmp_path, size):
    with pytest.raises(TomosegError, match=r"cannot be simulated: choose a size from 16 × 64 × 64"):
        run(Options(tmp_path / "new", 0, size), Silent())
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("seed", "words"), [(-1, "seed -1 is below 0"), (2**63, "is too large: choose a number from")])
def test_an_impossible_seed_is_one_sentence(tmp_path, seed, words):
    with pytest.raises(TomosegError, match=words):
        run(Options(tmp_path, seed, SIZE), Silent())


def test_cancelling_leaves_no_file(tmp_path):
    class Impatient(Silent):
        def progress(self, fraction, message):
            if fraction > 0.7:
                raise Cancelled

    with pytest.raises(Cancelled):
        run(Options(tmp_path, 0, SIZE), Impatient())
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_says_what_it_wrote_and_ends_with_json(tmp_path, capsys):
    words = ["simulate", "--output", str(tmp_path), "--seed", "2", "--size", "20", "72", "80"]
    assert main([*words, "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result == json.loads((tmp_path / "cell.json").read_text(encoding="utf-8"))
    assert result["size"] == list(SIZE)
    assert "20 × 72 × 80" in describe(result)
    assert main(["simulate", "--output", str(tmp_path), "--size", "1", "72", "80"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
