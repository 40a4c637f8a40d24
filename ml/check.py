"""Check the worker's Python: its packages, the device that it computes on, and one small training step there."""

import time
from dataclasses import dataclass
from typing import Any

from ml.options import option
from ml.report import Report

SUMMARY = "check the worker's Python and its device"


@dataclass(frozen=True)
class Options:
    """What the request `check` takes."""

    device: str = option("auto", help="where to compute", choices=("auto", "cuda", "mps", "cpu"))


def run(options: Options, report: Report) -> dict[str, Any]:
    """Versions, device and memory. Raises TomosegError where the device is not there."""
    import psutil
    import torch

    from ml.devices import choose_device, describe_device, unused_gpu, use_threads
    from ml.worker import versions

    report.progress(0.0, "Checking the worker")
    use_threads(0)
    device = choose_device(options.device)
    memory = torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else None
    return {
        **versions(),
        "device": describe_device(device),
        "warning": unused_gpu(device),
        "training_step_seconds": _training_step(device),
        "memory_gb": psutil.virtual_memory().total / 1e9,
        "gpu_memory_gb": None if memory is None else memory / 1e9,
    }


def describe(result: dict[str, Any]) -> str:
    """Device and versions, one line each."""
    packages = [f"{name} {version or 'missing'}" for name, version in result["packages"].items()]
    return "\n".join([f"Python {result['python']} on {result['device']}", *packages])


def _training_step(device: Any) -> float:
    """Seconds of one step of a U-Net, as training takes it, on noise; the kernels are loaded by a step before it."""
    import torch

    from ml.networks import build_network, preset

    architecture, settings = preset("fast")
    network = build_network(architecture, **settings).to(device)
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-3)
    images = torch.randn(2, network.context, 64, 64, device=device)
    for _ in range(2):
        began = time.monotonic()
        loss = network(images).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        float(loss.detach())  # waits for the device
    return time.monotonic() - began
