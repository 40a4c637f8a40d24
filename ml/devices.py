"""Which processor computes: the graphics card where there is one, or else the CPU with all its cores."""

import torch

from ml.threads import available_cores, limit_products
from tomo.errors import TomosegError

DEVICES = ("auto", "cuda", "mps", "cpu")


def choose_device(name: str = "auto") -> torch.device:
    """The device that the user asked for; raises TomosegError where this machine does not have it."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, there in present.items() if there))
    if name not in present:
        raise TomosegError(f"There is no device {name!r}: choose one of {', '.join(DEVICES)}.")
    if not present[name]:
        usable = ", ".join(kind for kind, there in present.items() if there)
        raise TomosegError(f"This machine cannot compute on {name} (it has: {usable}): choose another device or auto.")
    return torch.device(name)


def describe_device(device: torch.device) -> str:
    """The device in the user's words."""
    if device.type == "cuda":
        return f"graphics card {torch.cuda.get_device_name(device)}"
    if device.type == "mps":
        return "Apple graphics processor"
    return f"CPU with {torch.get_num_threads()} of {available_cores()} cores"


def unused_gpu(device: torch.device) -> str | None:
    """The warning for a graphics card that stands unused, or None."""
    if device.type == "cpu" and (torch.cuda.is_available() or torch.backends.mps.is_available()):
        return "This machine has a graphics card that is not used: choose the device auto to train faster."
    return None


def use_threads(count: int) -> None:
    """Compute with so many CPU cores; 0 means all that this process may use."""
    if count < 0:
        raise TomosegError(f"{count} threads are impossible: give 1 or more, or 0 for all cores.")
    torch.set_num_threads(count or available_cores())
    limit_products(count)
