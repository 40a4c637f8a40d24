"""Write a feature's boxes and labels as stacks under EMAN2's names: _good, _good_seg and _bad, as HDF or .mrcs."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.options import option
from ml.report import Report
from tomo.boxes import NEGATIVE, POSITIVE, Box
from tomo.errors import TomosegError
from tomo.labels import FEATURE, crop, load_label
from tomo.mrc import Tomogram
from tomo.project import Project
from tomo.words import counted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SUMMARY = "write boxes and labels as EMAN2's stacks"
HDF, MRCS = "hdf", "mrcs"


@dataclass(frozen=True)
class Options:
    """What this step takes."""

    project: Path = option(help="project folder", metavar="DIR")
    feature: str = option(help="the feature whose boxes are written")
    output: Path = option(help="folder for the stacks", metavar="DIR")
    format: str = option(HDF, help="EMAN2's HDF, or MRC stacks", choices=(HDF, MRCS))


def run(options: Options, report: Report) -> dict[str, Any]:
    """Write the stacks; raises TomosegError where there are no boxes or their sizes differ."""
    from ml.eman2_stacks import BAD, GOOD, SEGMENTED

    project = Project.open(options.project)
    boxes = [box for box in project.boxes() if box.feature == options.feature]
    if not boxes:
        raise TomosegError(f"{options.feature} has no boxes in {project.folder}: place some first.")
    if len(sizes := sorted({box.size for box in boxes})) > 1:
        raise TomosegError(f"The boxes of {options.feature} have the sizes {sizes}: EMAN2's stacks need one size.")
    written = {}
    for kind, suffix in ((POSITIVE, GOOD), (NEGATIVE, BAD)):
        chosen = [box for box in boxes if box.kind == kind]
        if chosen:
            images, labels, headers = _cut(project, options.feature, chosen, report)
            name = f"{options.feature}{suffix}"
            written[name] = _save(options, name, images, headers)
            if kind == POSITIVE:
                written[f"{name}{SEGMENTED}"] = _save(options, f"{name}{SEGMENTED}", labels, headers)
    return {"stacks": written, "boxes": len(boxes)}


def describe(result: dict[str, Any]) -> str:
    """The files."""
    return "\n".join([counted(result["boxes"], "box"), *(f"Wrote {path}" for path in result["stacks"].values())])


def _save(options: Options, name: str, images: "NDArray[Any]", headers: list[dict[str, Any]]) -> str:
    from ml.eman2_stacks import write_stack

    path = options.output / f"{name}.{options.format}"
    sizes = {header.get("apix_x", 0.0) for header in headers}
    write_stack(path, images, sizes.pop() if len(sizes) == 1 else 0.0, headers)
    return str(path)


def _cut(
    project: Project, feature: str, boxes: list[Box], report: Report
) -> "tuple[NDArray[np.float32], NDArray[np.float32], list[dict[str, Any]]]":
    """(images, labels, headers) of the boxes, in order; labels 1 on the feature and 0 elsewhere, ignored parts too."""
    import numpy as np

    from ml.volumes import open_any

    opened: dict[str, Tomogram] = {}
    images, labels, headers = [], [], []
    for number, box in enumerate(boxes):
        report.progress(number / len(boxes), "Cutting boxes")
        if box.tomogram not in opened:
            opened[box.tomogram] = open_any(project.tomogram_path(box.tomogram))
        tomogram = opened[box.tomogram]
        if not box.touches(tomogram.shape):
            raise TomosegError(f"A box at {box.centre} lies outside {box.tomogram}: delete or move it.")
        plane = np.asarray(tomogram.data[box.centre[2]], np.float32)
        images.append(crop(plane, box, float(plane.mean())))
        label = load_label(project.label_path(box.tomogram, feature, box.centre[2]), tomogram.shape[1:])
        labels.append((crop(label, box, 0) == FEATURE).astype(np.float32))
        headers.append(_header(tomogram, box))
    return np.stack(images), np.stack(labels), headers


def _header(tomogram: Tomogram, box: Box) -> dict[str, Any]:
    """As EMAN2's e2boxer writes it, so that it can go back to the tomogram for neighbouring slices."""
    header: dict[str, Any] = {
        "ptcl_source_image": f"tomograms/{tomogram.path.name}",
        "ptcl_source_coord": [box.centre[0], box.centre[1]],
        "ptcl_source_coord_z": box.centre[2],
    }
    if tomogram.geometry.voxel_size_known:
        header |= {f"apix_{axis}": size for axis, size in zip("xyz", tomogram.geometry.voxel_size, strict=True)}
    return header
