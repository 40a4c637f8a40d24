"""Networks of EMAN2 are applied as EMAN2 applied them, and the classic one goes back there."""

import h5py
import numpy as np
import pytest
from scipy.signal import correlate2d

from ml import apply
from ml.cli import main
from ml.eman2_classic import as_eman2, feature_name
from ml.eman2_network import THEANO, TRANSPOSED, Eman2Network, Layer, read_network, write_network
from ml.network_file import load_info, load_network
from ml.options import UsageError
from ml.preprocess import preprocess_array
from ml.report import Silent
from tomo.errors import TomosegError
from tomo.mrc import open_tomogram
from tomo.preprocessing import NO_FILTER, Preprocessing


@pytest.fixture
def eman2(tmp_path):
    """A small network as EMAN2 writes it, linear and easily worked out by hand; returns its path."""

    def make(name="nnet_save__mito.hdf", order=TRANSPOSED, outputs=1, side=(5, 5)):
        rng = np.random.default_rng(5)
        first = rng.normal(size=(2, 1, *side)).astype(np.float32)
        second = rng.normal(size=(outputs, 2, 3, 3)).astype(np.float32)
        layers = (Layer(first, np.array([9, 8], np.float32), 1), Layer(second, np.full(outputs, 0.5, np.float32), 1))
        write_network(tmp_path / name, Eman2Network(layers, 0.5, 64, 20, "t.hdf"), order)
        return tmp_path / name

    return make


def by_hand(slab, path):
    """The map of one preprocessed slice [y, x], in float64, by EMAN2's steps."""
    layers = read_network(path).layers
    found = [slab / 3]
    for number, layer in enumerate(layers):
        summed = [
            sum(correlate2d(image, kernel, "same") for image, kernel in zip(found, kernels, strict=True)) + bias
            for kernels, bias in zip(layer.weights.astype(float), layer.biases, strict=True)
        ]
        found = [np.maximum(each, 0) if number == 0 else each for each in summed]
    return np.maximum(found[0] / 0.5, 0)


def applied(network, tomogram, folder, **options):
    result = apply.run(apply.Options(network, (tomogram,), folder, device="cpu", **options), Silent())
    return result["maps"][0]["map"], open_tomogram(folder / f"{tomogram.stem}__mito.mrc").data


@pytest.mark.parametrize("order", [TRANSPOSED, THEANO])
@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ({}, Preprocessing()),
        ({"invert": True}, Preprocessing(invert=True)),
        ({"filter": False}, NO_FILTER),
    ],
)
def test_a_network_of_eman2_is_applied_with_eman2s_preprocessing(
    eman2, make_tomogram, tmp_path, options, settings, order
):
    network, tomogram = eman2(order=order), make_tomogram()
    _, found = applied(network, tomogram, tmp_path / "maps", **options)
    seen = preprocess_array(np.array(open_tomogram(tomogram).data), settings)
    for z in (0, 1, 4):
        np.testing.assert_allclose(found[z], by_hand(seen[z].astype(float), network), atol=2e-3)
    assert found.std() > 0.1


def test_a_tomogram_that_was_preprocessed_at_import_is_taken_as_it_is(eman2, make_tomogram, tmp_path):
    tomogram = make_tomogram(labels=(Preprocessing(invert=True).to_label(),))
    _, found = applied(eman2(), tomogram, tmp_path / "maps")
    data = np.array(open_tomogram(tomogram).data)
    np.testing.assert_allclose(found[1], by_hand(data[1].astype(float), eman2()), rtol=1e-4, atol=2e-3)


def test_what_the_file_does_not_tell_is_told_by_its_name_and_by_eman2s_defaults(eman2):
    info = load_info(eman2())
    assert (info.feature, info.amplitude, info.threshold, info.box_size) == ("mito", 0.5, 0.8, 64)
    assert info.by_eman2
    assert info.preprocessing == Preprocessing()
    assert info.voxel_size == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("name", "feature"),
    [
        ("nnet_save__mito_good.hdf", "mito"),
        ("nnet_save__actin_good_trainset.hdf", "actin"),
        ("nnet_save.hdf", "nnet_save"),
        ("neuralnet_dark membrane.hdf", "dark membrane"),
        ("__.hdf", "feature"),
    ],
)
def test_the_features_name_comes_from_the_files(tmp_path, name, feature):
    assert feature_name(tmp_path / name) == feature


def test_options_for_eman2s_networks_are_refused_for_ours(make_network, make_tomogram, tmp_path):
    for options in ({"invert": True}, {"filter": False}):
        with pytest.raises(UsageError, match="that of mito knows itself"):
            applied(make_network(), make_tomogram(), tmp_path / "maps", **options)


def test_a_classic_network_goes_to_eman2_and_back_without_a_change(make_network, make_tomogram, tmp_path):
    ours, tomogram = make_network("classic"), make_tomogram()
    network = load_network(ours)
    write_network(tmp_path / "mito.hdf", as_eman2(network, ours))
    theirs = load_network(tmp_path / "mito.hdf")
    assert theirs.info.amplitude == network.info.amplitude
    for name, value in network.module.state_dict().items():
        assert (theirs.module.state_dict()[name] == value).all()
    _, first = applied(ours, tomogram, tmp_path / "a")
    _, second = applied(tmp_path / "mito.hdf", tomogram, tmp_path / "b", filter=False)
    np.testing.assert_array_equal(first, second)


def test_a_network_that_eman2_does_not_have_is_not_written(make_network):
    with pytest.raises(TomosegError, match=r"of the kind 'fast', which .*train one with --network classic"):
        as_eman2(load_network(make_network()), make_network())


@pytest.mark.parametrize(
    ("change", "words"), [({"outputs": 2}, "2 things at once"), ({"side": (4, 4)}, "4 × 4 pixels")]
)
def test_what_tomoseg_cannot_apply_is_one_sentence(eman2, change, words):
    with pytest.raises(TomosegError, match=words):
        load_network(eman2(**change))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("membrane.scnm", b"metadata.json" + bytes(600), "a network of Ais"),
        ("membrain.ckpt", b"PK\3\4" + bytes(600), "a network of MemBrain"),
        ("odd.txt", b"hello", "no network of Tomoseg"),
    ],
)
def test_networks_of_other_programs_are_one_sentence_that_says_what_to_do(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    for read in (load_info, load_network):
        with pytest.raises(TomosegError, match=words):
            read(tmp_path / name)


def test_an_hdf_file_of_keras_is_one_sentence(tmp_path):
    with h5py.File(tmp_path / "easymode.h5", "w") as file:
        file.create_group("model_weights")
    with pytest.raises(TomosegError, match="no network of EMAN2"):
        load_info(tmp_path / "easymode.h5")


def test_a_network_comes_into_a_project_under_the_features_name_and_goes_back(eman2, make_tomogram, tmp_path, capsys):
    theirs, ours, back = eman2(), tmp_path / "mito.safetensors", tmp_path / "back.hdf"
    assert main(["convert", str(theirs), str(ours), "--feature", "mito"]) == 0
    assert load_info(ours).by_eman2
    tomogram = make_tomogram()
    _, first = applied(theirs, tomogram, tmp_path / "a", invert=True)
    _, second = applied(ours, tomogram, tmp_path / "b", invert=True)
    np.testing.assert_array_equal(first, second)
    assert main(["convert", str(ours), str(back), "--for-2017"]) == 0
    for one, other in zip(read_network(theirs).layers, read_network(back).layers, strict=True):
        np.testing.assert_array_equal(one.weights, other.weights)
    assert "Wrote" in capsys.readouterr().out


def test_what_was_converted_is_called_as_users_call_it(make_network, tmp_path, capsys):
    assert main(["convert", str(make_network("unets")), str(tmp_path / "other.safetensors")]) == 0
    assert "other.safetensors (default, mito)" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["net.txt"], ["net.safetensors", "--for-2017"]])
def test_an_output_that_is_no_network_is_wrong_usage(eman2, tmp_path, words, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["convert", str(eman2()), str(tmp_path / words[0]), *words[1:]])
    assert "error:" in capsys.readouterr().err
