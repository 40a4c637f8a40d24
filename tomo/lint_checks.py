"""The single checks of an annotation: pure functions from boxes with their pixels to findings in words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .boxes import ADVISED_POSITIVES, NEGATIVE, POSITIVE, Box
from .label_edit import connected
from .labels import FEATURE
from .words import counted

FEWEST = 5  # positive boxes
STRONG = 0.8  # of a map in amplitude units: merging's own threshold
PREDICTED_SHARE = 0.05  # of a negative box's pixels
WEAK_CONTRAST = 0.15  # standard deviations between label and surroundings
CLEAR_CONTRAST = 0.3
OVERLAP = 0.25  # of the smaller box's area; more adds nothing to learn
VOXEL_SIZES = 0.05  # relative difference that applying refuses too
ONE_WAY = 0.6  # 0: all directions alike, 1: exactly one
ONE_RANGE = 0.1  # of the tomogram's depth
POOR_DICE = 0.5
MOST_SCORES = 5
RING = 4  # voxels around the label that it is compared with


@dataclass(frozen=True)
class Finding:
    """One sentence, and where to look: a box, or a slice of a tomogram, or nothing ("" and -1).

    problem: training will suffer; otherwise a hint. words: the same in two or three words, for a narrow list.
    """

    sentence: str
    words: str
    tomogram: str = ""
    z: int = -1
    box_id: str = ""
    problem: bool = True


@dataclass(frozen=True)
class Sample:
    """A box with what lies in it: voxels (NaN outside the tomogram), label, and map in amplitude units if there is one.

    All [y, x] of the box's size. shape: of the tomogram, [z, y, x]. voxel_size: Å, 0 if unknown.
    """

    box: Box
    picture: NDArray[np.float32]
    label: NDArray[np.int8]
    predicted: NDArray[np.float32] | None
    shape: tuple[int, int, int]
    voxel_size: float

    def finding(self, sentence: str, words: str, *, problem: bool = True) -> Finding:
        return Finding(sentence, words, self.box.tomogram, self.box.centre[2], self.box.id, problem)

    @property
    def place(self) -> str:
        x, y, z = self.box.centre
        return f"{self.box.kind} box at {x}, {y} on slice {z} of {self.box.tomogram}"


def of_kind(samples: Sequence[Sample], kind: str) -> list[Sample]:
    """The positive or the negative ones."""
    return [sample for sample in samples if sample.box.kind == kind]


def painted(samples: Sequence[Sample]) -> list[Sample]:
    """The positive ones that hold a label."""
    return [sample for sample in of_kind(samples, POSITIVE) if (sample.label == FEATURE).any()]


def few_positives(samples: Sequence[Sample]) -> list[Finding]:
    """Fewer than 5 positive boxes."""
    count = len(of_kind(samples, POSITIVE))
    if count >= FEWEST:
        return []
    noun = "positive box" if count == 1 else "positive boxes"
    sentence = f"There {'is' if count == 1 else 'are'} {count} {noun}: place about {ADVISED_POSITIVES}."
    return [Finding(sentence, "few positive boxes")]


def empty_positives(samples: Sequence[Sample]) -> list[Finding]:
    """Positive boxes without a label."""
    return [
        sample.finding(f"Nothing is painted in the {sample.place}: paint it, or delete it.", "not painted")
        for sample in of_kind(samples, POSITIVE)
        if not (sample.label == FEATURE).any()
    ]


def contrast(sample: Sample) -> float | None:
    """How much brighter the label is than what surrounds it, in the box's standard deviations; None if unknown.

    Compared with the voxels within 4 of the label, so that a gradient across the box does not count.
    """
    label, known = sample.label == FEATURE, np.isfinite(sample.picture)
    around = label.copy()
    for _ in range(RING):
        around = _grown(around)
    around &= (sample.label == 0) & known
    label = label & known
    if not label.any() or not around.any():
        return None
    spread = float(sample.picture[known].std())
    return float(sample.picture[label].mean() - sample.picture[around].mean()) / spread if spread else 0.0


def _grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    grown = mask.copy()
    grown[1:] |= mask[:-1]
    grown[:-1] |= mask[1:]
    grown[:, 1:] |= mask[:, :-1]
    grown[:, :-1] |= mask[:, 1:]
    return grown


def labels_in_gaps(samples: Sequence[Sample]) -> list[Finding]:
    """Labels on neither bright nor dark voxels, and labels on the opposite of what the other boxes' labels are on."""
    measured = [(sample, value) for sample in painted(samples) if (value := contrast(sample)) is not None]
    values = [value for _, value in measured]
    usual = float(np.median(values)) if values else 0.0
    found = []
    for sample, value in measured:
        opposite = (
            len(values) > 2 and abs(usual) >= CLEAR_CONTRAST and value * usual < 0 and abs(value) >= WEAK_CONTRAST
        )
        if opposite:
            words = ("bright", "dark") if value > 0 else ("dark", "bright")
            found.append(
                sample.finding(
                    f"The label of the {sample.place} is {words[0]}, the others are {words[1]}: "
                    "it probably lies in the gaps.",
                    "label in gaps",
                )
            )
        elif abs(value) < WEAK_CONTRAST:
            found.append(
                sample.finding(
                    f"The label of the {sample.place} touches nothing bright or dark: it probably lies in the gaps.",
                    "label in gaps",
                )
            )
    return found


def bad_negatives(samples: Sequence[Sample]) -> list[Finding]:
    """Negative boxes on painted feature, or where a trained network sees it clearly."""
    found = []
    for sample in of_kind(samples, NEGATIVE):
        if (sample.label == FEATURE).any():
            sentence = f"The {sample.place} lies on painted feature: move or delete it."
            found.append(sample.finding(sentence, "negative on paint"))
        elif sample.predicted is not None and (share := float((sample.predicted > STRONG).mean())) > PREDICTED_SHARE:
            sentence = f"The network finds the feature in {100 * share:.0f} % of the {sample.place}"
            found.append(sample.finding(f"{sentence}: is it really without?", "feature found"))
    return found


def overlapping(samples: Sequence[Sample]) -> list[Finding]:
    """Boxes of one slice that overlap much, or a positive and a negative one that overlap at all."""
    found = []
    for number, one in enumerate(samples):
        for other in samples[:number]:
            if one.box.tomogram != other.box.tomogram or one.box.centre[2] != other.box.centre[2]:
                continue
            share = _overlap(one.box, other.box)
            if share > (OVERLAP if one.box.kind == other.box.kind else 0):
                found.append(
                    one.finding(
                        f"The {one.place} covers {100 * share:.0f} % of a {other.box.kind} one: "
                        "overlapping boxes teach nothing new, move it.",
                        "overlaps",
                        problem=one.box.kind != other.box.kind,
                    )
                )
    return found


def _overlap(one: Box, other: Box) -> float:
    sides = [min(a + one.size, b + other.size) - max(a, b) for a, b in zip(one.corner, other.corner, strict=True)]
    return max(sides[0], 0) * max(sides[1], 0) / min(one.size, other.size) ** 2


def voxel_sizes(samples: Sequence[Sample]) -> list[Finding]:
    """Tomograms whose voxel sizes differ from the first one's: a network learns one size."""
    sizes: dict[str, Sample] = {}
    for sample in samples:
        sizes.setdefault(sample.box.tomogram, sample)
    first, *others = sizes.values() if sizes else [None]
    return [
        other.finding(
            f"{other.box.tomogram} has voxels of {_angstrom(other)}, {first.box.tomogram} of {_angstrom(first)}: "
            "bring them to one size, or annotate one of them.",
            "voxel size differs",
        )
        for other in others
        if first is not None
        and other is not None
        and abs(other.voxel_size - first.voxel_size) > VOXEL_SIZES * first.voxel_size
    ]


def _angstrom(sample: Sample) -> str:
    return f"{sample.voxel_size:.2f} Å" if sample.voxel_size else "unknown size"


def one_direction(samples: Sequence[Sample]) -> list[Finding]:
    """All outlines run the same way: because of the missing wedge a network may then see no other direction.

    From the structure tensor of the labels, summed over all boxes.
    """
    xx = yy = xy = 0.0
    labelled = painted(samples)
    for sample in labelled:
        up, across = np.gradient((sample.label == FEATURE).astype(np.float64))
        xx, yy, xy = xx + float((across**2).sum()), yy + float((up**2).sum()), xy + float((across * up).sum())
    total = xx + yy
    if len(labelled) < 2 or not total or np.hypot(xx - yy, 2 * xy) / total < ONE_WAY:
        return []
    along = (np.degrees(np.arctan2(2 * xy, xx - yy)) / 2 + 90) % 180
    return [
        Finding(
            f"All labels run in one direction (about {along:.0f}° from x): add boxes where the feature runs otherwise, "
            "or the network may find only this direction.",
            "one direction only",
            problem=False,
        )
    ]


def one_range(samples: Sequence[Sample]) -> list[Finding]:
    """All positive boxes of a tomogram on neighbouring slices, or all alike: cover the feature's states."""
    positives = of_kind(samples, POSITIVE)
    found = []
    for name in sorted({sample.box.tomogram for sample in positives}):
        here = [sample for sample in positives if sample.box.tomogram == name]
        levels = [sample.box.centre[2] for sample in here]
        depth, span = here[0].shape[0], max(levels) - min(levels) + 1
        if len(here) >= FEWEST and depth >= 20 and span <= max(1, ONE_RANGE * depth):
            where = f"on slice {levels[0]}" if span == 1 else f"on slices {min(levels)} to {max(levels)}"
            found.append(
                Finding(
                    f"All {len(here)} positive boxes of {name} lie {where} of {depth}: "
                    "add some from other slices, where the feature may look different.",
                    "one range of slices",
                    name,
                    levels[0],
                    problem=False,
                )
            )
    return found + _alike(painted(samples))


def _alike(labelled: list[Sample]) -> list[Finding]:
    if len(labelled) < FEWEST:
        return []
    shares = np.array([(sample.label == FEATURE).mean() for sample in labelled])
    contrasts = np.array([value for sample in labelled if (value := contrast(sample)) is not None])
    if contrasts.size < FEWEST or shares.std() > 0.05 * shares.mean() or contrasts.std() > 0.05 * abs(contrasts.mean()):
        return []
    return [
        Finding(
            "All positive boxes look alike (same amount of feature, same contrast): cover its various states, "
            "small and large, bright and faint.",
            "boxes all alike",
            problem=False,
        )
    ]


def stray_paint(tomogram: str, z: int, label: NDArray[np.int8], boxes: Sequence[Box]) -> list[Finding]:
    """Painted areas of a slice [y, x] that touch none of the positive boxes on it: training does not see them."""
    feature = label == FEATURE
    inside = np.zeros(label.shape, bool)
    for box in boxes:
        if box.kind == POSITIVE:
            x, y = box.corner
            inside[max(y, 0) : max(y + box.size, 0), max(x, 0) : max(x + box.size, 0)] = True
    stray = feature & ~connected(feature, inside)
    count = np.count_nonzero(stray)
    if not count:
        return []
    y, x = (int(np.median(where)) for where in np.nonzero(stray))
    sentence = (
        f"{counted(int(count), 'painted voxel')} outside every positive box, near {x}, {y} on slice {z} of {tomogram}: "
        "place a box there, or this paint does not count."
    )
    return [Finding(sentence, "outside every box", tomogram, z)]


def worst_scores(samples: Sequence[Sample], scores: dict[str, float]) -> list[Finding]:
    """The positive boxes on which the last training disagrees most with the label."""
    scored = [(scores[sample.box.id], sample) for sample in of_kind(samples, POSITIVE) if sample.box.id in scores]
    poor = sorted(((dice, sample) for dice, sample in scored if dice < POOR_DICE), key=lambda pair: pair[0])
    return [
        sample.finding(
            f"The network agrees least with the {sample.place} (Dice {dice:.2f}): look at its label.",
            f"Dice {dice:.2f}",
        )
        for dice, sample in poor[:MOST_SCORES]
    ]


CHECKS: tuple[Callable[[Sequence[Sample]], list[Finding]], ...] = (
    few_positives,
    empty_positives,
    labels_in_gaps,
    bad_negatives,
    overlapping,
    voxel_sizes,
    one_direction,
    one_range,
)
