"""Negative boxes over components of a mask, from its voxels (Blender makes the same from surfaces)."""

import numpy as np

from ml.components import Components
from ml.report import Report
from tomo.boxes import Box
from tomo.errors import TomosegError
from tomo.false_boxes import Points, boxes_over, spread
from tomo.mask_checks import check_same_size
from tomo.project import Project, TomogramEntry


def boxes_of_components(
    components: Components,
    rows: list[int],
    project: Project,
    entry: TomogramEntry,
    size: int,
    slices: int,
    report: Report,
) -> tuple[list[Box], int]:
    """(boxes, places left out) for the components in these rows of the table; the boxes are not added yet.

    Raises TomosegError where a label is no feature of the project, the mask has another size than the tomogram, a box
    is larger than a slice, or no box could be placed.
    """
    mask = components.mask
    check_same_size(mask.path, mask.shape, entry.name, entry.shape, "choose its own mask")
    if size > min(mask.shape[1:]):
        raise TomosegError(f"A box of {size} voxels is larger than a slice of {entry.name}: choose a smaller size.")
    names = {extent.entry.value: extent.entry.name for extent in mask.labels}
    features = {feature.name for feature in project.features()}
    present = project.boxes()
    boxes: list[Box] = []
    left_out = 0
    for row in rows:
        value = int(components.table.value[row])
        if (feature := names[value]) not in features:
            raise TomosegError(f"{feature!r} is no feature of the project {project.folder}: add it there first.")
        low, high = int(components.table.low[row, 0]), int(components.table.high[row, 0])
        chosen = spread(low, high - 1, slices)
        own, others = _points(components, row, value, chosen)
        place = (entry.name, feature, size, mask.shape)
        more, without = boxes_over(own, chosen, others, present, place)
        boxes, left_out = [*boxes, *more], left_out + without
    report.progress(1.0, "Placing negative boxes")
    if not boxes:
        raise TomosegError("Each box over these components would also hold the feature: choose a smaller --box-size.")
    return boxes, left_out


def _points(components: Components, row: int, value: int, slices: tuple[int, ...]) -> tuple[Points, Points]:
    """The voxels' centres (n, 3: x, y, z) of a component on these slices, and those of all others of its label."""
    own, others = [np.zeros((0, 3), np.float32)], [np.zeros((0, 3), np.float32)]
    for z0, ids in components.slabs():
        for z in slices:
            if not z0 <= z < z0 + len(ids):
                continue
            plane = ids[z - z0]
            of_label = np.isin(plane, 1 + np.flatnonzero(components.table.value == value))
            own.append(_centres(plane == 1 + row, z))
            others.append(_centres(of_label & (plane != 1 + row), z))
    return np.concatenate(own), np.concatenate(others)


def _centres(chosen: "np.ndarray[tuple[int, int], np.dtype[np.bool_]]", z: int) -> Points:
    y, x = np.nonzero(chosen)
    return np.stack([x + 0.5, y + 0.5, np.full(len(x), z + 0.5)], 1).astype(np.float32)
