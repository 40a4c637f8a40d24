"""Progress reaches people: a bar on a terminal, elsewhere a line every ten seconds."""

import io

import pytest

from ml.report import LogLines, Part, Silent, TerminalBar, TimeLeft


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Recorder(Silent):
    def __init__(self):
        self.told = []

    def progress(self, fraction, message):
        self.told.append((fraction, message))

    def log(self, message):
        self.told.append(message)


def test_the_first_line_comes_after_ten_seconds_and_then_every_ten():
    clock, stream = Clock(), io.StringIO()
    report = LogLines(stream, clock)
    for second in range(1, 26):
        clock.now = 100.0 + second
        report.progress(second / 100, "Merging")
    assert stream.getvalue().splitlines() == ["Merging: 10 %, 90 s left", "Merging: 20 %, 80 s left"]


def test_log_lines_come_at_once():
    stream = io.StringIO()
    report = LogLines(stream, Clock())
    report.log("The voxel size is unknown.")
    assert stream.getvalue() == "The voxel size is unknown.\n"


def test_a_terminal_gets_a_bar_with_the_log_above_it():
    stream = io.StringIO()
    report = TerminalBar(stream)
    report.progress(0.5, "Training")
    report.log("Epoch 3")
    report.progress(1.7, "Training")
    report.close()
    shown = stream.getvalue()
    assert "Training  50 %" in shown
    assert "Epoch 3\n" in shown
    assert "Training 100 %" in shown


def test_a_part_of_a_step_fills_its_part_of_the_bar():
    whole = Recorder()
    part = Part(whole, 0.5, 0.75)
    part.progress(0.0, "a")
    part.progress(1.0, "b")
    part.log("c")
    assert whole.told == [(0.5, "a"), (0.75, "b"), "c"]


def test_the_time_left_is_told_once_it_can_be_known():
    clock = Clock()
    left = TimeLeft(clock)
    assert left.seconds(0.2) is None
    clock.now += 10
    assert left.seconds(0.005) is None
    assert left.seconds(0.2) == pytest.approx(40)
