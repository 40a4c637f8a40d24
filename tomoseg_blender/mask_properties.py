"""What the panels of masks show: labels with names and colours, corrections not saved yet, and the picked component."""

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatVectorProperty,
    IntProperty,
    StringProperty,
)
from bpy.types import PropertyGroup

from . import mask_events

KINDS = (
    ("auto", "By Itself", "Told by the values: fractions make a map, whole numbers on whole objects are labels"),
    ("labels", "Labels", "Whole numbers, one for each feature"),
    ("map", "Map", "How strong one feature is in each voxel; a threshold divides"),
)


class TOMOSEG_PG_label(PropertyGroup):
    """One label of a mask, as its table beside the file has it."""

    name: StringProperty(  # type: ignore[valid-type]
        name="Name", description="Name of the label: of its surface, volume and table rows", update=mask_events.renamed
    )
    known_as: StringProperty()  # type: ignore[valid-type]
    value: IntProperty(name="Value", description="Integer in the mask")  # type: ignore[valid-type]
    colour: FloatVectorProperty(  # type: ignore[valid-type]
        name="Colour",
        description="Colour of the label's surface, volume and feature",
        subtype="COLOR_GAMMA",
        size=3,
        min=0.0,
        max=1.0,
        update=mask_events.recoloured,
    )


class TOMOSEG_PG_edit(PropertyGroup):
    """One correction of a mask: component `component` of label `value` gets the label `new`, 0 deletes it."""

    mask: StringProperty()  # type: ignore[valid-type]
    stamp: StringProperty()  # type: ignore[valid-type]
    value: IntProperty()  # type: ignore[valid-type]
    component: IntProperty()  # type: ignore[valid-type]
    new: IntProperty()  # type: ignore[valid-type]


class TOMOSEG_PG_masks(PropertyGroup):
    """The mask of the chosen tomogram, its labels, and its corrections."""

    file: StringProperty(name="Mask", description="Mask of the chosen tomogram")  # type: ignore[valid-type]
    labels: CollectionProperty(type=TOMOSEG_PG_label)  # type: ignore[valid-type]
    label_index: IntProperty(name="Label", description="Label that a component is given")  # type: ignore[valid-type]
    edits: CollectionProperty(type=TOMOSEG_PG_edit)  # type: ignore[valid-type]
    edit_index: IntProperty(name="Correction")  # type: ignore[valid-type]
    picked: StringProperty(name="Picked", description="The component that was picked")  # type: ignore[valid-type]
    picked_mask: StringProperty()  # type: ignore[valid-type]
    picked_stamp: StringProperty()  # type: ignore[valid-type]
    picked_value: IntProperty()  # type: ignore[valid-type]
    picked_component: IntProperty()  # type: ignore[valid-type]
    kind: EnumProperty(name="Holds", description="What the file holds", items=KINDS)  # type: ignore[valid-type]
    outlines: BoolProperty(  # type: ignore[valid-type]
        name="Outlines", description="Outline each feature's map at its threshold on the z slice", default=True
    )
    follow: BoolProperty(  # type: ignore[valid-type]
        name="Surface Follows", description="A changed threshold makes the feature's surface anew", default=True
    )


register, unregister = bpy.utils.register_classes_factory((TOMOSEG_PG_label, TOMOSEG_PG_edit, TOMOSEG_PG_masks))
