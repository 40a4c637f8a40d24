"""The protocol's steps in order, each through the operator that a person would press."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from demo import blender, scores
from demo.inputs import PROJECT, Material
from ml.annotator import draw_boxes
from ml.volumes import open_any
from tomo.errors import TomosegError
from tomo.names import tomogram_name
from tomo.project import Project

SAMPLES = 20
SLICES = 5  # whose mean the figure shows
SMOOTHING = 20  # rounds
SMALLEST = 200.0  # nm³: surfaces and table leave out smaller specks


def run(material: Material, output: Path, network: str, seconds: float, size: tuple[int, int]) -> None:
    """Run all steps on `material` and leave the results in `output`; size: the figure's, in pixels.

    Raises TomosegError for what goes wrong in any of them.
    """
    with tempfile.TemporaryDirectory(prefix="tomoseg-demo-") as resources:
        Demo(blender.start(Path(resources)), material, output).run(network, seconds, size)
        blender.stop()


class Demo:
    """One run of the protocol."""

    def __init__(self, bpy: Any, material: Material, output: Path) -> None:
        self._bpy, self._ops, self._material, self._output = bpy, bpy.ops.tomoseg, material, output
        self._name = tomogram_name(material.tomogram)
        self._features = tuple(material.labels)

    def run(self, network: str, seconds: float, size: tuple[int, int]) -> None:
        """All steps, in the protocol's words."""
        project = self._import_tomogram()
        for feature in self._features:
            self._annotate(feature)
        for feature in self._features:
            self._learn(feature, network, seconds)
        self._merge_and_measure(project)
        self._show(size)
        self._keep(project)
        for line in scores.lines(project.mask_path(self._name), self._material):
            _say(line)

    def _import_tomogram(self) -> Project:
        _title("Import Tomograms")
        self._output.mkdir(parents=True, exist_ok=True)
        # Saved first: from now on all paths in it are relative.
        self._bpy.ops.wm.save_as_mainfile(filepath=str(self._output / "demo.blend"))
        folder = self._output / PROJECT
        blender.call(self._ops.create_project, directory=str(folder))
        dark = self._material.dark
        _say(f"{self._material.tomogram.name}: low-pass, high-pass, normalise, clamp{', invert' if dark else ''}")
        blender.call(self._ops.import_tomogram, filepath=str(self._material.tomogram), invert=dark)
        blender.call(self._ops.show_tomogram, tomogram=self._name)
        for feature in self._features:
            blender.call(self._ops.add_feature, name=feature)
        return Project.open(folder)

    def _annotate(self, feature: str) -> None:
        """Boxes and labels as an annotator who knows the labels draws them; held-out slices are never looked at."""
        _title(f"Select and annotate examples: {feature}")
        material = self._material
        labels = np.asarray(open_any(material.labels[feature]).data[material.train])
        place = {"feature": feature, "tomogram": self._name}
        boxes = draw_boxes(labels, size=material.box, tomogram=self._name, feature=feature)
        with blender.quiet():
            for box in tqdm(boxes, "Boxes", leave=False, disable=None):
                x, y, z = box.centre
                centre = (x, y, material.train[z])
                blender.call(self._ops.add_box, location=centre, kind=box.kind, size=box.size, **place)
        kinds = [box.kind for box in boxes]
        _say(
            f"{kinds.count('positive')} positive and {kinds.count('negative')} negative boxes of {material.box} voxels"
        )
        blender.call(self._ops.label_from_mask, filepath=str(material.labels[feature]), **place)

    def _learn(self, feature: str, network: str, seconds: float) -> None:
        _title(f"Build the training set, train, apply: {feature}")
        blender.call(self._ops.build_trainset, feature=feature)
        blender.call(self._ops.train, feature=feature, network=network, max_seconds=seconds)
        blender.call(self._ops.apply, feature=feature, tomograms=self._name)

    def _merge_and_measure(self, project: Project) -> None:
        _title("Merge the results, measure")
        blender.call(self._ops.merge, tomogram=self._name, features=";".join(self._features))
        blender.call(self._ops.measure, tomogram=self._name, csv=str(self._output / "counts.csv"), smallest=SMALLEST)
        blender.call(self._ops.import_mask, tomogram=self._name, smallest=SMALLEST, smoothing=SMOOTHING)
        if not project.mask_path(self._name).is_file():
            raise TomosegError(f"No mask of {self._name} was written: see the messages above.")

    def _show(self, size: tuple[int, int]) -> None:
        _title("Render the figure")
        _say(f"{size[0]} × {size[1]} pixels in Cycles on the CPU: half a minute on two cores")
        item = self._bpy.context.scene.tomoseg.tomograms[self._name]
        item.slice_z = max(item.shape[0] // 8, 1)
        item.thickness, item.smooth = SLICES, True  # less noise behind the surfaces
        with blender.quiet():
            blender.call(
                self._ops.figure,
                tomogram=self._name,
                features=";".join(self._features),
                slice_axis="z",
                width=size[0],
                height=size[1],
                samples=SAMPLES,
                filepath=str(self._output / "figure.png"),
            )
        self._bpy.ops.wm.save_mainfile()

    def _keep(self, project: Project) -> None:
        """Copy what a person looks at first to the top of the output folder."""
        mask = project.mask_path(self._name)
        found = {mask: "mask.mrc", project.label_table_path(mask): "mask.json"}
        found |= {project.triplets_path(feature): f"triplets_{feature}.png" for feature in self._features}
        for source, name in found.items():
            shutil.copyfile(source, self._output / name)


def _title(words: str) -> None:
    print(f"\n== {words}", flush=True)


def _say(words: str) -> None:
    print(f"   {words}", flush=True)
