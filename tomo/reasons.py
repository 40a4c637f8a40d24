"""Why a step of the protocol cannot run yet: one sentence that says what is missing, or None if nothing is.

Panels, polls, the command line and tests share these. They look at files, so call them when
something has changed and keep the answer; not while a panel is drawn.
"""

from pathlib import Path

from .boxes import ADVISED_NEGATIVES, ADVISED_POSITIVES, NEGATIVE, POSITIVE, Box
from .labels import annotated_slices
from .names import SEPARATOR
from .project import Project


def missing_for_import(project: Project | None) -> str | None:
    """What is missing for importing a tomogram or adding a feature."""
    return None if project else "Open or create a project folder first."


def missing_for_boxes(project: Project | None, tomogram: str, feature: str) -> str | None:
    """What is missing for placing boxes: a project, a tomogram, a feature."""
    if project is None:
        return missing_for_import(project)
    if not tomogram:
        return "Import a tomogram first."
    if not project.tomogram_path(tomogram).is_file():
        return f"The file of tomogram {tomogram} is gone: import it again."
    return _missing_feature(project, feature)


def missing_for_painting(project: Project | None, tomogram: str, feature: str) -> str | None:
    """What is missing for painting labels; boxes may also follow later."""
    return missing_for_boxes(project, tomogram, feature)


def missing_for_trainset(project: Project | None, feature: str) -> str | None:
    """What is missing for building a training set: one positive box on a painted slice is the least."""
    if project is None or not project.tomograms():
        return missing_for_boxes(project, "", feature)
    if missing := _missing_feature(project, feature):
        return missing
    positives = _boxes_of(project, feature, POSITIVE)
    if not positives:
        return (
            f"Place at least one positive box on {feature} first (about {ADVISED_POSITIVES} positive and "
            f"{ADVISED_NEGATIVES} negative ones train well)."
        )
    unpainted = _unpainted(project, feature, positives)
    if len(unpainted) == len({(box.tomogram, box.centre[2]) for box in positives}):
        return f"Paint {feature} in its positive boxes first: {_places(unpainted)} has no label yet."
    return None


def missing_for_training(project: Project | None, feature: str) -> str | None:
    """What is missing for training: the training set."""
    if project is not None and feature and project.trainset_path(feature).is_file():
        return None
    return missing_for_trainset(project, feature) or f"Build the training set of {feature} first."


def missing_for_applying(project: Project | None, feature: str) -> str | None:
    """What is missing for applying a network to the project's tomograms."""
    if project is None or not project.tomograms():
        return missing_for_boxes(project, "", feature)
    if missing := _missing_feature(project, feature):
        return missing
    if not project.network_path(feature).is_file():
        return missing_for_training(project, feature) or f"Train a network for {feature} first."
    return None


def missing_for_merging(project: Project | None, tomogram: str) -> str | None:
    """What is missing for merging: a map. Those of several features compete; one alone makes the mask by itself."""
    if project is None or not tomogram:
        return missing_for_boxes(project, tomogram, "")
    if not project.maps_for_merging(tomogram):
        return f"Apply the network of a feature to {tomogram} first."
    return None


def missing_for_mask_import(project: Project | None, tomogram: str) -> str | None:
    """What is missing for surfaces, volumes and the table of counts: the merged mask."""
    if project is not None and tomogram and project.mask_path(tomogram).is_file():
        return None
    return missing_for_merging(project, tomogram) or f"Merge the maps of {tomogram} into a mask first."


def missing_for_figure(project: Project | None, tomogram: str) -> str | None:
    """What is missing for the figure: a surface or a volume of the tomogram."""
    if project is not None and tomogram and _has_shapes(project, tomogram):
        return None
    return missing_for_mask_import(project, tomogram) or f"Make the surfaces or volumes of {tomogram} first."


def next_step(project: Project | None, tomogram: str, feature: str) -> str:
    """What to do now, in the protocol's order; the last sentence says that all is done."""
    if project is None or not tomogram or not feature:
        return missing_for_boxes(project, tomogram, feature) or "Choose a tomogram and a feature."
    if missing := missing_for_boxes(project, tomogram, feature):
        return missing
    if not project.network_path(feature).is_file():
        return _next_before_training(project, feature)
    if not project.segmentation_path(tomogram, feature).is_file():
        return f"Apply the network of {feature} to {tomogram}, once its triplets look right."
    return missing_for_figure(project, tomogram) or f"Render a figure of {tomogram}, or measure its mask."


def _next_before_training(project: Project, feature: str) -> str:
    if project.trainset_path(feature).is_file():
        return f"Train a network for {feature}."
    if missing := missing_for_trainset(project, feature):
        return missing
    if unpainted := _unpainted(project, feature, _boxes_of(project, feature, POSITIVE)):
        return f"Paint {feature} in its other positive boxes too: {_places(unpainted)} has no label yet."
    if not _boxes_of(project, feature, NEGATIVE):
        return (
            f"Place negative boxes where there is no {feature} (about {ADVISED_NEGATIVES}), or build the training set."
        )
    return f"Build the training set of {feature}."


def _missing_feature(project: Project, feature: str) -> str | None:
    names = [known.name for known in project.features()]
    if not feature:
        return "Choose a feature first." if names else "Add a feature first."
    if feature in names:
        return None
    return f"There is no feature {feature} in this project: add it in Blender, or import boxes of it."


def _boxes_of(project: Project, feature: str, kind: str) -> list[Box]:
    return [box for box in project.boxes() if box.feature == feature and box.kind == kind]


def _unpainted(project: Project, feature: str, positives: list[Box]) -> list[tuple[str, int]]:
    """(tomogram, z) of the slices that hold positive boxes and no label file, in order."""
    slices = {(box.tomogram, box.centre[2]) for box in positives}
    painted = {(name, z) for name in {name for name, _ in slices} for z in annotated_slices(project, name, feature)}
    return sorted(slices - painted)


def _places(slices: list[tuple[str, int]]) -> str:
    name, z = slices[0]
    more = f" (and {len(slices) - 1} more)" if len(slices) > 1 else ""
    return f"slice {z} of {name}{more}"


def _has_shapes(project: Project, tomogram: str) -> bool:
    return any(
        path.name.startswith(tomogram + SEPARATOR) and path.suffix in (".ply", ".vdb")
        for folder in (project.folder / "surfaces", project.folder / "volumes")
        for path in _files(folder)
    )


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []
