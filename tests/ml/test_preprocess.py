"""The preprocessing against EMAN2's formulas in Fourier space, and what it needs of memory."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from ml.preprocess import Preprocessed, in_words, preprocess_array
from tomo.errors import TomosegError
from tomo.geometry import Geometry
from tomo.mrc import Tomogram
from tomo.preprocessing import NO_FILTER, Preprocessing

UNCLAMPED = Preprocessing(clamp=0.0)


class Lines:
    """A report that keeps what is logged."""

    def __init__(self):
        self.lines = []

    def progress(self, fraction, message):
        assert 0 <= fraction <= 1

    def log(self, message):
        self.lines.append(message)

    def preview(self, path):
        raise AssertionError("no preview here")


def eman2(volume, settings, nx=None, axes=(0, 1, 2)):
    """The chain by its definition: periodic, in Fourier space, float64."""
    squared = np.zeros(volume.shape)
    for axis in axes:
        frequency = np.fft.fftfreq(volume.shape[axis]) ** 2
        squared += frequency.reshape([-1 if a == axis else 1 for a in range(3)])
    transform = np.fft.fftn(volume.astype(float), axes=axes)
    if settings.lowpass:
        transform *= np.exp(-squared / settings.lowpass**2)
    if settings.highpass:
        transform *= 1 - np.exp(-squared / (settings.highpass / (nx or volume.shape[2])) ** 2)
    filtered = np.fft.ifftn(transform, axes=axes).real
    return (filtered - filtered.mean()) / filtered.std()


def mirror(volume, axes):
    for axis in axes:
        volume = np.concatenate([volume, np.flip(volume, axis)], axis)
    return volume


def textured(shape, seed=0):
    """Noise on a strong, slowly varying background."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=shape)
    return (noise + 200 * gaussian_filter(rng.normal(size=shape), 7, mode="wrap") + 1000).astype(np.float32)


def wrapped(volume, settings=UNCLAMPED, geometry=None, labels=()):
    return Preprocessed(Tomogram(Path("cell.mrc"), volume, geometry or Geometry(), list(labels)), settings)


def test_inside_the_volume_it_equals_eman2s_filters_within_one_percent():
    volume = textured((61, 96, 110))
    difference = (preprocess_array(volume, UNCLAMPED) - eman2(volume, UNCLAMPED))[15:-15, 20:-20, 20:-20]
    assert np.sqrt((difference**2).mean()) < 0.01


def test_up_to_the_border_it_equals_the_fourier_filter_of_the_mirrored_volume():
    volume = textured((23, 48, 70))
    expected = eman2(mirror(volume, (0, 1, 2)), UNCLAMPED, nx=70)[:23, :48, :70]
    difference = preprocess_array(volume, UNCLAMPED) - expected
    assert np.sqrt((difference**2).mean()) < 0.002
    assert np.abs(difference).max() < 0.02


def test_a_bright_side_does_not_shine_through_on_the_opposite_one():
    volume = np.random.default_rng(0).normal(size=(20, 40, 60)).astype(np.float32)
    volume[:, :, 30:] += 50
    columns = preprocess_array(volume, UNCLAMPED).mean(axis=(0, 1))
    assert abs(columns[0]) < 0.1 and abs(columns[-1]) < 0.1
    assert eman2(volume, UNCLAMPED).mean(axis=(0, 1))[0] < -1  # what wrapping around would give


def test_slabs_of_any_depth_fit_together(monkeypatch):
    monkeypatch.setattr("ml.preprocess.STRIP_VOXELS", 4000)  # so that strips have seams, too
    volume = textured((29, 37, 23))
    chain = wrapped(volume, Preprocessing())
    whole = chain.slab(0, 29)
    parts = np.concatenate([chain.slab(0, 1), chain.slab(1, 17), chain.slab(17, 29)])
    np.testing.assert_allclose(parts, whole, atol=2e-5)
    np.testing.assert_allclose(whole, preprocess_array(volume, Preprocessing()), atol=2e-5)


def test_each_part_of_the_chain_can_be_switched_off():
    volume = textured((9, 20, 31))
    raw = preprocess_array(volume, Preprocessing(0.0, 0.0, normalise=False, clamp=0.0))
    np.testing.assert_array_equal(raw, volume)
    normalised = preprocess_array(volume, Preprocessing(0.0, 0.0, clamp=0.0))
    np.testing.assert_allclose(normalised, (volume - volume.mean()) / volume.std(), atol=1e-4)
    only_low = preprocess_array(volume, Preprocessing(0.25, 0.0, normalise=False, clamp=0.0))
    assert only_low.mean() == pytest.approx(volume.mean(), rel=1e-5)
    assert only_low.std() < volume.std()


def test_clamping_cuts_at_three_standard_deviations_even_without_normalising():
    volume = textured((9, 20, 31))
    volume[1, 2, 3] = 1e5
    clamped = preprocess_array(volume, Preprocessing(0.0, 0.0, normalise=False, clamp=3.0))
    assert clamped[1, 2, 3] == pytest.approx(volume.mean() + 3 * volume.std(), rel=1e-4)
    assert preprocess_array(volume, NO_FILTER).max() == pytest.approx(3.0, abs=1e-4)


def test_inversion_makes_dark_features_bright():
    volume = textured((9, 20, 31))
    upright = preprocess_array(volume, Preprocessing())
    np.testing.assert_allclose(preprocess_array(volume, Preprocessing(invert=True)), -upright, atol=1e-6)


def test_flat_voxels_are_filtered_slice_by_slice_and_the_log_says_so():
    volume = textured((8, 40, 50))
    report = Lines()
    tomogram = Tomogram(Path("cell.mrc"), volume, Geometry((4.0, 4.0, 30.0)), [])
    got = Preprocessed(tomogram, UNCLAMPED, report).slab(0, 8)
    assert any("in 2D" in line for line in report.lines)
    expected = eman2(mirror(volume, (1, 2)), UNCLAMPED, nx=50, axes=(1, 2))[:, :40, :50]
    assert np.sqrt(((got - expected) ** 2).mean()) < 0.002
    volume[3] += 20  # one brighter section
    np.testing.assert_allclose(preprocess_array(volume, UNCLAMPED, anisotropic=True), got, atol=1e-3)


def test_a_faint_signal_on_a_high_background_of_integers_survives():
    signal = np.random.default_rng(1).integers(-3, 4, (12, 30, 40)).astype(np.int16)
    near_zero = preprocess_array(signal, Preprocessing())
    np.testing.assert_allclose(preprocess_array(signal + np.int16(30000), Preprocessing()), near_zero, atol=1e-3)


def test_what_was_done_at_import_is_not_done_again():
    volume = textured((5, 7, 11))
    done = Preprocessing(invert=True)
    chain = wrapped(volume, Preprocessing(), labels=["Other program", done.to_label()])
    np.testing.assert_array_equal(chain.slab(1, 4), volume[1:4])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_voxels_that_are_no_numbers_are_refused_by_the_files_name(value):
    volume = textured((5, 7, 11))
    volume[4, 6, 10] = value
    with pytest.raises(TomosegError, match=r"cell\.mrc holds voxels that are no numbers"):
        wrapped(volume)
    chain = wrapped(volume, labels=[Preprocessing().to_label()])
    with pytest.raises(TomosegError, match="no numbers"):
        chain.slab(4, 5)


@pytest.mark.parametrize("value", [0, 7, 0.1, 12345.678])
def test_a_constant_volume_is_refused_by_the_files_name(value):
    with pytest.raises(TomosegError, match=r"cell\.mrc is constant"):
        wrapped(np.full((5, 7, 11), value, np.float32))


def test_memory_does_not_grow_with_the_number_of_slices():
    peaks = []
    for slices in (24, 96):
        volume = np.random.default_rng(0).integers(0, 255, (slices, 300, 400), np.uint8)
        tracemalloc.start()
        chain = wrapped(volume)
        for z in range(0, slices, 4):
            chain.slab(z, z + 4)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


def test_the_settings_are_told_in_words():
    assert in_words(Preprocessing()) == "low-pass 0.25, high-pass 5, normalised, clamped at 3 σ"
    assert in_words(Preprocessing(0, 0, False, 0, True)).endswith("not clamped, inverted")


@pytest.mark.parametrize("geometry", [Geometry(), Geometry((2.0, 2.0, 8.0))])
def test_another_process_goes_on_from_what_was_measured(geometry):
    tomogram = Tomogram(Path("cell.mrc"), textured((9, 31, 26)), geometry, [])
    first = Preprocessed(tomogram, Preprocessing())
    second = Preprocessed(tomogram, Preprocessing(), Forbidden(), first.measured)
    np.testing.assert_array_equal(first.slab(2, 7), second.slab(2, 7))


class Forbidden(Lines):
    """Nothing may be read, and so told, before slices are asked for."""

    def progress(self, fraction, message):
        raise AssertionError(message)
