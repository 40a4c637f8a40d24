"""Each warning appears for the fault it is about, and not for a sound annotation."""

import numpy as np
import pytest

from tomo import lint_checks
from tomo.boxes import NEGATIVE, POSITIVE, Box
from tomo.lint_checks import CHECKS, Sample

SIZE = 32
SHAPE = (40, 200, 300)


def stripes(angle: float, gap: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """A noisy picture with dark stripes at `angle` degrees from x, and the label of one or of the gap beside it."""
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    across = -x * np.sin(np.radians(angle)) + y * np.cos(np.radians(angle))
    picture = np.random.default_rng(int(angle)).normal(0, 0.5, (SIZE, SIZE)) - 2.0 * (np.abs((across % 12) - 6) < 3)
    return picture.astype(np.float32), (np.abs(across - (0 if gap else 6)) < 2).astype(np.int8)


def sample(number: int, angle: float = 0, kind: str = POSITIVE, gap: bool = False, **changes) -> Sample:
    picture, label = stripes(angle, gap)
    if kind == NEGATIVE:
        label = np.zeros_like(label)
    box = Box(changes.pop("tomogram", "cell"), "tube", kind, (30 + 40 * number, 50, 3 * number), SIZE, f"id{number}")
    values = {"picture": picture, "label": label, "predicted": None, "shape": SHAPE, "voxel_size": 10.0, **changes}
    return Sample(box, **values)


def sound() -> list[Sample]:
    return [sample(number, angle) for number, angle in enumerate((0, 40, 80, 110, 150))]


def sentences(samples: list[Sample]) -> str:
    return " | ".join(finding.sentence for check in CHECKS for finding in check(samples))


def test_a_sound_annotation_has_no_findings():
    assert sentences([*sound(), sample(6, kind=NEGATIVE)]) == ""


def test_fewer_than_five_positives():
    assert "There are 4 positive boxes" in sentences(sound()[:4])
    assert "There is 1 positive box:" in sentences(sound()[:1])
    assert "There are 0 positive boxes" in sentences([])


def test_an_empty_positive_box_is_named_with_its_place():
    empty = sample(3, label=np.zeros((SIZE, SIZE), np.int8))
    (finding,) = lint_checks.empty_positives([*sound(), empty])
    assert "Nothing is painted in the positive box at 150, 50 on slice 9 of cell" in finding.sentence
    assert (finding.tomogram, finding.z, finding.box_id, finding.problem) == ("cell", 9, "id3", True)
    assert finding.words == "not painted"


def test_each_finding_has_words_that_fit_into_a_narrow_list():
    samples = [*sound()[:3], sample(3, label=np.zeros((SIZE, SIZE), np.int8)), sample(4, 40, gap=True)]
    samples += [sample(6, kind=NEGATIVE, label=stripes(0)[1]), sample(1, tomogram="cell_bin2", voxel_size=20.0)]
    words = {finding.words for check in CHECKS for finding in check(samples)}
    assert {"not painted", "label in gaps", "negative on paint", "voxel size differs"} <= words
    assert all(len(one.split()) >= 2 and len(one) <= 20 for one in words), words


def test_a_label_in_the_gaps_is_told_from_labels_on_the_feature():
    (finding,) = lint_checks.labels_in_gaps([*sound(), sample(5, 40, gap=True)])
    assert finding.box_id == "id5"
    assert "is bright, the others are dark" in finding.sentence


def test_a_label_on_nothing_is_told_and_noise_is_no_contrast():
    noise = np.random.default_rng(1).normal(0, 1, (SIZE, SIZE)).astype(np.float32)
    (finding,) = lint_checks.labels_in_gaps([sample(0, picture=noise)])
    assert "touches nothing bright or dark" in finding.sentence


def test_contrast_ignores_a_gradient_and_voxels_outside_the_tomogram():
    picture = np.tile(np.linspace(0, 10, SIZE, dtype=np.float32), (SIZE, 1))
    label = np.zeros((SIZE, SIZE), np.int8)
    label[:, 14:18] = 1
    assert lint_checks.contrast(sample(0, picture=picture, label=label)) == pytest.approx(0, abs=0.05)
    assert lint_checks.contrast(sample(0, picture=np.full((SIZE, SIZE), np.nan, np.float32))) is None
    assert lint_checks.contrast(sample(0, picture=np.ones((SIZE, SIZE), np.float32))) == 0


def test_negatives_on_painted_or_predicted_feature():
    painted = sample(6, kind=NEGATIVE, label=stripes(0)[1])
    predicted = np.zeros((SIZE, SIZE), np.float32)
    predicted[:8, :8] = 0.9  # 1/16 of the box
    seen = sample(7, kind=NEGATIVE, predicted=predicted)
    faint = sample(8, kind=NEGATIVE, predicted=0.8 * predicted)
    findings = lint_checks.bad_negatives([painted, seen, faint, *sound()])
    assert [finding.box_id for finding in findings] == ["id6", "id7"]
    assert "lies on painted feature" in findings[0].sentence
    assert "6 % of the negative box" in findings[1].sentence


def test_overlapping_boxes_count_on_one_slice_only():
    one = sample(0)
    near = Sample(Box("cell", "tube", POSITIVE, (40, 54, 0), SIZE, "near"), *list(vars(one).values())[1:])
    touching = Sample(Box("cell", "tube", POSITIVE, (68, 50, 0), SIZE, "touching"), *list(vars(one).values())[1:])
    below = Sample(Box("cell", "tube", POSITIVE, (30, 50, 1), SIZE, "below"), *list(vars(one).values())[1:])
    mixed = Sample(Box("cell", "tube", NEGATIVE, (80, 80, 0), SIZE, "mixed"), *list(vars(one).values())[1:])
    findings = lint_checks.overlapping([one, near, touching, below, mixed])
    assert [(finding.box_id, finding.problem) for finding in findings] == [("near", False), ("mixed", True)]
    assert "60 %" in findings[0].sentence  # 22 × 28 of 32 × 32 voxels


def test_voxel_sizes_that_differ_name_both_tomograms():
    other = sample(1, tomogram="cell_bin2", voxel_size=20.0)
    assert "cell_bin2 has voxels of 20.00 Å, cell of 10.00 Å" in sentences([*sound(), other])
    assert "voxels of" not in sentences([*sound(), sample(1, tomogram="twin", voxel_size=10.2)])
    assert "unknown size" in sentences([*sound(), sample(1, tomogram="old", voxel_size=0.0)])


def test_labels_all_in_one_direction_name_the_angle():
    (finding,) = lint_checks.one_direction([sample(n, 30 + n) for n in range(5)])
    assert "about 3" in finding.sentence and not finding.problem
    assert lint_checks.one_direction([sample(0, 30)]) == []  # one box proves nothing


def test_positives_from_one_range_of_slices():
    flat = [
        Sample(Box("cell", "tube", POSITIVE, (40 * n + 30, 50, 7 + n % 2), SIZE), *list(vars(s).values())[1:])
        for n, s in enumerate(sound())
    ]
    (finding,) = lint_checks.one_range(flat)
    assert "All 5 positive boxes of cell lie on slices 7 to 8 of 40" in finding.sentence
    assert (finding.tomogram, finding.z) == ("cell", 7)


def test_positives_that_are_all_alike():
    alike = [Sample(s.box, *stripes(40), None, SHAPE, 10.0) for s in sound()]
    assert "look alike" in " ".join(finding.sentence for finding in lint_checks.one_range(alike))


def test_paint_outside_every_box_is_found_where_it_is():
    label = np.zeros((60, 90), np.int8)
    label[10, 5:40] = 1  # sticks out of the box: fine
    label[50:53, 70:74] = 1
    label[0:3, 0:3] = 2
    box = Box("cell", "tube", POSITIVE, (10, 10, 4), 16)
    (finding,) = lint_checks.stray_paint("cell", 4, label, [box])
    assert "near 71, 51 on slice 4 of cell" in finding.sentence
    assert lint_checks.stray_paint("cell", 4, label[:40], [box]) == []


def test_the_boxes_that_training_disagrees_with_come_worst_first():
    scores = {"id0": 0.9, "id1": 0.3, "id2": 0.1, "gone": 0.0}
    findings = lint_checks.worst_scores(sound(), scores)
    assert [finding.box_id for finding in findings] == ["id2", "id1"]
    assert "Dice 0.10" in findings[0].sentence
