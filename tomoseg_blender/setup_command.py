"""Set up the worker's own Python without a window, on a cluster's login node for example.

`blender --command tomoseg_worker` sets it up, and with --repair, --remove or --check does what those buttons do. The
network is used with `--online-mode` before `--command`, or where the preferences allow it.
"""

import argparse

import bpy

from ..tomo.errors import TomosegError
from .preferences import FIELDS, plan_for, preferences
from .terminal import Command
from .worker_setup import refusal, wheels_to_bring


def parser() -> argparse.ArgumentParser:
    """What the command takes; what is left out is as in the preferences."""
    made = argparse.ArgumentParser(prog="blender --command tomoseg_worker", description=__doc__.partition("\n")[0])
    python = "make the environment of this Python (default: Blender's)"
    made.add_argument("--python", dest="base_python", metavar="PYTHON", help=python)
    made.add_argument("--wheels", metavar="FOLDER", help="install from the wheels in this folder, without the network")
    made.add_argument("--index", dest="package_index", metavar="URL", help="address of another package index")
    made.add_argument("--torch-index", metavar="URL", help="address of a further index with torch for this machine")
    what = made.add_mutually_exclusive_group()
    what.add_argument("--repair", action="store_true", help="build it anew, also where it is complete")
    what.add_argument("--remove", action="store_true", help="delete it")
    what.add_argument("--check", action="store_true", help="tell what is there, with a small training step")
    return made


def make(options: argparse.Namespace) -> str:
    """Do it; returns the report. Raises TomosegError, or an operator's RuntimeError."""
    chosen = preferences()
    if chosen is None:
        raise TomosegError("Tomoseg is not enabled in this Blender: install it with --enable first.")
    for name in FIELDS:
        if (given := getattr(options, name)) is not None:
            setattr(chosen, name, given)
    if options.remove:
        bpy.ops.tomoseg.remove_worker()
        return "The worker's environment is removed."
    if options.check:
        bpy.ops.tomoseg.check_worker()
        return str(chosen.report)
    plan = plan_for(chosen)
    if (reason := refusal(plan, bpy.app.online_access)) is not None:
        raise TomosegError(reason if bpy.app.online_access else f"{reason} {wheels_to_bring(plan)}")
    operator = bpy.ops.tomoseg.repair_worker if options.repair else bpy.ops.tomoseg.install_worker
    operator()
    return str(chosen.report)


_COMMAND = Command("tomoseg_worker", parser, make)
run, register, unregister = _COMMAND.run, _COMMAND.register, _COMMAND.unregister
