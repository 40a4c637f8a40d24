"""A worker that does at once what a test wants of live training: it speaks the protocol, and learns nothing.

Started by a script that the test makes: `standin_worker.py FOLDER`. What it was asked stands in FOLDER/asked.jsonl.
"""

import json
import sys
from pathlib import Path

import numpy as np

CANCELLED = -32800
FOLDER = Path(sys.argv[1])
SHAPE = (40, 56)


def send(**message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def told(job, event, **more):
    send(method="live", params={"id": job, "event": event, **more})


def state(job, paused=False):
    facts = {"step": 12, "loss": 0.25, "dice": 0.5, "positives": 1, "negatives": 2, "paused": paused, "threshold": 0.4}
    told(job, "state", **facts, can_forget_seconds=30.0, seconds_per_step=0.125, device="cpu", finishing=False)


def show(job, view):
    """A map that names its slice: all voxels of row z are 1."""
    x, y, width, height = view["region"] or (0, 0, SHAPE[1], SHAPE[0])
    found = np.zeros(SHAPE, np.float32)
    found[view["z"]] = 1.0
    path = FOLDER / "map.npy"
    np.save(path, found[y : y + height, x : x + width])
    place = {"tomogram": view["tomogram"], "feature": "bar", "z": view["z"], "region": [x, y, width, height]}
    send(method="preview", params={"id": job, "path": str(path), **place, "step": 12, "seconds": 0.1})


def result(job):
    send(id=job, result={"feature": "bar", "triplets": "", "dice": 0.75, "held_out": 2})


def command(job, params):
    name = params["command"]
    if name == "view" and not (FOLDER / "blind").exists():
        show(job, params)
    elif name in ("pause", "continue"):
        state(job, paused=name == "pause")
    elif name == "next_box":
        box = {"tomogram": params["tomogram"], "x": 30, "y": 20, "z": 6, "size": 12}
        told(job, "next_box", box=box, reason="Here the network is least sure.")
    elif name == "finish":
        result(job)


def main():
    job = None
    for line in sys.stdin:
        request = json.loads(line)
        params = request.get("params") or {}
        with (FOLDER / "asked.jsonl").open("a") as log:
            log.write(json.dumps({"method": request["method"], **params}) + "\n")
        if request["method"] == "live":
            job = request["id"]
            told(job, "message", message="No painted box yet: paint one.")
            state(job)
        elif request["method"] == "tell":
            send(id=request["id"], result={"told": True})
            command(params["id"], params)
        elif request["method"] == "cancel":
            send(id=params["id"], error={"code": CANCELLED, "message": "cancelled"})


main()
