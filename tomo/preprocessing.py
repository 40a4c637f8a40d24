"""The settings of the preprocessing at import, and the MRC label that says it was done.

The filters themselves are in ml/preprocess.py. Source: EMAN2's `tomoseg_auto` (shared/eman2.md).
"""

import re
from dataclasses import dataclass

_LABEL = "Tomoseg preprocessed:"
_LABEL_LENGTH = 80


@dataclass(frozen=True)
class Preprocessing:
    """EMAN2's chain, each part switchable, in this order; contrast inversion comes last.

    lowpass: Gaussian cutoff as a fraction of the sampling frequency (Nyquist is 0.5), 0 is off.
    highpass: Gaussian cutoff in Fourier pixels, 0 is off. normalise: mean 0, standard deviation 1.
    clamp: cut at the mean ± this many standard deviations, 0 is off. invert: features are dark.
    """

    lowpass: float = 0.25
    highpass: float = 5.0
    normalise: bool = True
    clamp: float = 3.0
    invert: bool = False

    def to_label(self) -> str:
        """The MRC label (at most 80 characters) that tells later steps what was done."""
        text = ""
        for digits in (6, 5, 4, 3):  # odd settings take more room than a label has
            low, high, clamp = (f"{value:.{digits}g}" for value in (self.lowpass, self.highpass, self.clamp))
            text = f"{_LABEL} low={low} high={high} norm={self.normalise:d} clamp={clamp} invert={self.invert:d}"
            if len(text) <= _LABEL_LENGTH:
                break
        return text


NO_FILTER = Preprocessing(lowpass=0.0, highpass=0.0, normalise=True, clamp=3.0)


def preprocessing_of(labels: list[str]) -> Preprocessing | None:
    """What the MRC labels say was done at import; None for a raw tomogram."""
    for label in reversed(labels):
        if label.startswith(_LABEL):
            values = dict(re.findall(r"(\w+)=([\d.e+-]+)", label))
            try:
                return Preprocessing(
                    float(values["low"]),
                    float(values["high"]),
                    values["norm"] == "1",
                    float(values["clamp"]),
                    values["invert"] == "1",
                )
            except (KeyError, ValueError):
                continue
    return None
