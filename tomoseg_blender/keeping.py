"""Which projects this Blender has the right to change, and why not the others: see tomo/holding.py."""

from pathlib import Path

from ..tomo.holding import Holding

# What only looks. Everything else is refused while another Blender has the project: also what is yet to be written.
LOOKS_ONLY = frozenset(
    {
        "create_project",
        "open_project",
        "reload_project",
        "show_tomogram",
        "next_tomogram",
        "next_variant",
        "slice_step",
        "automatic_contrast",
        "next_box",
        "next_feature",
        "show_gallery",
        "pick_tile",
        "go_to_finding",
        "figure",
        "film",
        "show_part",
        "add_view",
        "remove_view",
        "move_view",
        "go_to_view",
        "use_box_tool",
        "change_radius",
        "switch_kind",
        "switch_role",
        "finish_painting",
        "show_training_result",
        "workspace",
        "cancel_job",
        "check_worker",
        "install_worker",
        "repair_worker",
        "remove_worker",
    }
)


def looks_only(class_name: str) -> bool:
    """True for the operator class TOMOSEG_OT_<name> if it changes nothing in a project."""
    return class_name.removeprefix("TOMOSEG_OT_") in LOOKS_ONLY


class Keeper:
    """The claims of this Blender, one for each project folder that a scene of the open file shows."""

    def __init__(self) -> None:
        self._holdings: dict[Path, Holding] = {}

    def refusal(self, folder: Path) -> str:
        """Claim a project folder; why it cannot be changed from here, or "" where it can."""
        place = folder.resolve()
        holding = self._holdings.setdefault(place, Holding(place))
        return holding.refusal() or ""

    def keep_only(self, folders: list[Path]) -> None:
        """Give back all other projects."""
        kept = {folder.resolve() for folder in folders}
        for place in [place for place in self._holdings if place not in kept]:
            self._holdings.pop(place).close()


KEEPER = Keeper()
