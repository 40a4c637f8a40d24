"""How long a slice step, a click for a box and a stroke take in the window, at 1024² and 4096².

Reported in window_timing.json; a missed aim is an error only with TOMOSEG_GUI_TIMING set, since a machine without a
graphics card draws by its processor, and may have others to serve.
"""

import json
import os
import shutil
import statistics
import time

import bpy
import numpy as np
from mathutils import Vector
from scenery import boxes_of_scene, part, settings

SIZES = (1024, 4096)
DEPTH = 12
STEPS, BOXES, MOVES = 16, 6, 12
AIMS = {"slice step at 1024²": 16, "slice step at 4096²": 80, "sharp again at 4096²": 300}


def make_project(folder):
    shutil.rmtree(folder, ignore_errors=True)
    projects = part("tomo.project")
    project = projects.Project.create(folder)
    noise = np.random.default_rng(4).integers(-90, 90, 2**20, np.int8)
    for side in SIZES:
        name = f"noise{side}"
        data = np.resize(noise, (DEPTH, side, side))
        geometry = part("tomo.geometry").Geometry((10.0, 10.0, 10.0))
        part("tomo.mrc").write_mrc(project.tomogram_path(name), data, geometry)
        project.add_tomogram(
            projects.TomogramEntry(
                name, f"tomograms/{name}.mrc", voxel_size=geometry.voxel_size, shape=data.shape, family=name
            )
        )
    project.add_feature("vesicle")


class Watch:
    """When slices were handed over to Blender (and whether in full), and when the 3D view was drawn."""

    def __init__(self):
        self.handed, self.entered, self.drawn, self.sharpened = [], [], [], []
        self.slices, self.viewing = part("tomoseg_blender.scene.slices"), part("tomoseg_blender.viewing")
        self.texture = part("tomoseg_blender.slice_texture")
        self.show, self.step, self.put = self.slices.show_slice, self.viewing.step, self.texture.put
        self.slices.show_slice, self.viewing.step = self.watched_show, self.watched_step
        self.texture.put = self.watched_put
        view = bpy.types.SpaceView3D
        self.handle = view.draw_handler_add(self.note_drawing, (), "WINDOW", "POST_PIXEL")

    def watched_show(self, *arguments, **options):
        plane = self.show(*arguments, **options)
        self.handed.append((time.perf_counter(), bool(options.get("quick"))))
        return plane

    def watched_put(self, *arguments):
        self.put(*arguments)
        self.sharpened.append(time.perf_counter())

    def watched_step(self, *arguments):
        self.entered.append(time.perf_counter())
        return self.step(*arguments)

    def shown_since(self):
        """When the slice of the last step was handed over, not one that was only sharpened; None until then."""
        began = self.entered[0] if self.entered else float("inf")
        return next((when for when, _quick in self.handed if when > began), None)

    def note_drawing(self):
        self.drawn.append((time.perf_counter(), len(boxes_of_scene())))

    def end(self):
        self.slices.show_slice, self.viewing.step, self.texture.put = self.show, self.step, self.put
        bpy.types.SpaceView3D.draw_handler_remove(self.handle, "WINDOW")


def steps(gui):
    folder = gui.folder / "timing"
    make_project(folder)
    for one in list(bpy.data.objects):
        bpy.data.objects.remove(one)
    bpy.ops.tomoseg.open_project(directory=str(folder))
    bpy.ops.tomoseg.workspace()
    yield from gui.until(lambda: gui.has("IMAGE_EDITOR") and gui.has_tab("Tomoseg"), what="the workspace")
    watch, rows = Watch(), []
    for side in SIZES:
        settings().tomogram_index = settings().tomograms.find(f"noise{side}")
        bpy.ops.tomoseg.show_tomogram()
        bpy.ops.tomoseg.use_box_tool()
        yield from gui.redrawn()
        yield from time_steps(gui, watch, rows, side)
        yield from time_boxes(gui, watch, rows, side)
        yield from time_strokes(gui, watch, rows, side)
    watch.end()
    shutil.rmtree(folder, ignore_errors=True)
    report(gui, rows)


def add(rows, name, seconds):
    found = [1000 * one for one in seconds]
    row = {"name": name, "median_ms": round(statistics.median(found), 1), "best_ms": round(min(found), 1)}
    rows.append({**row, "aim_ms": AIMS.get(name)})


def time_steps(gui, watch, rows, side):
    """From the key until the slice is handed over to Blender, in all and within our operator."""
    yield from gui.move(gui.place_of(side / 2, side / 2))
    whole, own = [], []
    for number in range(STEPS):
        watch.handed.clear()
        watch.entered.clear()
        sent = time.perf_counter()
        gui.send("UP_ARROW" if number % 10 < 5 else "DOWN_ARROW", "PRESS")
        gui.send("UP_ARROW" if number % 10 < 5 else "DOWN_ARROW", "RELEASE")
        yield from gui.until(watch.shown_since, what="a step")
        whole.append(watch.shown_since() - sent)
        own.append(watch.shown_since() - watch.entered[0])
        yield 0.05
    add(rows, f"slice step at {side}²", own)
    add(rows, f"slice step at {side}², with Blender's way to it", whole)
    if side > 2048:
        yield from time_sharpening(gui, watch, rows, side)


def time_sharpening(gui, watch, rows, side):
    """From the handing over of a coarse slice until the whole one is handed over, and until it is drawn."""
    handed, drawn = [], []
    for _ in range(5):
        yield 1.5  # what an earlier step left to be sharpened is done
        for found in (watch.handed, watch.sharpened, watch.drawn):
            found.clear()
        gui.send("UP_ARROW", "PRESS")
        gui.send("UP_ARROW", "RELEASE")
        yield from gui.until(lambda: watch.sharpened, what="a sharp slice")
        stepped, quick = watch.handed[0]
        assert quick, "the step itself came first"
        handed.append(watch.sharpened[0] - stepped)
        yield from gui.until(lambda: watch.drawn[-1][0] > watch.sharpened[0], what="a sharp slice on the screen")
        drawn.append(next(when for when, _boxes in watch.drawn if when > watch.sharpened[0]) - stepped)
    add(rows, f"sharp again at {side}²", handed)
    add(rows, f"sharp again at {side}², drawn", drawn)
    yield from check_voxels(gui, side)


def check_voxels(gui, side):
    """Each voxel of the whole slice has its own grey on the screen, also after the contrast was changed."""
    item, view = settings().tomograms[settings().shown], gui.area("VIEW_3D").spaces.active.region_3d
    distance, location, low = view.view_distance, view.view_location.copy(), item.low
    _item, empty = part("tomoseg_blender.viewing").shown_tomogram(bpy.context.scene)
    view.view_distance, view.view_location = distance / 200, empty.matrix_world @ Vector((side / 2, side / 2, 0))
    overlay = gui.area("VIEW_3D").spaces.active.overlay
    overlay.show_overlays = False
    mrc, projects = part("tomo.mrc"), part("tomo.project")
    data = mrc.open_tomogram(projects.Project.open(gui.folder / "timing").tomogram_path(item.name)).data[item.slice_z]
    for black in (low, low + 40):
        item.low = black
        yield 1.5
        yield from gui.redrawn()
        wanted, found = [], []
        for n in range(-4, 5):
            x, y = side // 2 + n, side // 2 - n
            wanted.append(round(255 * min(max((float(data[y, x]) - black) / (item.high - black), 0), 1)))
            found.append(gui.grey_at(gui.place_of(x + 0.5, y + 0.5)))
        gui.facts[f"greys from {black:.0f}, as wanted and as drawn"] = [wanted, found]
        # The screen rounds near black; a neighbour's grey lies farther away than that.
        assert None in found or np.abs(np.subtract(wanted, found)).max() <= 5, (wanted, found)
    item.low, view.view_distance, view.view_location, overlay.show_overlays = low, distance, location, True
    yield 1.5


def time_boxes(gui, watch, rows, side):
    """From the click until the view with the new box is drawn."""
    found = []
    for number in range(BOXES):
        yield from gui.move(gui.place_of(side * (0.2 + 0.1 * number), side * 0.5))
        count = len(boxes_of_scene())
        watch.drawn.clear()
        sent = time.perf_counter()
        gui.send("LEFTMOUSE", "PRESS")
        yield from gui.until(lambda count=count: any(n > count for _when, n in watch.drawn), what="a drawn box")
        found.append(next(when for when, n in watch.drawn if n > count) - sent)
        gui.send("LEFTMOUSE", "RELEASE")
        yield 0.4
    add(rows, f"click to drawn box at {side}²", found)


def time_strokes(gui, watch, rows, side):
    """From a movement of the mouse in a stroke until the view with it is drawn."""
    yield from gui.key("B")
    yield from gui.until(lambda: bpy.context.mode == "PAINT_TEXTURE", what="painting")
    yield from gui.redrawn()
    yield from gui.move(gui.place_of(side * 0.2, side * 0.3))
    gui.send("LEFTMOUSE", "PRESS")
    yield 0.5
    found = []
    for number in range(MOVES):
        watch.drawn.clear()
        sent = time.perf_counter()
        gui.mouse = gui.place_of(side * (0.22 + 0.02 * number), side * 0.3)
        gui.send("MOUSEMOVE", "NOTHING")
        yield from gui.until(lambda: watch.drawn, what="a drawn stroke")
        found.append(watch.drawn[0][0] - sent)
    gui.send("LEFTMOUSE", "RELEASE")
    yield 0.5
    add(rows, f"stroke to drawn view at {side}²", found)
    if side == SIZES[-1]:
        gui.picture("30_large_slice")
    yield from gui.key("B")
    yield from gui.until(lambda: bpy.context.mode == "OBJECT", what="leaving painting")


def report(gui, rows):
    machine = {"blender": bpy.app.version_string, "cores": os.cpu_count(), "load": os.getloadavg()[0]}
    described = {"machine": machine, "aims_ms": AIMS, "rows": rows}
    (gui.folder / "window_timing.json").write_text(json.dumps(described, indent=1, ensure_ascii=False) + "\n")
    gui.facts["table"] = table(rows)
    missed = [row["name"] for row in rows if row["aim_ms"] is not None and row["median_ms"] > row["aim_ms"]]
    gui.facts["aims missed"] = missed or "none"
    if os.environ.get("TOMOSEG_GUI_TIMING"):
        assert not missed, missed


def table(rows):
    lines = [f"{'':<52}{'median ms':>11}{'best ms':>9}{'aim ms':>8}"]
    for row in rows:
        aim = "" if row["aim_ms"] is None else f"{row['aim_ms']:g}"
        lines.append(f"{row['name']:<52}{row['median_ms']:>11.1f}{row['best_ms']:>9.1f}{aim:>8}")
    return "\n".join(["", *lines])
