"""Training sets out of EMAN2's stacks."""

import numpy as np
import pytest

from ml import build_trainset
from ml.build_trainset import Options
from ml.eman2_stacks import write_stack
from ml.report import Silent
from ml.trainset import crop_size
from ml.trainset_file import load_trainset
from tomo.errors import TomosegError


@pytest.fixture(params=[".hdf", ".mrcs"])
def stacks(tmp_path, request):
    """(good, labels, bad) of 3, 3 and 5 boxes of 11 pixels, one painted corner."""
    random = np.random.default_rng(0)
    paths = [tmp_path / f"cell_{name}{request.param}" for name in ("good", "good_seg", "bad")]
    labels = np.zeros((3, 11, 11), np.float32)
    labels[:, 1:3, 2:7] = 1
    stacks = (random.normal(size=(3, 11, 11)), labels, random.normal(size=(5, 11, 11)))
    for path, images in zip(paths, stacks, strict=True):
        write_stack(path, images.astype(np.float32), 10.5)
    return paths


def build(stacks, tmp_path, negatives=True):
    good, labels, bad = stacks
    options = Options(
        "actin", output=tmp_path / "set.npz", positives=good, labels=labels, negatives=bad if negatives else None
    )
    build_trainset.run(options, Silent())
    return load_trainset(tmp_path / "set.npz")


def test_boxes_labels_and_negatives_become_one_set(stacks, tmp_path):
    trainset = build(stacks, tmp_path)
    assert trainset.positive.tolist() == [True] * 3 + [False] * 5
    assert trainset.info.voxel_size == pytest.approx((10.5, 10.5, 10.5), rel=1e-4)
    size = crop_size(11)
    margin = size // 2 - 11 // 2
    inside = slice(margin, margin + 11)
    assert (trainset.labels[:, inside, inside] != 2).all()
    assert (trainset.labels != 2).sum() == 8 * 11 * 11
    assert np.argwhere(trainset.labels[0] == 1).min(axis=0).tolist() == [margin + 1, margin + 2]
    assert not (trainset.labels[3:] == 1).any()


def test_negatives_may_be_left_out(stacks, tmp_path):
    assert len(build(stacks, tmp_path, negatives=False)) == 3


def test_stacks_of_two_box_sizes_are_refused(stacks, tmp_path):
    write_stack(stacks[2], np.ones((2, 13, 13), np.float32), 10.5)
    with pytest.raises(TomosegError, match="boxes of 13 pixels"):
        build(stacks, tmp_path)
    assert not (tmp_path / "set.npz").exists()
