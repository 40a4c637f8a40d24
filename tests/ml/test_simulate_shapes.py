"""The objects of a simulated cell: where they are dense, and what is labelled."""

import itertools

import numpy as np
import pytest

from ml.simulate_layout import build_cell
from ml.simulate_phantom import Cell, paint
from ml.simulate_shapes import (
    FEATURES,
    SEEN,
    WALL_RADIUS,
    Bead,
    Blobs,
    Carbon,
    Filament,
    Microtubule,
    Sheet,
    Vesicle,
    bilayer,
)

SHAPE = (30, 60, 70)
ROUND = np.zeros((3, 3))


def painted(thing):
    density, labels = paint(Cell(SHAPE, (thing,)), 0, SHAPE[0])
    return density, labels.get(thing.feature)


def lying_tube(**changes):
    words = {"start": (15.0, 30.0, 35.0), "axis": (0.0, 0.0, 1.0), "side": (0.0, 1.0, 0.0), "bend": 0.0}
    return Microtubule(**{**words, "length": 40.0, "turn": 0.0, **changes})


def test_a_bilayer_has_two_rows_of_heads_and_a_light_middle():
    profile = bilayer(np.arange(-8, 9, dtype=np.float32))
    assert profile[8] < 0.1
    assert profile[6] == pytest.approx(profile[10])
    assert profile[[6, 10]].min() > 0.95
    assert abs(profile[0]) < 1e-6


def test_a_microtubule_is_a_hollow_tube_that_ends():
    density, label = painted(lying_tube())
    assert density[15, 30, 30:40].max() < 1e-3  # the lumen
    assert density[15, 30 + round(WALL_RADIUS), 20:50].mean() > 0.6
    assert label[15, 41, 30] == 1
    assert not label[15, 30, 35]
    assert not label[:, :, :15].any()  # 40 voxels about x = 35
    assert not label[:, :, 56:].any()


def test_thirteen_protofilaments_stand_around_a_microtubule():
    tube = lying_tube(axis=(1.0, 0.0, 0.0), side=(0.0, 1.0, 0.0))
    turn = np.linspace(0, 2 * np.pi, 1300, endpoint=False)
    ring = [np.full(1300, 15.0), 30 + WALL_RADIUS * np.cos(turn), 35 + WALL_RADIUS * np.sin(turn)]
    dense, _ = tube.at(tuple(axis.astype(np.float32) for axis in ring))
    assert int(np.argmax(np.abs(np.fft.rfft(dense - dense.mean())))) == 13


def test_a_bent_microtubule_curves_to_its_side():
    _, straight = painted(lying_tube())
    _, bent = painted(lying_tube(bend=0.01))
    assert np.argwhere(straight[15, :, 52])[:, 0].mean() == pytest.approx(30, abs=0.5)
    assert np.argwhere(bent[15, :, 52])[:, 0].mean() == pytest.approx(30 + 0.01 * 17**2, abs=0.6)


def test_walls_that_face_the_beam_are_dense_but_not_labelled():
    density, label = painted(lying_tube())
    assert density[15 + round(WALL_RADIUS), 30, 30:40].max() > 0.5
    assert not label[15 + round(WALL_RADIUS), 30].any()


def test_a_vesicle_is_closed_in_density_and_open_at_its_poles_in_the_label():
    density, label = painted(Vesicle((15.0, 30.0, 35.0), 11.0, ROUND, (0.0, 0.0)))
    assert density[15 + 13, 30, 35] > 0.9  # the outer heads, at radius 11 + 1.9
    assert label[15, 30 + 11, 35] == 1
    assert not label[15 + 11, 30, 35]
    places = np.argwhere(label) - (15, 30, 35)
    assert np.max(np.abs(places[:, 0]) / np.linalg.norm(places, axis=1)) <= SEEN + 1e-6


def test_the_cell_lies_on_one_side_of_its_sheet():
    sheet = Sheet((14.5, 29.5, 34.5), (1.0, 0.0), 10.0, ((3.0, 40.0, 0.5),), 0.0, SHAPE)
    points = (np.float32(15)[None], np.array([5, 58], np.float32), np.array([30, 30], np.float32))
    inside, outside = sheet.outside(points)
    assert inside < -20
    assert outside > 10
    _, label = painted(sheet)
    assert 4 <= label[15, :, 20].sum() <= 9


def test_carbon_fills_its_film_beyond_the_hole_and_is_grainy():
    density, label = painted(Carbon((0.0, 0.0), 70.0, 5.0, 21.0, SHAPE, 3))
    assert label[10, 55, 65] == 1
    assert not label[10, 10, 10]
    assert np.flatnonzero(label.any(axis=(1, 2))).tolist() == list(range(5, 21))
    assert density[label > 0].std() > 0.3


def test_gold_is_far_denser_than_protein():
    density, label = painted(Bead((9.0, 8.0, 60.0)))
    assert density.max() == 7
    assert np.count_nonzero(label) == pytest.approx(4 / 3 * np.pi * 5.5**3, rel=0.1)
    assert np.argwhere(label).mean(axis=0) == pytest.approx([9, 8, 60], abs=0.1)


def test_filaments_and_proteins_are_dense_but_belong_to_no_feature():
    filament = Filament((15.0, 30.0, 35.0), (0.0, 0.6, 0.8), 30.0)
    protein = Blobs((5.0, 5.0, 5.0), np.array([[0, 0, 0, 2.0, 1.0]]))
    density, labels = paint(Cell(SHAPE, (filament, protein)), 0, SHAPE[0])
    assert density[15, 30, 35] > 0.8
    assert density[5, 5, 5] == 1
    assert not any(label.any() for label in labels.values())


@pytest.mark.parametrize("cuts", [(0, 20), (0, 7, 8, 20)])
def test_slabs_of_a_cell_join_without_a_seam(cuts):
    cell = build_cell((20, 72, 80), 1)
    density, labels = paint(cell, 0, 20)
    parts = [paint(cell, first, last) for first, last in itertools.pairwise(cuts)]
    np.testing.assert_array_equal(np.concatenate([part[0] for part in parts]), density)
    for feature in FEATURES:
        np.testing.assert_array_equal(np.concatenate([part[1][feature] for part in parts]), labels[feature])


@pytest.mark.parametrize("seed", range(4))
def test_each_usual_cell_holds_every_feature(seed):
    count = build_cell((48, 256, 256), seed).count()
    assert count["membrane"] >= 3
    assert count["microtubule"] >= 3
    assert count["ribosome"] >= 20
    assert count["carbon"] == 1
    assert count["gold"] >= 5


def test_objects_keep_apart_and_inside_the_cell():
    cell = build_cell((20, 128, 136), 2)
    _, labels = paint(cell, 0, 20)
    biological = labels["membrane"] + labels["microtubule"] + labels["ribosome"]
    assert np.count_nonzero(biological > 1) < 0.01 * np.count_nonzero(biological)
    assert not (biological & labels["carbon"]).any()
