"""MRC files built by hand, independent of the code under test, and the shared real data."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mrcfile.dtypes import HEADER_DTYPE

MODES = {"i1": 0, "u1": 0, "i2": 1, "f4": 2, "u2": 6, "f2": 12}


def mrc_bytes(array: np.ndarray, order: str = "<", extended: bytes = b"", imod_flags: int | None = None, **fields: Any):
    """An MRC file of `array` [section, row, column] as bytes; `fields` overrides any header field."""
    header = np.zeros(1, HEADER_DTYPE.newbyteorder(order))
    header["nz"], header["ny"], header["nx"] = array.shape
    header["mz"], header["my"], header["mx"] = array.shape
    header["mode"] = MODES[array.dtype.newbyteorder("=").str[1:]]
    header["cella"] = tuple(10.0 * side for side in array.shape[::-1])
    header["cellb"] = (90.0, 90.0, 90.0)
    header["mapc"], header["mapr"], header["maps"] = 1, 2, 3
    header["map"], header["nversion"], header["nsymbt"] = b"MAP ", 20141, len(extended)
    header["machst"] = (0x44, 0x44, 0, 0) if order == "<" else (0x11, 0x11, 0, 0)
    for name, value in fields.items():
        header[name] = value
    raw = bytearray(header.tobytes())
    if imod_flags is not None:
        raw[152:160] = np.array([1146047817, imod_flags], np.dtype("u4").newbyteorder(order)).tobytes()
    return bytes(raw) + extended + array.astype(array.dtype.newbyteorder(order)).tobytes()


@pytest.fixture
def make_mrc(tmp_path: Path) -> Callable[..., Path]:
    """Write `mrc_bytes` under a name in the test's folder."""

    def make(array: np.ndarray, name: str = "cell.mrc", **options: Any) -> Path:
        path = tmp_path / name
        path.write_bytes(mrc_bytes(array, **options))
        return path

    return make


@pytest.fixture
def cornered() -> np.ndarray:
    """5 × 7 × 11 int16, empty but for an L in one corner that no flip or swap of axes leaves alone."""
    volume = np.zeros((5, 7, 11), np.int16)
    volume[0, 0, :3] = (1, 2, 3)
    volume[0, 1, 0] = 4
    volume[1, 0, 0] = 5
    return volume


@pytest.fixture(scope="session")
def shared_mrc() -> Path:
    """The folder of EMDB maps among the shared data; the test is skipped where it is missing."""
    folder = Path(os.environ.get("TOMOSEG_SHARED", "../shared")) / "data" / "mrc"
    if not folder.is_dir():
        pytest.skip(f"no EMDB maps in {folder}: set TOMOSEG_SHARED to the folder of the shared data")
    return folder
