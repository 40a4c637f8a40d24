"""A project on disk with the ring scene, and an annotator for it: what the tests of live training work on."""

import numpy as np

from tests.ml.scenes import SHAPE, ring_scene
from tomo.boxes import NEGATIVE, POSITIVE, Box
from tomo.geometry import Geometry
from tomo.labels import load_label, save_label
from tomo.mrc import write_mrc
from tomo.preprocessing import Preprocessing
from tomo.project import Project, TomogramEntry

GEOMETRY = Geometry((10.0, 10.0, 10.0))
NAME, FEATURE = "rings", "ring"
RING = (25, 22, 2)  # centre of the ring on slice 2


def ring_project(folder, name=NAME, shift=0.0):
    """A project whose one tomogram is the ring scene, preprocessed as at an import; nothing annotated yet."""
    project = Project.create(folder)
    add_rings(project, name, shift)
    project.add_feature(FEATURE)
    return project


def add_rings(project, name, shift=0.0):
    """One more tomogram of rings."""
    tomogram, _ = ring_scene()
    file = f"tomograms/{name}.mrc"
    write_mrc(project.folder / file, tomogram + np.float32(shift), GEOMETRY, [Preprocessing().to_label()])
    project.add_tomogram(TomogramEntry(name, file, voxel_size=GEOMETRY.voxel_size, shape=SHAPE))


def box_at(x, y, z, kind=POSITIVE, name=NAME, size=24, box_id=None):
    more = {} if box_id is None else {"id": box_id}
    return Box(name, FEATURE, kind, (x, y, z), size, **more)


def positive(z=2, **more):
    """A box on the ring of slice z."""
    return box_at(RING[0], 20 + z, z, **more)


def negative(x=70, y=50, z=2, **more):
    """A box where nothing is."""
    return box_at(x, y, z, NEGATIVE, **more)


def paint(project, box, name=NAME, value=None):
    """Paint the true ring inside a box, or `value` all over it."""
    truth = ring_scene()[1]
    x, y = box.corner
    inside = (slice(max(y, 0), y + box.size), slice(max(x, 0), x + box.size))
    path = project.label_path(name, FEATURE, box.centre[2])
    label = load_label(path, SHAPE[1:])
    label[inside] = truth[box.centre[2]][inside] if value is None else value
    save_label(path, label, GEOMETRY)


def annotate(project, *boxes):
    """Paint the positive ones and add all to the project."""
    for box in boxes:
        if box.kind == POSITIVE:
            paint(project, box, box.tomogram)
    project.save_boxes([*project.boxes(), *boxes])
