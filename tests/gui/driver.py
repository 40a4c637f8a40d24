"""Drives a real Blender window by mouse and key events: runs a stage's `steps()` between redraws.

Blender runs this file with `--enable-event-simulate --python driver.py -- STAGE.py FOLDER`. A stage is a file with
a generator `steps(gui)`; each `yield SECONDS` lets Blender handle events and redraw. The result goes to
FOLDER/<stage>.json, pictures to FOLDER/*.png. Nothing but Blender's own Python is needed, on any system.
"""

import itertools
import json
import os
import runpy
import struct
import sys
import time
import traceback
import zlib
from pathlib import Path

import bpy
from bpy_extras.view3d_utils import location_3d_to_region_2d
from mathutils import Vector

sys.path.insert(0, str(Path(__file__).resolve().parent))
from sidebar import Sidebar

PACKAGE = "bl_ext.user_default.tomoseg"
PATIENCE = 90  # seconds that a loaded machine may take for what a quick one does at once
LETTERS = {
    **{
        str(n): name
        for n, name in enumerate(("ZERO", "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE"))
    },
    ".": "PERIOD",
    " ": "SPACE",
}


class Gui(Sidebar):
    """What a stage uses: events, places on the screen, pictures, facts."""

    def __init__(self, folder):
        self.folder = folder
        self.facts = {}
        self.mouse = (0, 0)

    @property
    def window(self):
        return bpy.context.window_manager.windows[0]

    def area(self, kind):
        """The largest area of a kind."""
        found = [area for area in self.window.screen.areas if area.type == kind]
        return max(found, key=lambda area: area.width * area.height)

    def has(self, kind):
        return any(area.type == kind for area in self.window.screen.areas)

    def has_tab(self, name):
        """True once the 3D view's sidebar shows this tab."""
        return self.region(self.area("VIEW_3D"), "UI").active_panel_category == name

    def region(self, area, kind="WINDOW"):
        return next(region for region in area.regions if region.type == kind)

    def send(self, kind, value="PRESS", **modifiers):
        x, y = self.mouse
        self.window.event_simulate(type=kind, value=value, x=round(x), y=round(y), **modifiers)

    def move(self, place, **modifiers):
        self.mouse = place
        self.send("MOUSEMOVE", "NOTHING", **modifiers)
        yield 0.05

    def key(self, kind, **modifiers):
        self.send(kind, "PRESS", **modifiers)
        self.send(kind, "RELEASE", **modifiers)
        yield 0.15

    def wheel(self, clicks, **modifiers):
        for _ in range(abs(clicks)):
            self.send("WHEELUPMOUSE" if clicks > 0 else "WHEELDOWNMOUSE", "PRESS", **modifiers)
            yield 0.1

    def click(self, place, button="LEFTMOUSE", **modifiers):
        yield from self.move((place[0] - 2, place[1]))
        yield from self.move(place)
        self.send(button, "PRESS", **modifiers)
        yield 0.1
        self.send(button, "RELEASE", **modifiers)
        yield 0.2

    def drag(self, places, button="LEFTMOUSE", between=4, **modifiers):
        """Press at the first place, move through the others, release at the last."""
        yield from self.move(places[0])
        self.send(button, "PRESS", **modifiers)
        yield 0.15
        for (x0, y0), (x1, y1) in itertools.pairwise(places):
            for step in range(1, between + 1):
                self.mouse = (x0 + (x1 - x0) * step / between, y0 + (y1 - y0) * step / between)
                self.send("MOUSEMOVE", "NOTHING", **modifiers)
                yield 0.04
        self.send(button, "RELEASE", **modifiers)
        yield 0.4

    def place_of(self, x, y):
        """Window pixels of the point (x, y) of the shown slice, in voxels."""
        scene = bpy.context.scene
        name = scene.tomoseg.shown
        empty = next(
            one
            for one in bpy.data.objects
            if (one.get("tomoseg_kind"), one.get("tomoseg_tomogram")) == ("tomogram", name)
        )
        z = scene.tomoseg.tomograms[scene.tomoseg.shown].slice_z
        area = self.area("VIEW_3D")
        region = self.region(area)
        point = location_3d_to_region_2d(
            region, area.spaces.active.region_3d, empty.matrix_world @ Vector((x, y, z + 0.5))
        )
        return region.x + point.x, region.y + point.y

    def grey_at(self, place):
        """0 to 255: the red of a pixel of the window as it was drawn last; None without Xvfb."""
        if "TOMOSEG_GUI_SCREEN" not in os.environ:
            return None
        dump = Path(os.environ["TOMOSEG_GUI_SCREEN"]).read_bytes()
        _width, height, stride, start = layout_of(dump)
        return dump[start + stride * (height - 1 - int(place[1])) + 4 * int(place[0]) + 2]

    def picture(self, name):
        """Save the whole window as NAME.png: from Xvfb's own memory where there is one, else by Blender."""
        if "TOMOSEG_GUI_SCREEN" in os.environ:
            (self.folder / f"{name}.png").write_bytes(png_of(Path(os.environ["TOMOSEG_GUI_SCREEN"]).read_bytes()))
            return
        with bpy.context.temp_override(window=self.window, screen=self.window.screen):
            bpy.ops.screen.screenshot(filepath=str(self.folder / f"{name}.png"), check_existing=False)

    def until(self, condition, seconds=PATIENCE, what="condition"):
        limit = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < limit, f"{what}: not within {seconds} s"
            yield 0.05

    def redrawn(self, times=2):
        """Until Blender has drawn the 3D view again, so that a picture shows what is there now."""
        drawn = []
        handle = bpy.types.SpaceView3D.draw_handler_add(lambda: drawn.append(1), (), "WINDOW", "POST_PIXEL")
        try:
            for area in self.window.screen.areas:
                area.tag_redraw()
            yield from self.until(lambda: len(drawn) >= 1, what="a redraw")
            for _ in range(times):
                for area in self.window.screen.areas:
                    area.tag_redraw()
                yield 0.1
        finally:
            bpy.types.SpaceView3D.draw_handler_remove(handle, "WINDOW")

    def photograph(self, name):
        """A picture of what is there now, once it is drawn."""
        yield from self.redrawn()
        self.picture(name)

    def type_text(self, text):
        for letter in text:
            x, y = (round(one) for one in self.mouse)
            kind = LETTERS.get(letter, letter.upper())
            self.window.event_simulate(type=kind, value="PRESS", unicode=letter, x=x, y=y)
            self.send(kind, "RELEASE")
            yield 0.05


def layout_of(dump):
    """(width, height, bytes a row, first byte) of an XWD dump; its rows begin at the top."""
    header = struct.unpack(">25I", dump[:100])
    return header[4], header[5], header[12], header[0] + 12 * header[19]


def png_of(dump):
    """A PNG of an XWD dump with 32 bits a pixel, which is what Xvfb keeps in its -fbdir."""
    width, height, stride, start = layout_of(dump)
    rows = []
    for row in range(height):
        line = dump[start + stride * row : start + stride * row + 4 * width]
        colours = bytearray(3 * width)
        colours[0::3], colours[1::3], colours[2::3] = line[2::4], line[1::4], line[0::4]
        rows.append(b"\0" + bytes(colours))
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"".join(rows))),
        (b"IEND", b""),
    )
    chunks = (
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in (*parts, (b"IEND", b""))
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


class Run:
    """One stage, run step by step in Blender's timers."""

    def __init__(self, stage, folder):
        self.stage, self.gui = stage, Gui(folder)
        self.steps = None
        self.began = time.monotonic()

    def tick(self):
        try:
            with bpy.context.temp_override(window=self.gui.window):
                if self.steps is None:
                    self.steps = runpy.run_path(str(self.stage))["steps"](self.gui)
                pause = next(self.steps)
            return max(0.01, pause or 0.05)
        except StopIteration:
            self.end("passed")
        except BaseException:
            self.end(traceback.format_exc())
            self.gui.picture(f"failure_{self.stage.stem}")
            raise
        return None

    def end(self, result):
        report = {
            "result": result,
            "blender": bpy.app.version_string,
            "seconds": round(time.monotonic() - self.began, 1),
            "facts": self.gui.facts,
        }
        path = self.gui.folder / f"{self.stage.stem}.json"
        path.write_text(json.dumps(report, indent=1))
        # As by `kill -9`: what a stage wants to survive must be on the disk by now.
        bpy.app.timers.register(lambda: os.kill(os.getpid(), 9), first_interval=1.0)


def main():
    stage, folder = (Path(one) for one in sys.argv[sys.argv.index("--") + 1 :][:2])
    run = Run(stage, folder)
    bpy.app.timers.register(run.tick, first_interval=2.0, persistent=True)


main()
