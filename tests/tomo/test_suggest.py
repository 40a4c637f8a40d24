"""Suggested negatives lie inside, spread out, and away from what is known of the feature."""

from tomo.boxes import NEGATIVE, POSITIVE, Box
from tomo.suggest import suggest_negatives

SHAPE = (20, 90, 130)
MODEL = Box("cell", "tube", NEGATIVE, (0, 0, 0), 16)


def nothing(_box: Box) -> bool:
    return False


def overlap(one: Box, other: Box) -> bool:
    return one.centre[2] == other.centre[2] and all(
        abs(a - b) < (one.size + other.size) / 2 for a, b in zip(one.centre[:2], other.centre[:2], strict=True)
    )


def test_they_are_negative_inside_and_never_overlap():
    found = suggest_negatives([], SHAPE, MODEL, 40, nothing)
    assert len(found) == 40
    assert all(box.kind == NEGATIVE and box.lies_in(SHAPE) and box.size == 16 for box in found)
    assert not any(overlap(a, b) for number, a in enumerate(found) for b in found[:number])
    assert len({box.id for box in found}) == 40


def test_they_spread_over_all_octants_of_the_tomogram():
    found = suggest_negatives([], SHAPE, MODEL, 40, nothing, seed=3)
    octants = {tuple(c >= s / 2 for c, s in zip(box.centre, (130, 90, 20), strict=True)) for box in found}
    assert len(octants) == 8


def test_positives_keep_their_distance_along_z_too():
    positive = Box("cell", "tube", POSITIVE, (65, 45, 10), 32)
    found = suggest_negatives([positive], SHAPE, MODEL, 60, nothing)
    assert found
    for box in found:
        apart = [abs(a - b) for a, b in zip(box.centre, positive.centre, strict=True)]
        assert apart[0] >= 24 or apart[1] >= 24 or apart[2] >= 16


def test_painted_areas_are_left_out():
    found = suggest_negatives([], SHAPE, MODEL, 5, lambda box: box.corner[0] < 100 or box.centre[2] == 19)
    assert found
    assert all(box.corner[0] >= 100 and box.centre[2] < 19 for box in found)


def test_the_seed_decides_and_a_full_tomogram_gives_fewer():
    places = [[box.centre for box in suggest_negatives([], SHAPE, MODEL, 9, nothing, seed)] for seed in (1, 1, 2)]
    assert places[0] == places[1] != places[2]
    assert len(suggest_negatives([], (1, 16, 40), MODEL, 50, nothing)) in (1, 2)
    assert suggest_negatives([], (3, 9, 9), MODEL, 5, nothing) == []
