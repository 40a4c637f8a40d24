"""The project's tomograms as the network sees them, kept open: live training looks into them all the time."""

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml.preprocess import Preprocessed
from ml.report import Report
from ml.trainset import neighbours
from ml.volumes import open_any
from tomo.mrc import Tomogram
from tomo.preprocessing import Preprocessing, preprocessing_of
from tomo.project import Project

KEPT_TOMOGRAMS, KEPT_SLABS = 4, 4
Stamp = tuple[int, int, int] | None


def stamp_of(path: Path) -> Stamp:
    """What changes when a file is written anew; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


@dataclass(frozen=True)
class Opened:
    """One tomogram. stamp: of its file, when it was opened."""

    tomogram: Tomogram
    preprocessed: Preprocessed
    stamp: Stamp


class LiveTomograms:
    """Opens tomograms of a project by name, anew where a file has changed, and remembers the last slices."""

    def __init__(self, project: Project, report: Report) -> None:
        self._project, self._report = project, report
        self._opened: OrderedDict[tuple[str, Preprocessing], Opened] = OrderedDict()
        self._slabs: OrderedDict[object, NDArray[np.float32]] = OrderedDict()

    def opened(self, name: str, settings: Preprocessing | None = None) -> Opened:
        """The tomogram called `name`, preprocessed as at its import, or by `settings` where nothing was done then.

        Raises TomosegError. Opening one that was not preprocessed reads all of it once.
        """
        path = self._project.folder / self._project.tomogram(name).file
        settings, stamp = settings or Preprocessing(), stamp_of(path)
        found = self._opened.pop((name, settings), None)
        if found is None or found.stamp != stamp:
            tomogram = open_any(path)
            chain = preprocessing_of(tomogram.labels) or settings
            found = Opened(tomogram, Preprocessed(tomogram, chain, self._report), stamp)
        _keep(self._opened, (name, settings), found, KEPT_TOMOGRAMS)
        return found

    def around(self, name: str, z: int, context: int, settings: Preprocessing | None = None) -> NDArray[np.float32]:
        """[context, y, x]: slice z of a tomogram in the middle of its neighbours, preprocessed."""
        opened = self.opened(name, settings)
        key = (name, opened.stamp, opened.preprocessed.settings, z, context)
        slab = self._slabs.pop(key, None)
        if slab is None:
            slab = neighbours(opened.preprocessed.slab, z, opened.preprocessed.shape[0], context)
        _keep(self._slabs, key, slab, KEPT_SLABS)
        return slab


def _keep(store: OrderedDict[Any, Any], key: object, value: object, most: int) -> None:
    store[key] = value
    while len(store) > most:
        store.popitem(last=False)
