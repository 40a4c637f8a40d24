"""Finding and pressing buttons of the sidebar as a person does: by the mouse, panel by panel.

Blender tells nobody where its buttons are, so the mouse goes over the panel, and what lies under it is asked by the
operators of the button's own right-click menu ("Copy Python Command", "Copy Data Path").
"""

import importlib

import bpy

PITCH = 28  # pixels from one closed panel's header to the next
STEP = 15  # pixels from one look to the next; a button is 20 high
HEADER = 12  # pixels, less than a header is high
PAGES = 3  # screenfuls that a panel may be long
MARGIN = 40  # pixels from the sidebar's left: on headers, beside their arrow
PANELS = "bl_ext.user_default.tomoseg.tomoseg_blender.panels"


class Sidebar:
    """The part of a Gui that deals with the sidebar of the 3D view."""

    def side(self):
        return self.region(self.area("VIEW_3D"), "UI")

    def panels(self):
        """Our panels in their order on the screen, those left out that are part of another or are not to be seen."""
        found = []
        for part in importlib.import_module(PANELS)._PARTS:
            classes = [one for name, one in vars(part).items() if name.startswith("TOMOSEG_PT_")]
            for one in classes:
                known = getattr(bpy.types, one.bl_idname)
                shown = not hasattr(one, "poll") or one.poll(bpy.context)
                if shown and not getattr(one, "bl_parent_id", ""):
                    found.append(known)
        return found

    def header(self, number):
        side = self.side()
        return side.x + MARGIN, side.y + side.height - 13 - PITCH * number

    def open_panel(self, name):
        """Open this panel and close all others."""
        panels, drawn = self.panels(), []
        notes = {panel: (lambda _self, _context, name=panel.bl_idname: drawn.append(name)) for panel in panels}
        for panel, note in notes.items():
            panel.append(note)

        def seen():
            """The panels that are open: those that Blender draws."""
            yield 0.2  # they move for a moment
            drawn.clear()
            for _ in range(3):
                self.side().tag_redraw()
                yield 0.1
            return set(drawn)

        try:
            yield from self.scroll_up()
            for _ in range(20):
                if not (yield from seen()):
                    break
                yield from self.press(self.header(0), ctrl=True)  # closes all but the first
                if (yield from seen()) == {panels[0].bl_idname}:
                    yield from self.press(self.header(0))
            number = [panel.bl_idname for panel in panels].index(name)
            yield from self.press(self.header(number))
            yield from self.until_drawn(drawn, name)
            self.top = self.header(number)[1] - PITCH / 2
        finally:
            for panel, note in notes.items():
                panel.remove(note)

    def open_part(self, name, below):
        """Open a panel that is part of the open one: its header is the first one below the button `below`."""
        known, drawn, side = getattr(bpy.types, name), [], self.side()
        known.append(note := lambda _self, _context: drawn.append(name))
        try:
            _, y = yield from self.find_button(below)
            y -= HEADER  # from wherever on the button, so that it is not pressed itself
            while not drawn:
                y -= HEADER
                assert y > side.y, f"no header of {name} below the button {below}"
                yield from self.press((side.x + MARGIN, y))
                side.tag_redraw()
                yield 0.2
            yield 0.3
        finally:
            known.remove(note)

    def until_drawn(self, drawn, name):
        def is_drawn():
            self.side().tag_redraw()
            return name in drawn

        yield from self.until(is_drawn, seconds=30, what=f"the panel {name}")
        yield 0.3

    def press(self, place, **modifiers):
        yield from self.move(place)
        yield 0.1
        self.send("LEFTMOUSE", "PRESS", **modifiers)
        yield 0.1
        self.send("LEFTMOUSE", "RELEASE", **modifiers)
        yield 0.2

    def scroll(self, notches):
        """Turn the wheel over the sidebar; buttons are then looked for from its top."""
        side = self.side()
        yield from self.move((side.x + side.width / 2, side.y + side.height / 2))
        yield from self.wheel(notches)
        yield 0.2
        self.top = side.y + side.height

    def scroll_up(self):
        side = self.side()
        yield from self.move((side.x + side.width / 2, side.y + side.height / 2))
        for _ in range(15):
            self.send("WHEELUPMOUSE")
        yield 0.2

    def what_is_there(self):
        """("operator", "tomoseg.train()") or ("property", "tomoseg.box_size") under the mouse, or None."""
        manager, ask = bpy.context.window_manager, bpy.ops.ui
        with bpy.context.temp_override(window=self.window, area=self.area("VIEW_3D"), region=self.side()):
            if ask.copy_python_command_button.poll():
                ask.copy_python_command_button()
                return "operator", manager.clipboard.removeprefix("bpy.ops.")
            if ask.copy_data_path_button.poll():
                ask.copy_data_path_button(full_path=False)
                return "property", manager.clipboard
        return None

    def find_button(self, name, columns=(0.3, 0.7)):
        """A place on a button of the open panel, in window pixels; of an operator ("tomoseg.train") or property.

        The panel is scrolled where it is longer than the sidebar.
        """
        seen = set()
        for page in range(PAGES):
            if page:
                yield from self.scroll(-8)
            place = yield from self.find_in_view(name, columns, seen)
            if place is not None:
                return place
        raise AssertionError(f"no button for {name} in the open panel, which has {seen}")

    def find_in_view(self, name, columns, seen):
        """The same for what is in view now, or None; what was met goes into `seen`."""
        side = self.side()
        for column in columns:
            x, y = side.x + side.width * column, self.top - STEP
            while y > side.y + 10:
                yield from self.move((x, y))
                found = self.what_is_there()
                seen.add(found and found[1])
                if found is not None and self.is_meant(found[1], name):
                    # A slow machine tells what lay under the mouse a moment ago.
                    for higher in (0, STEP, STEP // 2, 2 * STEP):
                        if (yield from self.is_at((x, y + higher), name)):
                            return x, y + higher
                y -= STEP
        return None

    def is_at(self, place, name):
        """Whether the button is there, also after a while."""
        yield from self.move((place[0] - 3, place[1]))
        yield from self.move(place)
        for _ in range(3):
            yield 0.1
            found = self.what_is_there()
            if found is None or not self.is_meant(found[1], name):
                return False
        return True

    @staticmethod
    def is_meant(found, name):
        return name in (found, found.partition("(")[0], found.rpartition(".")[2])

    def press_button(self, name, **where):
        place = yield from self.find_button(name, **where)
        yield from self.press(place)
