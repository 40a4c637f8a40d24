"""Network files: everything comes back, and files of any other kind are refused in one sentence."""

import json
import pickle
import struct

import pytest
import torch
from safetensors.torch import save_file

from ml.network_file import EightBits, NetworkInfo, load_info, load_network, save_network
from ml.networks import build_network
from tomo.errors import TomosegError
from tomo.preprocessing import Preprocessing

INFO = NetworkInfo(
    "microtubule",
    "unet",
    {"width": 4, "depth": 2, "fold": 1, "context": 3},
    voxel_size=(10.5, 10.5, 10.5),
    box_size=48,
    preprocessing=Preprocessing(invert=True),
    amplitude=0.8,
    threshold=0.6,
    history=({"learning_rate": 0.001},),
    eight_bits=EightBits((3.0, 10.5, 0.25), -0.001),
)


@pytest.fixture()
def written(tmp_path):
    network = build_network(INFO.architecture, **INFO.settings)
    path = tmp_path / "networks" / "microtubule.safetensors"
    save_network(path, network, INFO)
    return path, network


def test_weights_and_metadata_come_back(written):
    path, network = written
    loaded = load_network(path)
    assert loaded.info == INFO == load_info(path)
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in loaded.module.state_dict().items())
    assert loaded.info.learning_rate == 0.001
    assert not loaded.module.training


def test_folding_the_normalisation_keeps_the_output(written):
    loaded = load_network(written[0])
    for buffer in loaded.module.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 2.0)
    tile = torch.randn(1, 3, 20, 28)
    applied = loaded.for_applying(torch.device("cpu"))
    assert torch.allclose(applied.map_of(tile), loaded.map_of(tile), atol=1e-5)
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in applied.module.modules())


def test_the_metadata_can_be_read_by_a_person(written):
    raw = written[0].read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    metadata = json.loads(raw[8 : 8 + length])["__metadata__"]
    assert json.loads(metadata["feature"]) == "microtubule"
    assert json.loads(metadata["preprocessing"])["invert"] is True


@pytest.mark.parametrize(
    "content",
    [b"", b"not a network", struct.pack("<Q", 2**60) + b"{}", pickle.dumps({"weights": [1.0]}), b"\x00" * 64],
    ids=["empty", "text", "absurd header", "pickle", "zeros"],
)
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    path = tmp_path / "odd.safetensors"
    path.write_bytes(content)
    with pytest.raises(TomosegError, match=r"odd\.safetensors is no network of Tomoseg"):
        load_network(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(TomosegError, match=r"There is no network .*lost\.safetensors"):
        load_network(tmp_path / "lost.safetensors")


def test_a_truncated_file_is_refused(written):
    path, _ = written
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(TomosegError, match="damaged"):
        load_network(path)


def test_a_network_of_another_program_is_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(3)}, path)
    with pytest.raises(TomosegError, match="another program"):
        load_network(path)


def rewritten(path, **changes):
    """The file with some of its metadata replaced."""
    raw = path.read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8 : 8 + length])
    header["__metadata__"].update(changes)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + raw[8 + length :])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("settings", '{"width": 8, "depth": 2, "fold": 1, "context": 3}'),
        ("settings", '{"width": 1000000000}'),
        ("settings", "[1, 2]"),
        ("amplitude", "NaN"),
        ("amplitude", "0"),
        ("voxel_size", "[1, 2]"),
        ("feature", '"../../etc"'),
        ("history", "[" * 5000),
        ("schema", "99"),
        ("preprocessing", "{}"),
        ("eight_bits", "7"),
        ("eight_bits", "[3.0, 1.5]"),
        ("eight_bits", '{"largest": [3.0, 1.5]}'),
        ("eight_bits", '{"largest": "wide", "dice_change": 0}'),
        ("eight_bits", '{"largest": [3.0, 0.0], "dice_change": 0}'),
        ("eight_bits", '{"largest": [3.0, -1.5], "dice_change": 0}'),
        ("eight_bits", '{"largest": [3.0, 1e-300], "dice_change": 0}'),
        ("eight_bits", '{"largest": [3.0, Infinity], "dice_change": 0}'),
        ("eight_bits", '{"largest": [3.0, NaN], "dice_change": 0}'),
        ("eight_bits", '{"largest": [3.0, 1.5], "dice_change": NaN}'),
        ("eight_bits", '{"largest": [3.0, 1.5], "dice_change": -40}'),
    ],
)
def test_damaged_metadata_is_refused_in_one_sentence(written, name, value):
    rewritten(written[0], **{name: value})
    with pytest.raises(TomosegError) as caught:
        load_network(written[0])
    assert "\n" not in str(caught.value)


def test_a_file_of_an_older_version_has_no_ranges_for_8_bit_numbers(written):
    path, _ = written
    raw = path.read_bytes()
    assert raw.count(b'"eight_bits"') == 1
    path.write_bytes(raw.replace(b'"eight_bits"', b'"nobodyhere"'))
    assert load_network(path).info.eight_bits is None
    assert load_info(path).amplitude == INFO.amplitude


def test_weights_that_are_no_numbers_are_refused(written):
    path, network = written
    with torch.no_grad():
        next(network.parameters()).fill_(float("nan"))
    save_network(path, network, INFO)
    with pytest.raises(TomosegError, match="no numbers"):
        load_network(path)
