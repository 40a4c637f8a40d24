"""The MRC label that says how a tomogram was preprocessed."""

import itertools

import pytest

from tomo.geometry import Geometry
from tomo.mrc import open_tomogram, write_mrc
from tomo.preprocessing import NO_FILTER, Preprocessing, preprocessing_of


@pytest.mark.parametrize(
    "settings",
    [
        Preprocessing(),
        NO_FILTER,
        Preprocessing(0.333333, 12.3457, False, 2.33333, True),
        *(Preprocessing(low, high, True, clamp) for low, high, clamp in itertools.product((0, 0.1), (0, 5), (0, 3))),
    ],
)
def test_the_settings_survive_a_file(tmp_path, cornered, settings):
    path = tmp_path / "cell.mrc"
    write_mrc(path, cornered, Geometry(), ["made by hand", settings.to_label()])
    assert preprocessing_of(open_tomogram(path).labels) == settings


def test_odd_settings_lose_digits_but_never_the_inversion():
    settings = Preprocessing(1.23456e-5, 1.23456e-5, True, 1.23456e-5, True)
    assert len(settings.to_label()) <= 80
    read = preprocessing_of([settings.to_label()])
    assert read is not None
    assert read.invert
    assert read.lowpass == pytest.approx(settings.lowpass, rel=0.01)


def test_the_last_label_counts_and_others_say_nothing():
    assert preprocessing_of([]) is None
    assert preprocessing_of(["IMOD trimvol", "Tomoseg preprocessed: by someone"]) is None
    assert preprocessing_of([NO_FILTER.to_label(), Preprocessing().to_label(), "later"]) == Preprocessing()
