"""Damaging good files on purpose: single bytes, cuts and growth everywhere, and the fields that a format has."""

import io
import json
import random
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

from tests.fuzz.formats import FORMATS, json_leaves, put, write_tar

WORDS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
VALUES = (
    *(None, True, False, 0, 1, -1, 2, 3, 64, 127, 2**31 - 1, 2**31, 2**63, 10**400, -(2**31), 0.5, -0.0, 1e308),
    *(float("nan"), float("inf"), "", "a", "../../evil", "/etc/evil", "a/b", "..", "C:\\evil", "con", "\0", "x" * 3000),
    *(
        "é" * 80,
        "\ud800",
        "#ff0000",
        "positive",
        "unet",
        "unets",
        "classic",
        [],
        [0],
        [1, 2, 3],
        [[]],
        {},
        {"a": 1},
        {"context": 1},
    ),
    *([10**9] * 3, [-5, 0, 3], ["a"] * 3, [1e308] * 3, {"context": 1}, "1", "NaN", "[" * 500),
)
ATTRIBUTES = (0, -1, 2**31 - 1, 1.5, float("nan"), float("inf"), "text", b"\xff\xfe", [], [0, 0, 0, 0], [1e9] * 4)
SHAPES = ((), (0,), (0, 5), (3, 3), (70000, 70000), (2, 2, 2, 2), (1, 1, 1))
PIECES = (
    *("../", "..", "/", "\\", "\0", "\n", ":", "C:", "|", "*", "?", "~", "$HOME", "%00", "\x7f", "\u202e", "\u200b"),
    *("con", "NUL", "aux.txt", "com1", ".vdb", ".mrc", "__", "_", ".", " ", "  ", "-", "+", "\ufeff", "\u0301"),
    *("a", "Z", "7", "細", "β", "é", "(", ")", "#", "'", '"', "ſ", "İ", "😀", "\u1100\u1161", "\u2028", "\ud800"),
    *("x" * 40, "胞" * 30),
)
MRC_FIELDS = list(range(0, 232, 4))


def mutant(kind: str, good: list[tuple[str, bytes]], seed: int) -> tuple[str, bytes]:
    """(file's name, its damaged content) of a format; the same for the same seed."""
    pick = random.Random(seed)
    name, raw = pick.choice(good)
    structured = FORMATS[kind].structured
    if structured in ("json", "safetensors") and pick.random() < 0.75:
        return name, (_json if structured == "json" else _safetensors)(pick, raw)
    if structured == "npz" and pick.random() < 0.75:
        return name, _npz(pick, raw)
    if structured == "mrc" and pick.random() < 0.75:
        return name, _words(pick, raw, MRC_FIELDS)
    if structured == "tiff" and pick.random() < 0.5:
        return name, _words(pick, raw, list(range(4, min(len(raw) - 4, 400), 2)))
    if structured == "hdf" and pick.random() < 0.65:
        return name, _hdf(pick, raw)
    if structured in STRUCTURED and pick.random() < 0.85:
        return name, STRUCTURED[structured](pick, raw)
    return name, _bytes(pick, raw)


def _bytes(pick: random.Random, raw: bytes) -> bytes:
    """A few single bytes, a cut, or something more at the end."""
    data = bytearray(raw)
    reach = min(pick.choice((len(raw), 4096, 1024, 256)), len(raw))
    for _ in range(pick.randint(1, 6)):
        data[pick.randrange(reach)] = pick.randrange(256)
    how = pick.randrange(10)
    if how == 0:
        return bytes(data[: pick.randrange(len(data))])
    return bytes(data) + (pick.randbytes(pick.randrange(40)) if how == 1 else b"")


def _words(pick: random.Random, raw: bytes, places: list[int]) -> bytes:
    """Fields of 16 or 32 bits with the numbers at which programs break."""
    data = bytearray(raw)
    for _ in range(pick.randint(1, 3)):
        place = pick.choice(places)
        value = pick.choice((pick.choice(WORDS), pick.randrange(4096)))
        size, letter = (4, "I") if places is MRC_FIELDS else pick.choice(((4, "I"), (2, "H")))
        data[place : place + size] = struct.pack(pick.choice("<>") + letter, value & (256**size - 1))
    return bytes(data)


def _json(pick: random.Random, raw: bytes) -> bytes:
    """Other values in a JSON document."""
    document = json.loads(raw)
    for _ in range(pick.randint(1, 2)):
        document = put(document, pick.choice(json_leaves(document)), pick.choice(VALUES))
    return json.dumps(document).encode("utf-8", "replace")


def _safetensors(pick: random.Random, raw: bytes) -> bytes:
    """Other values in the header of a safetensors file, or in the JSON texts of its metadata."""
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + length])
    if pick.random() < 0.8:
        key = pick.choice(sorted(set(header["__metadata__"]) - {"format"}))
        inner = json.loads(header["__metadata__"][key])
        inner = put(inner, pick.choice(json_leaves(inner)), pick.choice(VALUES))
        header["__metadata__"][key] = json.dumps(inner)
    else:
        header = put(header, pick.choice(json_leaves(header)[1:]), pick.choice(VALUES))
    packed = json.dumps(header).encode("utf-8", "replace")
    claimed = pick.choice((len(packed), len(packed), len(packed), len(packed) + 8, 2**40, 0))
    return claimed.to_bytes(8, "little") + packed + raw[8 + length :]


def _hdf(pick: random.Random, raw: bytes) -> bytes:
    """Other values in the attributes of an EMAN2 file, other voxels and none, written by HDF5's own library."""
    import h5py
    import numpy as np

    held = io.BytesIO(raw)
    with h5py.File(held, "r+") as file:
        images = file["MDF/images"]
        group = images[pick.choice(sorted(images))]
        for _ in range(pick.randint(1, 2)):
            name = pick.choice([*group.attrs, "EMAN.stored_renderbits", "EMAN.w_shape", "EMAN.poolsz"])
            value = pick.choice(ATTRIBUTES)
            group.attrs[name] = value if isinstance(value, str) else np.asarray(value)
        if pick.random() < 0.2:
            del group["image"]
            shape, kind = pick.choice(SHAPES), pick.choice(("f4", "u1", "i8", "c8", "S3", "f8"))
            group.create_dataset("image", shape, kind, **({"chunks": True} if np.prod(shape) > 1e6 else {}))
    return held.getvalue()


def _npz(pick: random.Random, raw: bytes) -> bytes:
    """Other metadata, and arrays of other shapes and types, in an archive that is whole."""
    import numpy as np

    with np.load(io.BytesIO(raw), allow_pickle=False) as file:
        arrays = dict(file)
    if pick.random() < 0.4:
        document = json.loads(str(arrays["metadata"]))
        document = put(document, pick.choice(json_leaves(document)[1:]), pick.choice(VALUES))
        arrays["metadata"] = np.array(json.dumps(document))
    else:
        small = [shape for shape in SHAPES if np.prod(shape) < 100]
        arrays[pick.choice(sorted(arrays))] = np.zeros(pick.choice(small), pick.choice(("f4", "i8", "U3", "?")))
    held = io.BytesIO()
    np.savez_compressed(held, **arrays)
    return held.getvalue()


def _tar(pick: random.Random, raw: bytes) -> bytes:
    """Other names, kinds, values and voxels of the members of a tar that is whole."""
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        members = [(info, tar.extractfile(info).read()) for info in tar]
    for _ in range(pick.randint(1, 2)):
        number = pick.randrange(len(members))
        info, content = members[number]
        how = pick.random()
        if how < 0.15:
            info.name = pick.choice(("../evil", "/evil", "y/../../evil", "y\\evil", info.name, "é" * 60, "y/aa.mrc"))
        elif how < 0.25:
            info.type, info.linkname = pick.choice((tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE)), "/etc/passwd"
        elif how < 0.3:
            del members[number]
            continue
        elif content.startswith(b"{"):
            content = _json(pick, content)
        else:
            content = _words(pick, content, MRC_FIELDS)
        members[number] = (info, content)
    held = io.BytesIO()
    write_tar(held, members)
    return held.getvalue()


def _names(pick: random.Random, raw: bytes) -> bytes:
    """Names with letters and pieces in them that some system takes for something else."""
    pair = json.loads(raw)
    for _ in range(pick.randint(1, 3)):
        which = pick.randrange(2)
        text = pair[which]
        place = pick.randrange(len(text) + 1)
        piece = pick.choice((pick.choice(PIECES), chr(pick.choice((pick.randrange(0xD800), pick.randrange(256))))))
        keep = pick.random()
        if keep < 0.7:
            pair[which] = text[:place] + piece + text[place:]
        else:
            pair[which] = piece if keep < 0.8 else text[:place] or piece
    return json.dumps(pair).encode()


STRUCTURED: dict[str, Callable[[random.Random, bytes], bytes]] = {"tar": _tar, "names": _names}


def good_files(kind: str, folder: Path) -> list[tuple[str, bytes]]:
    """The good files of a format, read."""
    return [(path.name, path.read_bytes()) for path in FORMATS[kind].write(folder)]
