"""Live training: how soon an annotator sees what the network believes, and how good it is after so many boxes.

The annotator knows the truth of a simulated cell. The worker has all cores and no window beside it; it is not nice,
since other programs are not Blender.
"""

import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_erosion

from bench.inputs import GEOMETRY, write_tomogram
from bench.live_client import Annotator, LiveClient, NothingCameError, Shown
from bench.process import tomoseg
from ml.annotator import draw_boxes, feature_per_place
from ml.scores import dice
from tomo.boxes import NEGATIVE, POSITIVE, Box
from tomo.mrc import open_tomogram
from tomo.project import Project, TomogramEntry

FEATURE, NAME = "membrane", "cell_tomogram"
SIZE = 64
THRESHOLD = 0.8  # amplitude units, as merging takes it
USEFUL = 0.5  # Dice of the slice in view
STROKES, QUICK_STROKES, STROKE_AIM, STROKE_PATIENCE = 8, 2, 10.0, 60.0
FEWEST_WRONG = 60  # pixels in a box of 64², for a person to correct it
Row = dict[str, Any]


def rows(folder: Path, *, quick: bool) -> Iterator[Row]:
    """One session from the first box to the network, then its latencies. load: the machine's, when it was measured."""
    session = _Session(folder, (16, 128, 128) if quick else (24, 512, 512), quick=quick)
    try:
        for row in session.rows(seconds=20.0 if quick else 60.0):
            yield {**row, "load": round(os.getloadavg()[0], 1)}
    finally:
        session.client.close()


@dataclass
class Strokes:
    """taken: seconds until the effect was seen, the worker's CPU seconds, wrong pixels, was it to be erased?"""

    taken: list[tuple[float, float, int, bool]] = field(default_factory=list)


class _Session:
    """A live session and its annotator, who looks at one slice and never annotates it."""

    def __init__(self, folder: Path, size: tuple[int, int, int], *, quick: bool) -> None:
        self.quick, self.strokes = quick, QUICK_STROKES if quick else STROKES
        cell = folder / "cell"
        tomoseg("simulate", "--output", cell, "--seed", 1, "--size", *size)
        tomoseg("import", cell / f"{NAME}.mrc", "--project", folder / "project", "--invert")
        self.project = Project.open(folder / "project")
        self.project.add_feature(FEATURE)
        self.truth: NDArray[np.bool_] = np.asarray(open_tomogram(cell / f"cell__{FEATURE}.mrc").data) != 0
        boxes = draw_boxes(self.truth, 10, 40, SIZE, 0, NAME, FEATURE)
        order = np.random.default_rng(0).permutation(len(boxes))
        self.z = size[0] // 2
        mine = [boxes[number] for number in order if boxes[number].centre[2] != self.z]
        self.positives = [box for box in mine if box.kind == POSITIVE]
        self.negatives = [box for box in mine if box.kind == NEGATIVE]
        self.annotator = Annotator(self.project, NAME, FEATURE, self.truth)
        params = {"project": str(self.project.folder), "feature": FEATURE, "device": "cpu", "nice": 0}
        self.client = LiveClient(**params, threads=os.cpu_count() or 1, max_seconds=10.0 if quick else 60.0)
        self.client.event("message", lambda _told: True, 0.0)
        self.client.tell("view", tomogram=NAME, z=self.z, region=None)
        self.began = 0.0

    def rows(self, seconds: float) -> Iterator[Row]:
        """Everything, in the order in which a person would meet it. seconds: of annotating."""
        yield self.first_overlay()
        yield from self.annotate(seconds)
        yield self.refresh()
        yield self.looks_by_itself()
        for name, side in self.more_tomograms():
            yield self.steps(name, side)
        yield self.next_box()
        yield self.finish()

    def first_overlay(self) -> Row:
        """From the first painted box to a prediction that is of use."""
        cpu = self.client.cpu_seconds()
        self.began = self.annotator.add(self.positives.pop())
        shown = self.client.preview(lambda shown: self.score(shown) >= USEFUL, self.began)
        row = self.row("live: first box to first overlay of use", shown.at - self.began, 20.0, cpu)
        return {**row, "dice": round(self.score(shown), 3)}

    def annotate(self, seconds: float) -> Iterator[Row]:
        """Boxes, and corrections on slices not looked at before; Dice of the slice in view as time goes by."""
        strokes, marks = Strokes(), [10.0, 20.0, 40.0, 60.0, 90.0]
        slices = [z for z in range(1, len(self.truth) - 1) if z != self.z]
        np.random.default_rng(0).shuffle(slices)
        while slices and (len(strokes.taken) < self.strokes or time.monotonic() - self.began < seconds):
            time.sleep(2.0)
            now = time.monotonic() - self.began
            if marks and now >= marks[0]:
                marks.pop(0)
                yield self.dice_now(now)
            if len(strokes.taken) < self.strokes:
                self.stroke(slices.pop(), strokes)
                self.look(self.z)
            if self.positives and len(self.negatives) > 2:
                self.annotator.add(self.positives.pop(), self.negatives.pop(), self.negatives.pop())
        if strokes.taken:
            yield self.stroke_row(strokes)
        yield self.dice_now(time.monotonic() - self.began)

    def stroke(self, z: int, strokes: "Strokes") -> None:
        """A correction where slice z is worst: until half of the pieces that were wrong in that box are right.

        By turns what is wrongly shown is marked as wrong (a negative box where nothing of the feature is, else a
        painted one), and what is missing is painted. A slice with less than FEWEST_WRONG such pixels is left alone.
        """
        erase, truth, shown = len(strokes.taken) % 2 == 0, self.truth[z], self.look(z)
        before = shown.map > self.drawn_from()
        places = feature_per_place(wrong_pieces(before, truth, erase), SIZE)
        y, x = (int(place) for place in np.unravel_index(np.argmax(places), places.shape))
        inside, count = (slice(y, y + SIZE), slice(x, x + SIZE)), int(places[y, x])
        if count < FEWEST_WRONG:
            return
        kind = POSITIVE if truth[inside].any() else NEGATIVE
        cpu = self.client.cpu_seconds()
        at = self.annotator.add(Box(NAME, FEATURE, kind, (x + SIZE // 2, y + SIZE // 2, z), SIZE))
        self.client.tell("changed")

        def halved(shown: Shown) -> bool:
            now = shown.map > self.drawn_from() if shown.params["z"] == z else before
            return int(wrong_pieces(now, truth, erase)[inside].sum()) <= count / 2

        try:
            taken = self.client.preview(halved, at, STROKE_PATIENCE).at - at
        except NothingCameError:
            taken = STROKE_PATIENCE  # it misses its aim
        strokes.taken.append((taken, self.client.cpu_seconds() - cpu, count, erase))

    def drawn_from(self) -> float:
        """The threshold from which Blender draws the prediction as what would be taken as label: that of now."""
        return self.client.last("state").get("threshold") or THRESHOLD

    def look(self, z: int) -> Shown:
        """Show slice z, by the network of now: the second map of it, since the first may be two seconds old."""
        at = self.client.tell("view", tomogram=NAME, z=z, region=None)
        first = self.client.preview(lambda shown: shown.params["z"] == z, at)
        return self.client.preview(lambda shown: shown.params["z"] == z, first.at)

    def stroke_row(self, strokes: "Strokes") -> Row:
        """Median and worst of all corrections."""
        seconds, cpu, wrong, erased = zip(*strokes.taken, strict=True)
        name = f"live: effect of {len(seconds)} strokes, {sum(erased)} on what is wrongly shown"
        row = self.row(name, statistics.median(seconds), STROKE_AIM)
        row["aims"]["slowest_seconds"] = STROKE_AIM
        more = {"slowest_seconds": round(max(seconds), 2), "cpu_seconds": round(statistics.median(cpu), 2)}
        return {**row, **more, "each": [round(each, 2) for each in seconds], "wrong_pixels": list(wrong)}

    def dice_now(self, now: float) -> Row:
        """What is on screen."""
        state = self.client.last("state")
        boxes = f"{state['positives']} + {state['negatives']} boxes, step {state['step']}"
        return {"name": f"live: slice in view after {now:.0f} s, {boxes}", "dice": round(self.score(), 3)}

    def refresh(self) -> Row:
        """The longest time for which an old prediction stood while the network learned."""
        since, end = self.client.shown[-1].at, time.monotonic() + 15.0
        time.sleep(15.0)
        times = [shown.at for shown in self.client.shown if since <= shown.at <= end]
        longest = max(after - before for before, after in zip(times, [*times[1:], end], strict=True))
        return self.row("live: longest time between refreshes", longest, 5.0)

    def looks_by_itself(self) -> Row:
        """A box that nobody told of enters the training set."""
        before = self.client.last("state")["negatives"]
        at = self.annotator.add(self.negatives.pop())
        counted = self.client.event("state", lambda told: told["negatives"] > before, at)
        return self.row("live: a new box enters the training set", counted - at, 2.0)

    def more_tomograms(self) -> list[tuple[str, int]]:
        """Tomograms of other sizes in the same project, (name, side)."""
        sides = (256,) if self.quick else (512, 1024)
        for depth, side in [*((10, side) for side in sides), (64, 256)]:
            name = f"noise{depth}x{side}"
            shape = (depth, side, side)
            write_tomogram(self.project.folder / f"tomograms/{name}.mrc", shape, preprocessed=True)
            entry = TomogramEntry(name, f"tomograms/{name}.mrc", voxel_size=GEOMETRY.voxel_size, shape=shape)
            self.project.add_tomogram(entry)
        return [(f"noise10x{side}", side) for side in sides]

    def steps(self, name: str, side: int) -> Row:
        """Going from slice to slice while the network learns: the median of eight, after the first one."""
        taken, cpu = [], []
        for z in range(9):
            before, at = self.client.cpu_seconds(), self.client.tell("view", tomogram=name, z=z, region=None)
            shown = self.client.preview(lambda shown, z=z: shown.params["z"] == z, at)  # type: ignore[misc]
            taken.append(shown.at - at)
            cpu.append(self.client.cpu_seconds() - before)
            time.sleep(0.5)
        aim = 1.0 if side > 512 else 0.3
        row = self.row(f"live: step to a slice of {side}×{side}", statistics.median(taken[1:]), aim)
        return {**row, "slowest_seconds": round(max(taken), 2), "cpu_seconds": round(statistics.median(cpu[1:]), 2)}

    def next_box(self) -> Row:
        """Where to annotate next, in a tomogram of 64 × 256 × 256."""
        cpu, at = self.client.cpu_seconds(), self.client.tell("next_box", tomogram="noise64x256")
        told = self.client.event("next_box", lambda _told: True, at)
        return self.row("live: next box in 64×256×256", told - at, 3.0, cpu)

    def finish(self) -> Row:
        """The last training, with all its files."""
        at, cpu = self.client.tell("view", tomogram=NAME, z=self.z, region=None), self.client.cpu_seconds()
        self.client.tell("finish")
        answer = self.client.wait(lambda: self.client.answer, 300.0)
        result = answer["result"]
        row: Row = {"name": f"live: finish ({result['iterations']} iterations)", "dice": round(self.score(), 3)}
        spent = self.client.cpu_seconds() - cpu
        return {**row, "seconds": round(time.monotonic() - at, 1), "cpu_seconds": round(spent, 1)}

    def score(self, shown: Shown | None = None) -> float:
        """Dice of a preview of the slice in view, of the last one by default."""
        shown = shown or self.client.shown[-1]
        if (shown.params["tomogram"], shown.params["z"]) != (NAME, self.z):
            return 0.0
        return dice(shown.map > THRESHOLD, self.truth[self.z])

    def row(self, name: str, seconds: float, aim: float, cpu: float | None = None) -> Row:
        """cpu: the worker's CPU seconds when it began."""
        row: Row = {"name": name, "seconds": round(seconds, 2), "aims": {"seconds": aim}}
        return row if cpu is None else {**row, "cpu_seconds": round(self.client.cpu_seconds() - cpu, 2)}


def wrong_pieces(shown: NDArray[np.bool_], truth: NDArray[np.bool_], erase: bool) -> NDArray[np.bool_]:
    """What a person would correct on a slice, [y, x]: wrongly shown (erase) or missing, but for rims of one pixel.

    Where exactly an edge lies no two annotators agree, and nobody corrects it; it moves with the threshold, too.
    """
    wrong: NDArray[np.bool_] = shown & ~binary_dilation(truth) if erase else binary_erosion(truth) & ~shown
    return wrong
