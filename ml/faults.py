"""Faults of the machine (memory, disk, graphics card) in one sentence for the user; anything else is a bug."""

import errno
import sys
import tempfile
import traceback
from collections.abc import Collection
from pathlib import Path

# What a smaller value of saves memory; not on a graphics card, where tiles and batches follow from what is free.
_SAVING = ("memory", "batch_size", "workers")

# Of torch's allocator, of oneDNN (its convolutions), of C++ and of Python's threads; each a plain RuntimeError.
_MEMORY_WORDS = ("DefaultCPUAllocator", "could not create a primitive", "bad_alloc", "can't start new thread")


def out_of_gpu_memory(error: BaseException) -> bool:
    """True where a graphics card ran out of memory; told by the class's name, so that torch is not imported."""
    return isinstance(error, RuntimeError) and (
        type(error).__name__ == "OutOfMemoryError" or "MPS backend out of memory" in str(error)
    )


def out_of_memory(error: BaseException) -> bool:
    """True where the computer ran out of memory: each library says it in its own words."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    words = {RuntimeError: _MEMORY_WORDS, ImportError: ("failed to map segment", "Cannot allocate memory")}
    return any(isinstance(error, kind) and any(each in str(error) for each in said) for kind, said in words.items())


def sentence_for(error: BaseException, options: Collection[str] = ()) -> str | None:
    """What the user reads for a fault of the machine; None where `error` is a mistake of the program.

    options: names of those that the step has, for advice that can be followed.
    """
    if out_of_gpu_memory(error):
        cures = ["close other programs that use it"]
        cures += ["choose the CPU as device"] if "device" in options else []
        return f"The graphics card has not enough memory for this step: {_either(cures)}."
    if out_of_memory(error):
        cures = ["close other programs", *_lower(options), "work on a tomogram that is shrunk more"]
        return f"The computer has not enough memory for this step: {_either(cures)}."
    if isinstance(error, ModuleNotFoundError) and (error.name or "ml").split(".")[0] not in ("ml", "tomo"):
        return (
            f"The Python {sys.executable} lacks the package {error.name}: install the worker's packages "
            "(ml/requirements.txt), or choose another Python in Tomoseg's preferences."
        )
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}: check the file, the folder and the disk, then try again."
    return None


def _lower(options: Collection[str]) -> list[str]:
    """In words that fit the command line and Blender's panels."""
    found = [name.replace("_", " ") for name in _SAVING if name in options]
    return [f"set {' or '.join(found)} lower"] if found else []


def _either(cures: list[str]) -> str:
    *first, last = cures
    return f"{', '.join(first)}, or {last}" if first else last


def keep_traceback(error: BaseException) -> Path:
    """Write the traceback of a bug to a file of its own in the temporary folder, for a report to the developers."""
    with tempfile.NamedTemporaryFile(
        "w", prefix="tomoseg-", suffix=".log", delete=False, encoding="utf-8", errors="replace"
    ) as handle:
        traceback.print_exception(error, file=handle)
    return Path(handle.name)


def bug_sentence(error: BaseException) -> str:
    """What the user reads when the program made a mistake."""
    words = " ".join(str(error).split())[:160]
    return f"Tomoseg made a mistake ({type(error).__name__}: {words}): please report it, with the log."
