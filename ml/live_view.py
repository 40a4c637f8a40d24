"""What the network believes about the slice on screen, while it is being trained."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ml.live_tomograms import LiveTomograms
from ml.network_file import LoadedNetwork
from ml.predict import Predictor
from ml.preview import Part, part_of, predict_part
from ml.report import LiveReport
from tomo.errors import TomosegError
from tomo.files import replacing

OFTEN, SELDOM = 1.0, 5.0  # seconds between refreshes
FRESH = 2.0  # seconds for which a network is new enough for the first look at another slice
SHARE = 4.0  # a refresh may take a fifth of the time, so that most of it is left for learning


@dataclass(frozen=True)
class View:
    """What is on screen: a slice of a tomogram of the project. region: x, y, width, height in voxels, None is all."""

    tomogram: str
    z: int
    region: Part | None


def view_from(command: dict[str, Any]) -> View:
    """The view that a command `view` names. Raises TomosegError where it names none."""
    tomogram, z, region = command.get("tomogram"), command.get("z"), command.get("region")
    fits = isinstance(region, list) and len(region) == 4 and all(isinstance(value, int) for value in region)
    if not isinstance(tomogram, str) or not isinstance(z, int) or not (region is None or fits):
        raise TomosegError(
            "A view is a tomogram, a slice z and a region of x, y, width and height: give these, or no region."
        )
    return View(tomogram, z, None if region is None else (region[0], region[1], region[2], region[3]))


class LiveView:
    """Writes the map of the view, at once for a new view, then as often as it is cheap, while the network learns."""

    def __init__(self, output: Path, feature: str, tomograms: LiveTomograms, device: torch.device) -> None:
        self._output, self._feature, self._tomograms, self._device = output, feature, tomograms, device
        self._view: View | None = None
        self._asked = 0.0
        self._shown: object = None  # the weights' version on screen, None: nothing is
        self._last, self._cost = 0.0, 0.0
        self._predictor: tuple[object, Predictor] | None = None
        self._made, self._step = 0.0, 0

    def look_at(self, view: View) -> None:
        """Show this from now on."""
        self._view, self._shown, self._asked = view, None, time.monotonic()

    def due(self, version: object) -> bool:
        """True where the view is new, or the weights are newer than what is shown and it is time."""
        if self._view is None or self._shown == version:
            return False
        wait = max(OFTEN, SHARE * self._cost)
        if wait > SELDOM:
            wait = max(SELDOM, SHARE / 2 * self._cost)
        return self._shown is None or time.monotonic() - self._last >= wait

    def show(self, network: LoadedNetwork, version: object, step: int, report: LiveReport) -> None:
        """Write and tell the map of the view. Raises TomosegError where the view is not there; it is dropped then."""
        began = time.monotonic()
        self.predictor(network, version, step)
        self._show(began, report)

    def show_with_kept(self, report: LiveReport) -> bool:
        """Show a new view with the network of the last refresh; False where that is too old, or the view is not new."""
        if self._shown is not None or self._predictor is None or time.monotonic() - self._made > FRESH:
            return False
        self._show(time.monotonic(), report)
        return True

    def _show(self, began: float, report: LiveReport) -> None:
        assert self._view is not None
        assert self._predictor is not None
        view, (version, predictor) = self._view, self._predictor
        asked, chain = self._asked if self._shown is None else began, predictor.info.preprocessing
        try:
            opened = self._tomograms.opened(view.tomogram, chain)
            part = part_of(view.region, view.z, opened.preprocessed.shape, view.tomogram)
        except TomosegError:
            self._view = None
            raise
        around = self._tomograms.around(view.tomogram, view.z, predictor.context, chain)
        found = predict_part(predictor, around, part)
        with replacing(self._output, lasting=False) as temporary, temporary.open("wb") as file:
            np.save(file, found)
        self._shown, self._last = version, time.monotonic()
        self._cost = self._last - began
        report.preview(
            str(self._output),
            tomogram=view.tomogram,
            feature=self._feature,
            z=view.z,
            region=list(part),
            step=self._step,
            seconds=self._last - asked,
        )

    def predictor(self, network: LoadedNetwork, version: object, step: int) -> Predictor:
        """The network ready to be applied; kept as long as its weights are the same."""
        if self._predictor is None or self._predictor[0] != version:
            self._predictor = version, Predictor(network, self._device)
            self._made, self._step = time.monotonic(), step
        return self._predictor[1]
