"""`scene.tomoseg`: what the panels show. The data itself is in the project folder; this mirrors it.

Panels and polls read these properties only: no file is opened while Blender draws.
"""

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    FloatVectorProperty,
    IntProperty,
    IntVectorProperty,
    PointerProperty,
    StringProperty,
)
from bpy.types import PropertyGroup, Scene

from . import events, mask_properties, settings, threshold_events

NO_PROJECT = "Open or create a project folder first."  # until the first refresh
KINDS = (
    ("positive", "Positive", "The box shows the feature, and is annotated completely"),
    ("negative", "Negative", "The box shows nothing of the feature"),
)
ROLES = (
    ("label", "Feature", "The feature is here"),
    ("ignore", "Ignore", "Unknown here: does not count in training"),
)
AXES = (
    ("z", "Z", "Slices along z: boxes and painting are on these"),
    ("y", "Y", "Slices along y"),
    ("x", "X", "Slices along x"),
)

SORTINGS = (
    ("volume", "Volume", "The largest first"),
    ("area", "Area", "The largest surface first"),
    ("length", "Length", "The longest filament first"),
    ("thickness", "Thickness", "The thickest first"),
    ("distance", "Distance", "The nearest to another feature first"),
    ("number", "Number", "By feature, then by number"),
)


class TOMOSEG_PG_tomogram(PropertyGroup):
    """One tomogram of the project: what it is, and how it is looked at."""

    shape: IntVectorProperty(name="Shape", description="Voxels along z, y and x", size=3)  # type: ignore[valid-type]
    voxel_size: FloatProperty(name="Voxel Size", description="Å; 0 is unknown", precision=3)  # type: ignore[valid-type]
    missing: BoolProperty(name="File missing")  # type: ignore[valid-type]
    segmentations: IntProperty(name="Segmentations")  # type: ignore[valid-type]
    masked: BoolProperty(name="Mask made")  # type: ignore[valid-type]
    mask: StringProperty(name="Mask", description="The mask imported or corrected last")  # type: ignore[valid-type]
    chosen: BoolProperty(  # type: ignore[valid-type]
        name="Chosen", description="Apply networks to this tomogram", default=False
    )
    slice_z: IntProperty(name="Slice", description="Slice along z", min=0, update=events.slice_changed)  # type: ignore[valid-type]
    slice_y: IntProperty(name="Slice", description="Slice along y", min=0, update=events.slice_changed)  # type: ignore[valid-type]
    slice_x: IntProperty(name="Slice", description="Slice along x", min=0, update=events.slice_changed)  # type: ignore[valid-type]
    low: FloatProperty(name="Black", description="Voxel value shown as black", update=events.slice_changed)  # type: ignore[valid-type]
    high: FloatProperty(name="White", description="Voxel value shown as white", update=events.slice_changed)  # type: ignore[valid-type]
    invert: BoolProperty(name="Invert", description="Show black as white", update=events.slice_changed)  # type: ignore[valid-type]
    thickness: IntProperty(  # type: ignore[valid-type]
        name="Mean of",
        description="Show the mean of this many slices",
        default=1,
        min=1,
        max=64,
        update=events.slice_changed,
    )
    smooth: BoolProperty(name="Smooth", description="Blend between voxels on the screen", update=events.slice_changed)  # type: ignore[valid-type]


class TOMOSEG_PG_feature(PropertyGroup):
    """One feature: its colour, and how far its annotation is."""

    colour: FloatVectorProperty(  # type: ignore[valid-type]
        name="Colour",
        description="Colour of the feature's boxes, labels and results",
        subtype="COLOR_GAMMA",
        size=3,
        min=0.0,
        max=1.0,
        update=events.colour_changed,
    )
    positives: IntProperty(name="Positive boxes")  # type: ignore[valid-type]
    negatives: IntProperty(name="Negative boxes")  # type: ignore[valid-type]
    painted: IntProperty(name="Painted slices")  # type: ignore[valid-type]
    has_trainset: BoolProperty(name="Training set built")  # type: ignore[valid-type]
    trained: BoolProperty(name="Trained")  # type: ignore[valid-type]
    threshold: FloatProperty(name="Trained Threshold")  # type: ignore[valid-type]
    has_map: BoolProperty(name="Map of the chosen tomogram")  # type: ignore[valid-type]
    level: FloatProperty(  # type: ignore[valid-type]
        name="Threshold",
        description="Maps count where they are above this; 1 is as strong as on the training labels",
        default=0.8,
        min=0.0,
        soft_max=2.0,
        step=1,
        precision=3,
        update=threshold_events.level_changed,
    )
    learning_rate: FloatProperty(name="Last learning rate")  # type: ignore[valid-type]


class TOMOSEG_PG_measure(PropertyGroup):
    """One row of the table of counts and volumes."""

    parts: IntProperty(name="Parts")  # type: ignore[valid-type]
    voxels: IntProperty(name="Voxels")  # type: ignore[valid-type]
    volume: FloatProperty(name="Volume")  # type: ignore[valid-type]
    area: FloatProperty(name="Area")  # type: ignore[valid-type]


class TOMOSEG_PG_part(PropertyGroup):
    """One component in the table: of which feature, which number, where, and how large."""

    number: IntProperty(name="Number")  # type: ignore[valid-type]
    voxels: IntProperty(name="Voxels")  # type: ignore[valid-type]
    shown: StringProperty(name="Value", description="What the table is sorted by, as text")  # type: ignore[valid-type]
    low: IntVectorProperty(name="From", description="First voxel along x, y and z", size=3)  # type: ignore[valid-type]
    high: IntVectorProperty(name="To", description="Last voxel along x, y and z", size=3)  # type: ignore[valid-type]
    centre: FloatVectorProperty(name="Centre", description="Voxels along x, y and z", size=3)  # type: ignore[valid-type]


class TOMOSEG_PG_view(PropertyGroup):
    """One saved view of a film: its middle, how it is turned, and how much it shows."""

    middle: FloatVectorProperty(name="Middle", description="Blender units", size=3)  # type: ignore[valid-type]
    turn: FloatVectorProperty(name="Turn", description="Quaternion", size=4, default=(1, 0, 0, 0))  # type: ignore[valid-type]
    width: FloatProperty(name="Width", description="Blender units across the picture", default=10.0)  # type: ignore[valid-type]


class TOMOSEG_PG_finding(PropertyGroup):
    """One line of the check before training, and where it points."""

    sentence: StringProperty(name="Finding")  # type: ignore[valid-type]
    place: StringProperty(name="Place")  # type: ignore[valid-type]
    tomogram: StringProperty(name="Tomogram")  # type: ignore[valid-type]
    z: IntProperty(name="Slice", default=-1)  # type: ignore[valid-type]
    box_id: StringProperty(name="Box")  # type: ignore[valid-type]
    problem: BoolProperty(name="Problem")  # type: ignore[valid-type]


class TOMOSEG_PG_reasons(PropertyGroup):
    """Why a step cannot run yet, one sentence each; empty where it can. Written by state.refresh."""

    project: StringProperty()  # type: ignore[valid-type]
    restored: StringProperty(options={"SKIP_SAVE"})  # type: ignore[valid-type]
    read_only: StringProperty(options={"SKIP_SAVE"})  # type: ignore[valid-type]
    no_project: StringProperty(default=NO_PROJECT)  # type: ignore[valid-type]
    no_tomogram: StringProperty(default=NO_PROJECT)  # type: ignore[valid-type]
    no_feature: StringProperty(default=NO_PROJECT)  # type: ignore[valid-type]
    not_shown: StringProperty(default="Show a tomogram first.")  # type: ignore[valid-type]
    boxes: StringProperty(default=NO_PROJECT)  # type: ignore[valid-type]
    paint: StringProperty(default=NO_PROJECT)  # type: ignore[valid-type]
    trainset: StringProperty(default=NO_PROJECT)  # type: ignore[valid-type]
    train: StringProperty(default=NO_PROJECT)  # type: ignore[valid-type]
    apply: StringProperty(default=NO_PROJECT)  # type: ignore[valid-type]
    merge: StringProperty(default=NO_PROJECT)  # type: ignore[valid-type]
    results: StringProperty(default=NO_PROJECT)  # type: ignore[valid-type]
    figure: StringProperty(default=NO_PROJECT)  # type: ignore[valid-type]
    next_step: StringProperty(default=NO_PROJECT)  # type: ignore[valid-type]


class TOMOSEG_PG_import(PropertyGroup, settings.ImportSettings):
    """Import options."""


class TOMOSEG_PG_trainset(PropertyGroup, settings.TrainsetSettings):
    """Training set options."""


class TOMOSEG_PG_train(PropertyGroup, settings.TrainSettings):
    """Training options."""


class TOMOSEG_PG_apply(PropertyGroup, settings.ApplySettings):
    """Options of applying."""


class TOMOSEG_PG_batch(PropertyGroup, settings.BatchSettings):
    """Options of a batch."""


class TOMOSEG_PG_merge(PropertyGroup, settings.MergeSettings):
    """Options of merging."""


class TOMOSEG_PG_surface(PropertyGroup, settings.SurfaceSettings):
    """Options of surfaces and volumes."""


class TOMOSEG_PG_figure(PropertyGroup, settings.FigureSettings):
    """Options of the figure."""


class TOMOSEG_PG_volume(PropertyGroup, settings.VolumeSettings):
    """Options of volumes, and how the tomogram's own is seen."""

    threshold: FloatProperty(  # type: ignore[valid-type]
        name="Threshold",
        description="Densities of the tomogram's volume above this are seen; 0 is its mean, 1 its brightest",
        default=0.5,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        update=events.volume_threshold_changed,
    )


class TOMOSEG_PG_film(PropertyGroup, settings.FilmSettings):
    """Options of a film."""


class TOMOSEG_PG_measuring(PropertyGroup, settings.MeasureSettings):
    """Options of measuring."""


class TOMOSEG_PG_scene(PropertyGroup):
    """All of Tomoseg's settings in a scene."""

    folder: StringProperty(name="Project", description="Project folder, relative to the .blend")  # type: ignore[valid-type]
    tomograms: CollectionProperty(type=TOMOSEG_PG_tomogram)  # type: ignore[valid-type]
    tomogram_index: IntProperty(name="Tomogram", update=events.tomogram_changed)  # type: ignore[valid-type]
    shown: StringProperty(name="Shown tomogram")  # type: ignore[valid-type]
    features: CollectionProperty(type=TOMOSEG_PG_feature)  # type: ignore[valid-type]
    feature_index: IntProperty(name="Feature", update=events.feature_changed)  # type: ignore[valid-type]
    axis: EnumProperty(  # type: ignore[valid-type]
        name="Axis", description="Slices that are stepped through", items=AXES, update=events.axis_changed
    )
    slice_position: FloatProperty(  # type: ignore[valid-type]
        name="Position",
        description="Where the slice lies along the axis: drag to walk through the tomogram",
        min=0.0,
        max=100.0,
        precision=0,
        subtype="PERCENTAGE",
        get=events.position_of,
        set=events.go_to_position,
        options={"SKIP_SAVE"},
    )
    box_size: IntProperty(name="Size", description="Side of a new box in voxels", default=64, min=2, max=4096)  # type: ignore[valid-type]
    box_kind: EnumProperty(name="Kind", description="Kind of a new box", items=KINDS)  # type: ignore[valid-type]
    box_id: StringProperty(name="Box")  # type: ignore[valid-type]
    paint_role: EnumProperty(  # type: ignore[valid-type]
        name="Paint", description="What strokes mean", items=ROLES, update=events.labels_changed
    )
    erase: BoolProperty(  # type: ignore[valid-type]
        name="Erase", description="Strokes take away instead of adding", default=False, update=events.labels_changed
    )
    brush_radius: FloatProperty(  # type: ignore[valid-type]
        name="Radius",
        description="Brush radius in voxels",
        default=3.0,
        min=0.5,
        max=512.0,
        update=events.brush_changed,
    )
    flood_likeness: FloatProperty(  # type: ignore[valid-type]
        name="Likeness",
        description="Flooding takes greys that differ at most by this part of the shown contrast",
        default=0.15,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )
    label_opacity: FloatProperty(  # type: ignore[valid-type]
        name="Opacity",
        description="How strongly labels cover the slice",
        default=0.5,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
        update=events.labels_changed,
    )
    prediction_opacity: FloatProperty(  # type: ignore[valid-type]
        name="Prediction",
        description="How strongly the prediction of live training covers the slice",
        default=0.6,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )
    measures: CollectionProperty(type=TOMOSEG_PG_measure)  # type: ignore[valid-type]
    measured: StringProperty(name="Measured mask")  # type: ignore[valid-type]
    measured_table: StringProperty(name="Table", description="CSV of the table shown", subtype="FILE_PATH")  # type: ignore[valid-type]
    measured_tomogram: StringProperty(name="Measured tomogram")  # type: ignore[valid-type]
    parts: CollectionProperty(type=TOMOSEG_PG_part)  # type: ignore[valid-type]
    part_index: IntProperty(name="Part", update=events.part_chosen)  # type: ignore[valid-type]
    parts_in_all: IntProperty(name="Parts in all")  # type: ignore[valid-type]
    parts_sorted_by: EnumProperty(  # type: ignore[valid-type]
        name="Sort by",
        description="Column by which the table is sorted, largest first",
        items=SORTINGS,
        update=events.parts_changed,
    )
    parts_of: StringProperty(  # type: ignore[valid-type]
        name="Feature", description="Show parts of this feature only; empty: of all", update=events.parts_changed
    )
    views: CollectionProperty(type=TOMOSEG_PG_view)  # type: ignore[valid-type]
    view_index: IntProperty(name="View")  # type: ignore[valid-type]
    volume: PointerProperty(type=TOMOSEG_PG_volume)  # type: ignore[valid-type]
    film: PointerProperty(type=TOMOSEG_PG_film)  # type: ignore[valid-type]
    measuring: PointerProperty(type=TOMOSEG_PG_measuring)  # type: ignore[valid-type]
    findings: CollectionProperty(type=TOMOSEG_PG_finding)  # type: ignore[valid-type]
    finding_index: IntProperty(name="Finding", update=events.finding_chosen)  # type: ignore[valid-type]
    checked: StringProperty(name="Checked feature")  # type: ignore[valid-type]
    reasons: PointerProperty(type=TOMOSEG_PG_reasons)  # type: ignore[valid-type]
    masks: PointerProperty(type=mask_properties.TOMOSEG_PG_masks)  # type: ignore[valid-type]
    import_options: PointerProperty(type=TOMOSEG_PG_import)  # type: ignore[valid-type]
    trainset: PointerProperty(type=TOMOSEG_PG_trainset)  # type: ignore[valid-type]
    train: PointerProperty(type=TOMOSEG_PG_train)  # type: ignore[valid-type]
    apply: PointerProperty(type=TOMOSEG_PG_apply)  # type: ignore[valid-type]
    batch: PointerProperty(type=TOMOSEG_PG_batch)  # type: ignore[valid-type]
    merge: PointerProperty(type=TOMOSEG_PG_merge)  # type: ignore[valid-type]
    surface: PointerProperty(type=TOMOSEG_PG_surface)  # type: ignore[valid-type]
    figure: PointerProperty(type=TOMOSEG_PG_figure)  # type: ignore[valid-type]


_CLASSES = (
    TOMOSEG_PG_tomogram,
    TOMOSEG_PG_feature,
    TOMOSEG_PG_measure,
    TOMOSEG_PG_part,
    TOMOSEG_PG_view,
    TOMOSEG_PG_finding,
    TOMOSEG_PG_reasons,
    TOMOSEG_PG_import,
    TOMOSEG_PG_trainset,
    TOMOSEG_PG_train,
    TOMOSEG_PG_apply,
    TOMOSEG_PG_batch,
    TOMOSEG_PG_merge,
    TOMOSEG_PG_surface,
    TOMOSEG_PG_figure,
    TOMOSEG_PG_volume,
    TOMOSEG_PG_film,
    TOMOSEG_PG_measuring,
    TOMOSEG_PG_scene,
)
_register_classes, _unregister_classes = bpy.utils.register_classes_factory(_CLASSES)


def register() -> None:
    """Add the property groups and `scene.tomoseg`."""
    mask_properties.register()
    _register_classes()
    Scene.tomoseg = PointerProperty(type=TOMOSEG_PG_scene)


def unregister() -> None:
    """Take them away again."""
    del Scene.tomoseg
    _unregister_classes()
    mask_properties.unregister()
