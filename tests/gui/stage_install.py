"""A new user's first hour: install the zip, set the worker's Python, and go from a file to a figure. Needs a worker.

The zip is chosen in Blender's file browser. What else asks for a file (the project's folder, the tomogram) is given it
by the operator behind the dialog; all else is done by the panels' buttons, keys and strokes of the mouse. The seconds
of each step go into the facts. Where TOMOSEG_GUI_SETUP names a Python and there is a network, the worker is set up with
it (gigabytes, minutes); else its Python is the one that TOMOSEG_PYTHON names.
"""

import importlib
import os
import shutil
import sys
import time
from pathlib import Path

import bpy
import numpy as np
from scenery import PACKAGE, PLACES, SHAPE, boxes_in, painted, part, saved, settings, tomogram

PATIENCE = 400
BOXED = PLACES[:6]


def steps(gui):
    python = os.environ.pop("TOMOSEG_PYTHON", "")
    if not python:
        gui.facts["skipped"] = "no worker: run.py binds the one that TOMOSEG_PYTHON names"
        return
    gui.facts["seconds"] = {}
    yield from timed(gui, "install the zip", install(gui))
    yield from timed(gui, "set and check the worker's Python", choose_worker(gui, python))
    yield from timed(gui, "project and tomogram", begin(gui))
    yield from timed(gui, "boxes", boxes(gui))
    yield from timed(gui, "paint", paint(gui))
    for number, (panel, button, made) in enumerate(STEPS):
        settings().train.iterations, settings().train.batch_size = 4, 8
        settings().figure.width, settings().figure.height, settings().figure.samples = 480, 360, 2
        yield from timed(gui, button, press(gui, panel, f"tomoseg.{button}", made))
        yield from gui.photograph(f"install_{number + 6}_{button}")


STEPS = (
    ("TOMOSEG_PT_trainset", "build_trainset", "trainsets/vesicle.npz"),
    ("TOMOSEG_PT_train", "train", "networks/vesicle.safetensors"),
    ("TOMOSEG_PT_apply", "apply", "segmentations/cell__vesicle.mrc"),
    ("TOMOSEG_PT_merge", "merge", "masks/cell__mask.mrc"),
    ("TOMOSEG_PT_results", "import_mask", "surfaces/cell__vesicle.ply"),
    ("TOMOSEG_PT_figure", "figure", "figures/*.png"),
)


def timed(gui, name, doing):
    began = time.monotonic()
    yield from doing
    gui.facts["seconds"][name] = round(time.monotonic() - began, 1)


def install(gui):
    """Get Extensions > Install from Disk, in a Blender that does not have it."""
    addons = bpy.context.preferences.addons
    if PACKAGE in addons:  # run.py installed it for the other stages
        bpy.ops.extensions.package_uninstall(repo_index=repository(), pkg_id="tomoseg")
        for name in [name for name in sys.modules if name.startswith(f"{PACKAGE}.")]:
            del sys.modules[name]
    assert PACKAGE not in addons and not hasattr(bpy.types, "TOMOSEG_PT_train")
    bpy.context.preferences.active_section = "EXTENSIONS"
    area = gui.area("VIEW_3D")
    area.type = "PREFERENCES"
    yield from redrawn(gui)
    gui.picture("install_1_before")
    yield from from_disk(gui)
    yield from gui.until(lambda: PACKAGE in addons and hasattr(bpy.types, "TOMOSEG_PT_train"), what="the installation")
    yield from redrawn(gui)
    gui.picture("install_2_installed")


def from_disk(gui):
    """Install from Disk: in Blender's own file browser, in the folder of the download, click on the zip, Return."""
    (built,) = Path(os.environ["BLENDER_USER_RESOURCES"]).glob("tomoseg-*.zip")
    folder = gui.folder / "download"
    folder.mkdir(exist_ok=True)
    shutil.copy2(built, folder)
    bpy.context.preferences.view.filebrowser_display_type = "SCREEN"  # Xvfb has no manager of windows
    area = gui.area("PREFERENCES")
    with bpy.context.temp_override(window=gui.window, area=area, region=gui.region(area)):
        bpy.ops.extensions.package_install_files("INVOKE_DEFAULT", repo="user_default", enable_on_install=True)
    yield from gui.until(lambda: gui.has("FILE_BROWSER"), what="the file browser")
    yield from redrawn(gui)
    area = gui.area("FILE_BROWSER")
    area.spaces.active.params.directory = str(folder).encode()
    yield 2.0  # it reads the folder in a thread
    gui.picture("install_2a_file_browser")
    region = gui.region(area)
    for below in range(10, 200, 8):
        yield from gui.click((region.x + 120, region.y + region.height - below))
        if area.spaces.active.params.filename == built.name:
            break
    assert area.spaces.active.params.filename == built.name, area.spaces.active.params.filename
    gui.picture("install_2b_chosen")
    yield from gui.key("RET")
    yield from gui.until(lambda: not gui.has("FILE_BROWSER"), what="the end of the file browser")


def repository():
    repos = bpy.context.preferences.extensions.repos
    return next(number for number, one in enumerate(repos) if one.module == "user_default")


def redrawn(gui):
    """As gui.redrawn, while no 3D view is there."""
    for _ in range(4):
        for area in gui.window.screen.areas:
            area.tag_redraw()
        yield 0.4


def choose_worker(gui, python):
    """Add-ons > Tomoseg: name the interpreter, press Check Worker."""
    own = bpy.context.preferences.addons[PACKAGE].preferences
    bpy.context.preferences.active_section = "ADDONS"
    bpy.context.window_manager.addon_search = "Tomoseg"
    bpy.ops.preferences.addon_expand(module=PACKAGE)
    yield from redrawn(gui)
    gui.picture("install_3_no_worker")
    if base := os.environ.get("TOMOSEG_GUI_SETUP"):
        yield from set_up(gui, own, base)
    else:
        own.worker_python = python
        bpy.ops.tomoseg.check_worker("INVOKE_DEFAULT")
        yield from gui.until(lambda: own.report not in ("", "Checking …"), seconds=PATIENCE, what="the worker's report")
    assert own.report.startswith("The worker is complete"), own.report
    gui.facts["report"] = own.report.splitlines()
    yield from redrawn(gui)
    gui.picture("install_4_worker")
    gui.area("PREFERENCES").type = "VIEW_3D"
    yield from redrawn(gui)


def set_up(gui, own, base):
    """Allow Online Access, Set Up Worker with the Python `base`; a picture of its progress."""
    bpy.context.preferences.system.use_online_access = True
    own.base_python = base
    jobs = importlib.import_module(f"{PACKAGE}.tomoseg_blender.jobs")
    bpy.ops.tomoseg.install_worker("INVOKE_DEFAULT")
    for name in ("install_3a_setting_up", "install_3b_setting_up"):
        yield from gui.until(lambda: jobs.running() is None or jobs.running().fraction > 0.1, seconds=PATIENCE)
        yield 10
        yield from redrawn(gui)
        gui.picture(name)
    yield from gui.until(lambda: jobs.running() is None, seconds=3 * PATIENCE, what="the set-up's end")


def begin(gui):
    """A new project, the file of a microscope imported, the workspace, a feature."""
    folder = gui.folder / "project"
    shutil.rmtree(folder, ignore_errors=True)
    for one in list(bpy.data.objects):
        bpy.data.objects.remove(one)
    geometry = part("tomo.geometry").Geometry((10.0, 10.0, 10.0), (300.0, -200.0, 100.0))
    part("tomo.mrc").write_mrc(gui.folder / "cell.mrc", tomogram(), geometry)
    bpy.ops.tomoseg.create_project(directory=str(folder))
    bpy.ops.tomoseg.workspace()
    yield from gui.until(lambda: gui.has("IMAGE_EDITOR") and gui.has_tab("Tomoseg"), what="the workspace")
    bpy.ops.tomoseg.import_tomogram(filepath=str(gui.folder / "cell.mrc"))
    yield from ended(gui, "the import")
    bpy.ops.tomoseg.add_feature(name="vesicle")
    bpy.ops.tomoseg.show_tomogram()
    settings().tomograms["cell"].slice_z, settings().box_size = 10, 48
    yield from gui.open_panel("TOMOSEG_PT_boxes")
    yield from gui.press_button("tomoseg.use_box_tool")
    yield from gui.photograph("install_5a_shown")


def boxes(gui):
    """A click on each of six rings; E, and two where nothing is."""
    for x, y in BOXED:
        yield from gui.click(gui.place_of(x + 0.5, y + 0.5))
    yield from gui.key("E")
    yield from gui.until(lambda: settings().box_kind == "negative", what="E")
    for x, y in ((120, 170), (200, 175), (110, 135)):
        yield from gui.click(gui.place_of(x + 0.5, y + 0.5))
    yield from gui.until(lambda: len(boxes_in(gui.folder / "project")) == len(BOXED) + 3, what="the boxes")


def paint(gui):
    """B, and along each boxed ring."""
    yield from gui.move(gui.place_of(130, 120))
    yield from gui.key("B")
    yield from gui.until(lambda: bpy.context.mode == "PAINT_TEXTURE", what="painting")
    settings().brush_radius = 2.0
    yield 0.7
    for number, (x, y) in enumerate(BOXED):
        radius = np.sqrt(144 - 4 * (number % 3) ** 2)  # of the ring in slice 10; its middle is at 10 + number % 3
        turns = [(x + radius * np.cos(turn), y + radius * np.sin(turn)) for turn in np.linspace(0, 2 * np.pi, 13)]
        yield from gui.drag([gui.place_of(*place) for place in turns], between=2)
    yield from gui.photograph("install_5b_painted")
    assert (painted(10) == 1).sum() > 100 * len(BOXED), (painted(10) == 1).sum()
    yield from gui.open_panel("TOMOSEG_PT_paint")
    yield from gui.press_button("tomoseg.finish_painting")
    yield from gui.until(lambda: bpy.context.mode == "OBJECT", what="the end of painting")
    yield from gui.until(lambda: np.array_equal(saved(gui, 10), painted(10)), what="the label in the project")
    assert painted(10).shape == SHAPE[1:]


def press(gui, panel, button, made):
    """Open a panel, press its button, wait for the job's end and its file."""
    yield from gui.open_panel(panel)
    yield from gui.press_button(button)
    yield 0.5
    yield from ended(gui, button)
    yield from gui.until(lambda: any((gui.folder / "project").glob(made)), seconds=PATIENCE, what=made)


def ended(gui, what):
    jobs = importlib.import_module(f"{PACKAGE}.tomoseg_blender.jobs")
    yield from gui.until(lambda: jobs.running() is None, seconds=PATIENCE, what=what)
    last = jobs.outcome()
    assert last is None or not last.failed, last
