"""Import tomograms into a project: shrink them, filter them as EMAN2's tomoseg_auto does, and write them as MRC.

Reads MRC (.mrc, .rec, .map, also .gz and .bz2), EMAN2's HDF and TIFF stacks; what is imported is never changed. In this
order: shrink by block means, low-pass 0.25, high-pass 5 Fourier pixels, normalise, clamp at 3 standard deviations,
invert. EMAN2 and the networks want features bright: use --invert where they are dark, as they are in most tomograms.
"""

import math
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ml.options import option
from ml.report import Part, Report
from tomo.carry import scale_between
from tomo.errors import TomosegError
from tomo.files import require_space
from tomo.mrc import MrcWriter, Tomogram
from tomo.names import bin_suffix_of, check_tomogram_name, safe_tomogram_name, tomogram_name
from tomo.preprocessing import Preprocessing, preprocessing_of
from tomo.project import Project, TomogramEntry
from tomo.standing import PROJECT_FILE, take_back

SUMMARY = "import tomograms into a project: shrink, filter, normalise"
RAW = "raw"
_WRITE_VOXELS = 32 * 2**20


@dataclass(frozen=True)
class Options:
    """Options of `tomoseg import`."""

    files: tuple[Path, ...] = option(help="tomograms: MRC, EMAN2 HDF or TIFF", positional=True, metavar="FILE")
    project: Path = option(help="project folder; made if it is not there", metavar="DIR")
    shrink: int = option(1, help="shrink by this whole factor, by block means (default: 1)", metavar="N")
    invert: bool = option(False, help="invert the contrast, so that dark features become bright")
    filter: bool = option(True, help="neither low-pass nor high-pass; still normalise and clamp")
    voxel_size: float | None = option(None, help="voxel size in Å, where the file's is wrong or missing", metavar="Å")
    rotate_x: bool = option(False, help="turn by -90° about x, as IMOD's trimvol -rx; keeps the hand")
    name: str | None = option(None, help="the tomogram's name (default: the file's)", metavar="NAME")
    variant: str = option(RAW, help="what this file is of the tomogram --name: denoised, deconvolved … (default: raw)")
    lowpass: float = option(0.25, help="low-pass cutoff, as a fraction of the sampling; 0 is off (default: 0.25)")
    highpass: float = option(5.0, help="high-pass cutoff in Fourier pixels; 0 is off (default: 5)")
    normalise: bool = option(True, help="do not bring the mean to 0 and the standard deviation to 1")
    clamp: float = option(3.0, help="cut at the mean ± this many standard deviations; 0 is off (default: 3)")

    def preprocessing(self) -> Preprocessing:
        """The settings of the filters; raises TomosegError where one is impossible."""
        numbers = (self.lowpass, self.highpass, self.clamp)
        if not all(math.isfinite(number) and number >= 0 for number in numbers):
            raise TomosegError("--lowpass, --highpass and --clamp are numbers of at least 0.")
        low, high = (self.lowpass, self.highpass) if self.filter else (0.0, 0.0)
        return Preprocessing(low, high, self.normalise, self.clamp, self.invert)


def run(options: Options, report: Report) -> dict[str, Any]:
    """Import each file; the others are still imported when one cannot be. Raises TomosegError in the end, then."""
    options.preprocessing()
    if options.name and len(options.files) > 1:
        raise TomosegError("--name fits one file only: import the files one by one, or leave it out.")
    was_there = (options.project / PROJECT_FILE).exists()
    project = Project.create(options.project)
    imported, problems = [], []
    try:
        for number, path in enumerate(options.files):
            part = Part(report, number / len(options.files), (number + 1) / len(options.files))
            try:
                imported.append(_import_one(project, path, options, part))
            except TomosegError as error:
                problems.append(str(error))
    finally:
        if not was_there and not project.tomograms():
            _remove_empty(project)
    if problems:
        if len(options.files) == 1:
            raise TomosegError(problems[0])
        raise TomosegError(f"{len(problems)} of {len(options.files)} files were not imported: {' '.join(problems)}")
    return {"project": str(options.project), "tomograms": imported}


def _import_one(project: Project, path: Path, options: Options, report: Report) -> dict[str, Any]:
    from ml.preprocess import Preprocessed, in_words
    from ml.shrink import shrink, shrunk_shape
    from ml.volumes import open_any

    tomogram, notes = _oriented(open_any(path), options)
    for note in notes:
        report.log(f"{path.name}: {note}")
    entry = _entry(project, tomogram, options)
    require_space(project.folder, 2 * 4 * math.prod(shrunk_shape(tomogram.shape, max(1, options.shrink))))
    tomogram = shrink(tomogram, options.shrink, Part(report, 0.0, 0.3), project.folder)
    entry = replace(entry, shape=tomogram.shape, voxel_size=tomogram.geometry.voxel_size)
    _require_fitting(project, entry)
    settings = preprocessing_of(tomogram.labels) or options.preprocessing()
    chain = Preprocessed(tomogram, settings, Part(report, 0.3, 0.6))
    entry = replace(entry, preprocessing=settings.to_label())
    target = project.folder / entry.file
    _write(chain, target, tomogram, entry.preprocessing, Part(report, 0.6, 1.0))
    project.add_tomogram(entry)
    return {
        "name": entry.name,
        "path": str(target),
        "shape": list(entry.shape),
        "voxel_size": list(entry.voxel_size),
        "shrink": entry.shrink,
        "family": entry.family,
        "variant": entry.variant,
        "preprocessing": in_words(settings),
        "notes": notes,
    }


def _oriented(tomogram: Tomogram, options: Options) -> tuple[Tomogram, list[str]]:
    """The tomogram with the voxel size and orientation asked for, and what the user should know about it."""
    from ml.orientation import rotate_about_x, thin_along_y

    notes = list(tomogram.notes)
    if options.voxel_size is not None:
        tomogram = replace(tomogram, geometry=tomogram.geometry.with_voxel_size(options.voxel_size))
    elif not tomogram.geometry.voxel_size_known:
        notes.append("The voxel size is unknown: give it with --voxel-size, in Å, to get lengths and true scale.")
    if options.rotate_x:
        tomogram = rotate_about_x(tomogram)
    elif thin_along_y(tomogram.shape):
        notes.append(
            "It is thinnest along y, as IMOD leaves a tomogram before its rotation, so its slices are seen edge-on: "
            "import it with --rotate-x to turn it about x (the hand is kept)."
        )
    return tomogram, notes


def _entry(project: Project, tomogram: Tomogram, options: Options) -> TomogramEntry:
    """The project's entry for a file; raises TomosegError if its name is taken or is no name."""
    variant = check_tomogram_name(options.variant)
    base = options.name or safe_tomogram_name(tomogram_name(tomogram.path)).removesuffix(f"_{variant}")
    family, binned = bin_suffix_of(check_tomogram_name(base))
    name = base if variant == RAW else f"{base}_{variant}"
    name = check_tomogram_name(name if options.shrink == 1 else f"{name}_bin{options.shrink}")
    entry = TomogramEntry(
        name,
        f"tomograms/{name}.mrc",
        source=str(tomogram.path.absolute()),
        shrink=binned * max(1, options.shrink),
        variant=variant,
        family=family,
    )
    if tomogram.path.resolve() == (project.folder / entry.file).resolve():
        raise TomosegError(f"{tomogram.path} is in this project already: import the file that it was made of.")
    for other in project.tomograms():
        if other.name == name and other.source != entry.source:
            raise TomosegError(f"The project has a tomogram {name}, of {other.source}: give this one another --name.")
    return entry


def _require_fitting(project: Project, entry: TomogramEntry) -> None:
    """Raise TomosegError where boxes or the family's other bins and variants would not fit the new shape."""
    for other in project.tomograms():
        if other.name == entry.name:
            boxed = any(box.tomogram == entry.name for box in project.boxes())
            if boxed and other.shape != entry.shape:
                raise TomosegError(f"{entry.name} has boxes that would not fit its new shape: use another --name.")
        elif other.family == entry.family:
            scale_between(other, entry)


def _write(chain: Any, target: Path, tomogram: Tomogram, label: str, report: Report) -> None:
    depth, height, width = tomogram.shape
    labels = [text for text in tomogram.labels if text != label]
    step = max(1, _WRITE_VOXELS // (height * width))
    with MrcWriter(target, tomogram.shape, "float32", tomogram.geometry, [*labels, label]) as writer:
        for z in range(0, depth, step):
            report.progress(z / depth, f"Importing {tomogram.name}")
            writer.write(z, chain.slab(z, min(z + step, depth)))


def _remove_empty(project: Project) -> None:
    """Take back a project in which nothing came to be."""
    take_back(project.folder)
    with suppress(OSError):
        (project.folder / PROJECT_FILE).unlink()
        for folder in (project.folder / "tomograms", project.folder):
            with suppress(OSError):
                folder.rmdir()


def describe(result: dict[str, Any]) -> str:
    """One line per tomogram."""
    lines = []
    for each in result["tomograms"]:
        z, y, x = each["shape"]
        lines.append(f"{each['name']}: {x} × {y} × {z} voxels, {each['preprocessing']}, in {each['path']}")
    return "\n".join(lines)
