"""EMAN2's network files: the network applied must be the one that EMAN2 applied."""

import h5py
import numpy as np
import pytest
from scipy.signal import convolve2d, correlate2d

from ml.eman2_network import THEANO, TRANSPOSED, Eman2Network, Layer, read_network, write_network
from ml.hdf import write_hdf
from tomo.errors import TomosegError


@pytest.fixture
def network():
    rng = np.random.default_rng(0)
    shapes = [(4, 1, 5, 5), (3, 4, 5, 5), (1, 3, 5, 5)]
    layers = [
        Layer(rng.normal(size=shape).astype(np.float32), rng.normal(size=shape[0]).astype(np.float32), pool)
        for shape, pool in zip(shapes, (2, 1, 1), strict=True)
    ]
    return Eman2Network(tuple(layers), amplitude=0.7, image_size=64, batch=20, trained_from="good_trainset.hdf")


def eman2_file(path, kernel, extra):
    """A network of one layer with one kernel image as stored, written with plain h5py as described."""
    header = {"nkernel": [1], "ksize": [5], "poolsz": [2], "imageshape": [20, 1, 64, 64], **extra}
    with h5py.File(path, "w") as file:
        images = file.create_group("MDF/images")
        images.attrs["imageid_max"] = np.int32(2)
        for number, data in enumerate((np.zeros((5, 5)), np.array([0.25]), kernel)):
            images.create_group(str(number))["image"] = data.astype(np.float32)
        for name, value in header.items():
            kind = np.float32 if isinstance(value, float) else np.int32
            images["0"].attrs[f"EMAN.{name}"] = np.bytes_(value) if isinstance(value, str) else np.array(value, kind)
        images["1"].attrs["EMAN.w_shape"] = np.array([1, 1, 5, 5], np.int32)
    return path


def test_a_network_of_2017_is_applied_as_a_true_convolution(tmp_path):
    rng = np.random.default_rng(1)
    kernel, image = rng.normal(size=(5, 5)), rng.normal(size=(9, 12))
    network = read_network(eman2_file(tmp_path / "n.hdf", kernel, {"amplitude": 0.5, "trainset_src": "t.hdf"}))
    ours = correlate2d(image, network.layers[0].weights[0, 0], "same")
    np.testing.assert_allclose(ours, convolve2d(image, kernel.astype(np.float32), "same"), atol=1e-5)
    assert (network.amplitude, network.trained_from) == (0.5, "t.hdf")
    assert network.layers[0].biases.tolist() == [0.25]
    assert network.layers[0].pool == 2


def test_todays_kernels_are_transposed_back(tmp_path):
    kernel = np.arange(25.0).reshape(5, 5)
    network = read_network(eman2_file(tmp_path / "n.hdf", kernel.T, {"trained_from": "t.hdf"}))
    np.testing.assert_array_equal(network.layers[0].weights[0, 0], kernel)
    assert network.amplitude == 1.0
    assert read_network(eman2_file(tmp_path / "m.hdf", kernel.T, {})).layers[0].weights[0, 0, 0, 1] == 1


def test_the_kernels_of_summer_2018_are_taken_as_they_are(tmp_path):
    kernel = np.arange(25.0).reshape(5, 5)
    network = read_network(eman2_file(tmp_path / "n.hdf", kernel, {"amplitude": 1.0, "meanout": 0}))
    np.testing.assert_array_equal(network.layers[0].weights[0, 0], kernel)


@pytest.mark.parametrize("order", [TRANSPOSED, THEANO])
def test_a_written_network_comes_back_whole(tmp_path, network, order):
    write_network(tmp_path / "n.hdf", network, order)
    back = read_network(tmp_path / "n.hdf")
    for ours, theirs in zip(network.layers, back.layers, strict=True):
        np.testing.assert_array_equal(ours.weights, theirs.weights)
        np.testing.assert_array_equal(ours.biases, theirs.biases)
        assert ours.pool == theirs.pool
    assert back.amplitude == pytest.approx(0.7)
    assert (back.image_size, back.batch, back.trained_from) == (64, 20, "good_trainset.hdf")


def test_the_file_has_eman2s_layout(tmp_path, network):
    write_network(tmp_path / "n.hdf", network)
    with h5py.File(tmp_path / "n.hdf") as file:
        images = file["MDF/images"]
        assert images.attrs["imageid_max"] == 3 + 4 + 12 + 3
        assert images["0"].attrs["EMAN.nkernel"].tolist() == [4, 3, 1]
        assert images["0"].attrs["EMAN.imageshape"].tolist() == [20, 1, 64, 64]
        assert images["1/image"].shape == (4,)
        assert images["6"].attrs["EMAN.w_shape"].tolist() == [3, 4, 5, 5]
        first = network.layers[0].weights[0, 0]
        np.testing.assert_array_equal(images["2/image"][:], first.T)


def test_what_is_no_network_ends_in_one_sentence(tmp_path, network):
    write_hdf(tmp_path / "stack.hdf", [np.zeros((5, 5), np.float32)])
    write_network(tmp_path / "whole.hdf", network)
    with h5py.File(tmp_path / "whole.hdf") as whole, h5py.File(tmp_path / "cut.hdf", "w") as cut:
        whole.copy("MDF", cut)
        del cut["MDF/images/22"]
    bad = Eman2Network((network.layers[0], network.layers[2]))
    write_network(tmp_path / "unlike.hdf", bad)
    broken = Layer(network.layers[0].weights * np.nan, network.layers[0].biases, 1)
    write_network(tmp_path / "nan.hdf", Eman2Network((broken,)))
    reasons = {"stack": "no EMAN2 network", "cut": "incomplete", "unlike": "fit together", "nan": "no numbers"}
    for name, reason in reasons.items():
        with pytest.raises(TomosegError, match=rf"{name}\.hdf .*{reason}"):
            read_network(tmp_path / f"{name}.hdf")
