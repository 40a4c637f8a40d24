"""How soon the worker shows what the network believes about one slice: the round trip of a preview request."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.inputs import write_network, write_tomogram

AIMS = {512: 0.3, 1024: 1.0}  # seconds
REPEATS = 5


def rows(folder: Path, *, quick: bool) -> list[dict[str, Any]]:
    """The median of five round trips at two sizes, after the first one, which loads network and tomogram."""
    network = write_network(folder / "preview.safetensors", "default")
    worker = start_worker()
    found = []
    for side in (512,) if quick else (512, 1024):
        tomogram = write_tomogram(folder / f"preview{side}.mrc", (8, side, side), preprocessed=True)
        params = {"network": str(network), "tomogram": str(tomogram), "output": str(folder / "preview.npy")}
        taken = [ask(worker, number, "preview", {**params, "z": number}) for number in range(REPEATS + 1)]
        row = {"name": f"preview a slice of {side}×{side} in the worker", "seconds": round(sorted(taken[1:])[2], 3)}
        found.append({**row, "first_seconds": round(taken[0], 2), "aims": {"seconds": AIMS[side]}})
    worker.communicate()
    return found


def start_worker() -> "subprocess.Popen[bytes]":
    """A worker that waits for requests on its stdin."""
    command = [sys.executable, "-m", "ml", "worker"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def ask(worker: "subprocess.Popen[bytes]", number: int, method: str, params: dict[str, Any]) -> float:
    """Seconds until the answer to one request has come."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    began = time.monotonic()
    request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    worker.stdin.write(json.dumps(request).encode() + b"\n")
    worker.stdin.flush()
    while (message := json.loads(worker.stdout.readline())).get("id") != number:
        continue
    if "error" in message:
        raise RuntimeError(message["error"]["message"])
    return time.monotonic() - began
