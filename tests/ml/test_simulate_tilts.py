"""Projections, the microscope and the reconstruction: a tomogram with a true missing wedge."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from ml.simulate_tilts import Imaging, Projector, contrast_transfer, reconstruct, record, weight

SHAPE = (11, 24, 33)


def corner_object():
    density = np.zeros(SHAPE, np.float32)
    density[2, 4:7, 25] = 2.0
    return density


def test_an_untilted_image_is_the_sum_along_z():
    image = Projector(SHAPE).project(corner_object(), 0, 0.0)
    np.testing.assert_allclose(image, corner_object().sum(axis=0).T, atol=1e-5)


@pytest.mark.parametrize("angle", [-60.0, -21.0, 33.0, 60.0])
def test_a_tilted_object_lands_where_geometry_puts_it(angle):
    image = Projector(SHAPE).project(corner_object(), 0, angle)
    turn = np.radians(angle)
    column = 16 + (25 - 16) * np.cos(turn) + (2 - 5) * np.sin(turn)
    part = image[:, 5] * (np.abs(np.arange(33) - column) < 2)
    assert part.sum() == pytest.approx(2.0, rel=1e-4)
    assert (part * np.arange(33)).sum() / part.sum() == pytest.approx(column, abs=1e-3)


def test_the_sample_goes_on_beyond_the_field():
    images = [Projector(SHAPE).project(np.ones(SHAPE, np.float32), 0, angle) for angle in (0.0, 60.0)]
    assert images[0].mean() == pytest.approx(11)
    assert images[1].min() == pytest.approx(22, rel=0.1)  # twice as far through, right to the border


def test_slabs_project_to_the_image_of_the_whole():
    density = np.random.default_rng(0).random(SHAPE).astype(np.float32)
    projector = Projector(SHAPE)
    parts = sum(projector.project(density[z : z + 4], z, 27.0) for z in (0, 4, 8))
    np.testing.assert_allclose(parts, projector.project(density, 0, 27.0), rtol=1e-4)


def test_dense_places_look_dark_and_the_contrast_oscillates():
    imaging = Imaging()
    transfer = contrast_transfer((256, 256), imaging, imaging.defocus, 0.0)
    assert transfer[:30, 0].max() < 0  # up to the first zero, at 26 Å
    assert transfer[105:128, 0].max() > 0.001
    first_zero = np.flatnonzero(transfer[:128, 0] > 0)[0] / 2560
    assert 1 / first_zero == pytest.approx(np.sqrt(0.0197 * 35000), rel=0.06)


def test_damage_takes_fine_detail_first():
    imaging = Imaging()
    fresh, late = (np.abs(contrast_transfer((64, 64), imaging, imaging.defocus, dose)) for dose in (0.0, 100.0))
    assert late[1, 0] > 0.8 * fresh[1, 0]
    assert late[30, 0] < 0.5 * fresh[30, 0]


def test_small_tilts_are_taken_first():
    imaging = Imaging(dose=41.0)
    assert imaging.dose_before[20] == pytest.approx(0.5)
    assert imaging.dose_before[[0, 40]].min() == pytest.approx(39.5)


def test_noise_grows_with_the_tilt_and_falls_with_the_dose():
    def noise(dose):
        imaging = Imaging(dose=dose, gradient=0.0)
        images = np.zeros((imaging.tilts.size, 60, 50), np.float32)
        record(images, imaging, 0)
        return images.std(axis=(1, 2))

    assert noise(100.0)[0] > 1.2 * noise(100.0)[20]
    assert noise(25.0)[20] == pytest.approx(2 * noise(100.0)[20], rel=0.1)


def test_a_reconstruction_finds_the_object_dark_in_its_place_and_leaves_the_wedge_empty():
    density, imaging = np.zeros((40, 48, 64), np.float32), Imaging(gradient=0.0)
    density[11:16, 29:34, 39:44] = 8.0
    tomogram = imaged(density, imaging)
    smooth = gaussian_filter(tomogram, 2)
    assert np.unravel_index(smooth.argmin(), smooth.shape) == (13, 31, 41)
    inside, outside = wedge_energy(tomogram)
    assert inside < 0.1 * outside


def test_slabs_of_a_reconstruction_join_without_a_seam():
    imaging = Imaging(step=10.0)
    images = np.random.default_rng(1).random((imaging.tilts.size, 33, 24)).astype(np.float32)
    whole = [slab for _, slab in reconstruct(images, imaging, SHAPE, 11)]
    parts = [slab for _, slab in reconstruct(images, imaging, SHAPE, 4)]
    assert [len(part) for part in parts] == [4, 4, 3]
    np.testing.assert_array_equal(np.concatenate(parts), whole[0])


def imaged(density, imaging):
    """The tomogram [z, y, x] of a density."""
    projector = Projector(density.shape)
    images = np.stack([projector.project(density, 0, float(angle)) for angle in imaging.tilts])
    record(images, imaging, 0)
    weight(images, imaging)
    return np.concatenate([slab for _, slab in reconstruct(images, imaging, density.shape, 16)])


def wedge_energy(tomogram):
    """Mean energy per Fourier voxel inside the missing wedge and outside it, 10° off its faces, at medium detail."""
    tapered = tomogram * np.hanning(tomogram.shape[0])[:, None, None] * np.hanning(tomogram.shape[2])
    power = np.abs(np.fft.fftn(tapered)) ** 2
    z, y, x = np.meshgrid(*(np.fft.fftfreq(size) for size in tomogram.shape), indexing="ij")
    rise = np.degrees(np.arctan2(np.abs(z), np.abs(x)))
    ring = (np.hypot(z, x) > 0.08) & (np.hypot(z, x) < 0.3) & (np.abs(y) < 0.1)
    return power[ring & (rise > 70)].mean(), power[ring & (rise < 50)].mean()
