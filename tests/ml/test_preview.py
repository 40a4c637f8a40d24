"""The preview of a slice is what applying will write there."""

import numpy as np
import pytest

from ml import apply, check
from ml.preview import Options, run
from ml.report import Silent
from tomo.errors import TomosegError
from tomo.mrc import open_tomogram
from tomo.preprocessing import Preprocessing


def previewed(network, tomogram, tmp_path, z=1, **options):
    result = run(Options(network, tomogram, z, tmp_path / "preview.npy", **options), Silent())
    return np.load(tmp_path / "preview.npy", allow_pickle=False), result


@pytest.mark.parametrize("context", [1, 3])
def test_a_slice_looks_as_it_will_in_the_map(make_network, make_tomogram, tmp_path, context):
    network, tomogram = make_network(context=context, filtering=Preprocessing()), make_tomogram()
    apply.run(apply.Options(network, (tomogram,), tmp_path / "maps"), Silent())
    whole = open_tomogram(tmp_path / "maps" / "cell1__mito.mrc").data
    for z in (0, 1, 4):
        found, _ = previewed(network, tomogram, tmp_path, z)
        assert found == pytest.approx(np.asarray(whole[z]), abs=1e-4)


def test_a_part_of_a_slice_looks_as_in_the_whole_slice(make_network, make_tomogram, tmp_path):
    network, tomogram = make_network(), make_tomogram(shape=(3, 150, 170))
    whole, _ = previewed(network, tomogram, tmp_path)
    part, result = previewed(network, tomogram, tmp_path, region=(51, 73, 40, 30))
    assert part.shape == (30, 40)
    assert np.abs(part - whole[73:103, 51:91]).max() < 1e-3
    assert whole.std() > 0.01
    assert result["region"] == [51, 73, 40, 30]


def test_a_part_that_sticks_out_is_cut(make_network, make_tomogram, tmp_path):
    part, result = previewed(make_network(), make_tomogram(), tmp_path, region=(-5, 30, 20, 100))
    assert result["region"] == [0, 30, 15, 7]
    assert part.shape == (7, 15)


def test_a_changed_tomogram_is_seen(make_network, make_tomogram, tmp_path):
    network = make_network()
    before, _ = previewed(network, make_tomogram(), tmp_path)
    after, _ = previewed(network, make_tomogram(seed=50), tmp_path)
    assert np.abs(before - after).max() > 0.01


@pytest.mark.parametrize("z", [-1, 5])
def test_a_slice_that_is_not_there_is_told(make_network, make_tomogram, tmp_path, z):
    with pytest.raises(TomosegError, match="slices 0 to 4"):
        previewed(make_network(), make_tomogram(), tmp_path, z)


def test_a_part_outside_is_told(make_network, make_tomogram, tmp_path):
    with pytest.raises(TomosegError, match="lies outside"):
        previewed(make_network(), make_tomogram(), tmp_path, region=(500, 0, 10, 10))


def test_files_that_are_not_there_are_told(make_network, make_tomogram, tmp_path):
    with pytest.raises(TomosegError, match=r"no\.mrc"):
        previewed(make_network(), tmp_path / "no.mrc", tmp_path)
    with pytest.raises(TomosegError, match=r"no\.safetensors"):
        previewed(tmp_path / "no.safetensors", make_tomogram(), tmp_path)


def test_the_check_tells_packages_device_and_speed():
    told = check.run(check.Options(device="cpu"), Silent())
    assert told["device"].startswith("CPU with")
    assert told["packages"]["torch"]
    assert 0 < told["training_step_seconds"] < 60
    assert told["memory_gb"] > 0.1
    assert "CPU with" in check.describe(told)
