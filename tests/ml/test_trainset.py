"""Training sets: what is cut, what counts, and which files are refused."""

import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from ml.trainset import (
    TrainsetInfo,
    check_trainset,
    crop_size,
    cut_boxes,
    cut_piece,
    differing_voxel_sizes,
    hold_out,
    joined,
    known_labels,
    mirrored,
    narrowed,
    neighbours,
    require_memory_for_cutting,
    require_memory_for_training,
    usual_context,
)
from ml.trainset_file import load_trainset, save_trainset
from tests.ml.scenes import ring_scene, ring_trainset
from tomo.boxes import NEGATIVE, POSITIVE, Box
from tomo.errors import TomosegError
from tomo.geometry import Geometry


def box(kind, x, y, z=0, size=4):
    return Box("t", "f", kind, (x, y, z), size)


def test_pieces_leave_room_for_any_angle():
    assert all(crop_size(size) >= size * 2**0.5 and crop_size(size) % 2 == 0 for size in range(2, 600))


def test_beyond_the_edge_a_piece_is_mirrored():
    assert mirrored(np.arange(-3, 8), 4).tolist() == [3, 2, 1, 0, 1, 2, 3, 2, 1, 0, 1]
    row = np.arange(5.0)[None, None].repeat(7, axis=1)  # [1, 7, 5]
    assert cut_piece(row, (0, 3), 4)[0, 0].tolist() == [2, 1, 0, 1]


def test_only_boxes_are_known_and_positive_ones_hold():
    painted = np.ones((6, 9), np.int8)
    known = known_labels([box(NEGATIVE, 2, 2), box(POSITIVE, 4, 4)], painted)
    assert (known[0, :4] == 0).all()
    assert (known[2:6, 2:6] == 1).all()
    assert (known[:, 6:] == 2).all()
    assert known[5, 0] == 2


def test_a_box_over_the_border_is_known_inside_only():
    known = known_labels([box(POSITIVE, 0, 0)], np.ones((6, 9), np.int8))
    assert known[:2, :2].tolist() == [[1, 1], [1, 1]]
    assert (known == 1).sum() == 4


def test_the_box_is_the_middle_of_its_piece():
    tomogram = np.arange(5 * 40 * 50, dtype=np.float32).reshape(5, 40, 50)
    labels = np.zeros((5, 40, 50), np.int8)
    labels[3, 17, 21] = 1
    info = TrainsetInfo("f", 8, context=3)
    one = Box("t", "f", POSITIVE, (20, 16, 3), 8)
    trainset = cut_boxes([one], lambda a, b: tomogram[a:b], lambda z: labels[z], 5, info)
    middle = crop_size(8) // 2
    assert trainset.images[0, :, middle, middle].tolist() == tomogram[2:5, 16, 20].tolist()
    assert np.argwhere(trainset.labels[0] == 1).tolist() == [[middle + 1, middle + 1]]
    assert (trainset.labels[0] != 2).sum() == 64


class Memory:
    """Stands for a computer with so many bytes free."""

    def __init__(self, available):
        self.available = available


def test_more_boxes_than_memory_holds_are_refused(monkeypatch):
    info = TrainsetInfo("ring", 64, context=5)
    piece, learned = 128 * 128 * (4 * 5 + 1), 128 * 128 * (12 * 5 + 40)
    monkeypatch.setattr("psutil.virtual_memory", lambda: Memory(30 * learned))
    with pytest.raises(TomosegError, match=r"Training on 31 boxes of 64 voxels takes .* use at most 30 boxes\."):
        require_memory_for_training(31, info)
    require_memory_for_training(30, info)
    require_memory_for_training(31, info, held=31)  # their pieces are there already
    monkeypatch.setattr("psutil.virtual_memory", lambda: Memory(30 * 2 * piece))
    with pytest.raises(TomosegError, match=r"Cutting out 31 boxes of 64 voxels takes .* use at most 30 boxes\."):
        require_memory_for_cutting(31, info)
    require_memory_for_cutting(30, info)


def test_without_memory_for_one_box_there_is_advice_that_helps(monkeypatch):
    monkeypatch.setattr("psutil.virtual_memory", lambda: Memory(0))
    with pytest.raises(TomosegError, match=r"Training on 1 box of .* close other programs, or use smaller boxes"):
        require_memory_for_training(1, TrainsetInfo("ring", 64))


def test_the_last_slice_repeats_beyond_the_end():
    tomogram = np.arange(4.0)[:, None, None].repeat(2, axis=1)
    found = neighbours(lambda a, b: tomogram[a:b], 3, 4, 5)
    assert found[:, 0, 0].tolist() == [1, 2, 3, 3, 3]


def test_labels_outside_the_boxes_change_nothing():
    tomogram, labels = ring_scene()
    boxes = [Box("t", "ring", POSITIVE, (25, 20, 1), 16), Box("t", "ring", NEGATIVE, (70, 50, 1), 16)]
    elsewhere = labels.copy()
    elsewhere[1, 40:42] = 1
    elsewhere[0] = 1
    info = TrainsetInfo("ring", 16)
    one = cut_boxes(boxes, lambda a, b: tomogram[a:b], lambda z: labels[z], 5, info)
    other = cut_boxes(boxes, lambda a, b: tomogram[a:b], lambda z: elsewhere[z], 5, info)
    assert np.array_equal(one.labels, other.labels)


def test_whole_boxes_are_held_out_and_few_ones_never():
    trainset = ring_trainset(positives=5, negatives=10)
    held = hold_out(trainset, 0.2, seed=3).held_out
    assert held[trainset.positive].tolist().count(1) == 1
    assert held[~trainset.positive].tolist().count(1) == 2
    assert not hold_out(ring_trainset(positives=3, negatives=2), 0.2, seed=3).held_out.any()


def test_each_network_of_an_ensemble_is_spared_boxes_of_its_own():
    trainset = ring_trainset(positives=5, negatives=10)
    held = hold_out(trainset, 0.2, seed=3, networks=2).held_out
    for kind, count in ((trainset.positive, 1), (~trainset.positive, 2)):
        assert [held[kind].tolist().count(network) for network in (1, 2)] == [count, count]
    alone = hold_out(trainset, 0.2, seed=3).held_out
    assert np.array_equal(held == 1, alone == 1)  # the first learns from what it would learn from alone


def test_a_network_of_one_slice_gets_the_middle_one():
    wide = ring_trainset(context=5)
    narrow = narrowed(wide, 1)
    assert narrow.info.context == 1
    assert np.array_equal(narrow.images[:, 0], wide.images[:, 2])
    assert narrowed(narrow, 3) is narrow


def test_slices_that_are_far_apart_are_seen_one_by_one():
    assert usual_context(Geometry((10.0, 10.0, 10.0))) == usual_context(Geometry()) == 5
    assert usual_context(Geometry((40.0, 40.0, 500.0))) == 1


def test_several_tomograms_join_if_they_agree():
    one = ring_trainset()
    other = replace(one, info=replace(one.info, tomograms=("more",)))
    both = joined([one, other])
    assert len(both) == 2 * len(one)
    assert both.info.tomograms == ("rings", "more")
    odd = replace(one, info=replace(one.info, voxel_size=(9.0, 9.0, 9.0)))
    with pytest.raises(TomosegError, match="differ in voxel size"):
        joined([replace(one, info=replace(one.info, voxel_size=(10.0, 10.0, 10.0))), odd])


def test_voxel_sizes_may_differ_by_five_per_cent_or_be_unknown():
    assert not differing_voxel_sizes((10.0, 10.0, 10.0), (10.4, 10.4, 50.0))
    assert differing_voxel_sizes((10.0, 10.0, 10.0), (10.6, 10.6, 10.6))
    assert not differing_voxel_sizes((1.0, 1.0, 1.0), (10.6, 10.6, 10.6))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"positive": False}, "no positive box"),
        ({"labels": 0}, "Nothing is painted"),
        ({"labels": 2}, "ignored"),
        ({"images": np.nan}, "no numbers"),
    ],
)
def test_a_set_that_teaches_nothing_is_refused(change, words):
    trainset = ring_trainset()
    name, value = next(iter(change.items()))
    with pytest.raises(TomosegError, match=words):
        check_trainset(replace(trainset, **{name: np.full_like(getattr(trainset, name), value)}))


def test_a_set_comes_back_from_its_file(tmp_path):
    trainset = hold_out(ring_trainset(context=3), 0.2, 0)
    save_trainset(tmp_path / "ring.npz", trainset)
    loaded = load_trainset(tmp_path / "ring.npz")
    assert loaded.info == trainset.info
    for name in ("images", "labels", "positive", "box_ids", "held_out"):
        assert np.array_equal(getattr(loaded, name), getattr(trainset, name))


def test_foreign_and_damaged_files_are_refused_in_one_sentence(tmp_path):
    path = tmp_path / "ring.npz"
    save_trainset(path, ring_trainset())
    whole = path.read_bytes()
    for content in (b"", b"boxes", whole[:-40], b"\x93NUMPY" + bytes(20)):
        path.write_bytes(content)
        with pytest.raises(TomosegError, match=r"ring\.npz is no training set"):
            load_trainset(path)
    with pytest.raises(TomosegError, match="There is no training set"):
        load_trainset(tmp_path / "none.npz")


def test_a_pickle_inside_is_never_opened(tmp_path):
    path = tmp_path / "evil.npz"
    np.savez(path, metadata=np.array([{"a": 1}], dtype=object))
    with pytest.raises(TomosegError, match="no training set"):
        load_trainset(path)


def test_a_set_whose_shapes_disagree_is_refused(tmp_path):
    path = tmp_path / "odd.npz"
    trainset = ring_trainset()
    save_trainset(path, replace(trainset, labels=trainset.labels[:, :-1]))
    with pytest.raises(TomosegError, match="its labels do not fit"):
        load_trainset(path)


def test_a_file_that_memory_does_not_hold_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "ring.npz"
    save_trainset(path, ring_trainset())
    monkeypatch.setattr("psutil.virtual_memory", lambda: Memory(1000))
    with pytest.raises(
        TomosegError, match=r"ring\.npz takes .* GB of memory, and 1e-06 GB are free: close other programs"
    ):
        load_trainset(path)


def test_a_small_file_that_would_unpack_to_terabytes_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("ml.trainset_file.MOST_BYTES", 1000)
    path = tmp_path / "bomb.npz"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", bytes(100_000))
    path.write_bytes(buffer.getvalue())
    with pytest.raises(TomosegError, match="no training set"):
        load_trainset(path)
