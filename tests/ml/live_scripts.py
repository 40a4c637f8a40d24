"""Live sessions that are told what to do turn by turn."""

import numpy as np
import pytest

from ml.live import Options
from ml.live_session import Session
from ml.report import Cancelled, Silent
from tests.ml.live_projects import FEATURE, NAME

VIEW = {"command": "view", "tomogram": NAME, "z": 1, "region": None}


class Script(Silent):
    """A report that tells the session something at each turn: a list of commands, or a call; then cancels."""

    def __init__(self, *turns):
        self.turns = list(turns)
        self.told, self.shown, self.logged = [], [], []

    def check(self):
        if not self.turns:
            raise Cancelled

    def commands(self, seconds=0.0):
        if not self.turns:
            return []
        turn = self.turns.pop(0)
        if callable(turn):
            turn()
            return []
        return list(turn)

    def live(self, event, **more):
        self.told.append({"event": event, **more})

    def preview(self, path, **more):
        self.shown.append((np.load(path, allow_pickle=False), more))

    def log(self, message):
        self.logged.append(message)

    def events(self, event):
        return [told for told in self.told if told["event"] == event]


def session(project, script, **options):
    values = {"iterations": 1, "device": "cpu", "threads": 1, **options}
    return Session(Options(project.folder, FEATURE, **values), script)


def until_cancelled(project, *turns, **options):
    """Run a script to its end; returns it, and the session."""
    script = Script(*turns)
    running = session(project, script, **options)
    with pytest.raises(Cancelled):
        running.run()
    return script, running


def steps(count):
    return [[] for _ in range(count)]
