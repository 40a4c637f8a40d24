"""Faults of the machine (memory, disk, graphics card) in one sentence for the user; anything else is a bug."""

import errno
import sys
import tempfile
import traceback
from pathlib import Path

_NO_MEMORY = (
    "The computer has not enough memory for this step: close other programs, lower --memory or --batch-size, "
    "or work on a tomogram that is shrunk more."
)
_NO_GPU_MEMORY = (
    "The graphics card has not enough memory for this step: close other programs that use it, lower --memory or "
    "--batch-size, or use --device cpu."
)

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


def sentence_for(error: BaseException) -> str | None:
    """What the user reads for a fault of the machine; None where `error` is a mistake of the program."""
    if out_of_gpu_memory(error):
        return _NO_GPU_MEMORY
    if out_of_memory(error):
        return _NO_MEMORY
    if isinstance(error, ModuleNotFoundError) and (error.name or "ml").split(".")[0] not in ("ml", "tomo"):
        return (
            f"The Python {sys.executable} lacks the package {error.name}: install the worker's packages "
            "(ml/requirements.txt), or choose another Python in Tomoseg's preferences."
        )
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}: check the file, the folder and the disk, then try again."
    return None


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
