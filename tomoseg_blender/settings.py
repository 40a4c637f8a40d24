"""The options of each step, written once: panels show them from the scene, operators take them as properties.

Names equal those of the step's options in `ml/`. Blender collects annotations from these plain classes for both.
"""

from typing import Any

from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty
from bpy.types import Context

NETWORKS = (
    ("default", "Default", "Two small U-Nets that judge together: better and cheaper than the classic network", 0),
    ("fast", "Fast", "One small U-Net: trained and applied in half the time, right a little less often", 2),
    ("classic", "Classic", "EMAN2's network of the 2017 protocol", 1),
)  # the numbers are what files keep
DEVICES = (
    ("auto", "Automatic", "The graphics card if the worker's torch can use it, else the processor"),
    ("cpu", "CPU", "The processor"),
    ("cuda", "CUDA", "An NVIDIA graphics card"),
    ("mps", "Apple GPU", "The graphics processor of an Apple computer"),
)


class ImportSettings:
    shrink: IntProperty(  # type: ignore[valid-type]
        name="Shrink", description="Shrink by this factor (mean of blocks of voxels)", default=1, min=1, max=64
    )
    invert: BoolProperty(  # type: ignore[valid-type]
        name="Invert", description="Invert the contrast: switch on where features are dark", default=False
    )
    filter: BoolProperty(  # type: ignore[valid-type]
        name="Filter",
        description="Low-pass, high-pass, normalise and clamp, as EMAN2's tomoseg_auto; off: normalise and clamp only",
        default=True,
    )
    voxel_size: FloatProperty(  # type: ignore[valid-type]
        name="Voxel Size (Å)",
        description="Voxel size of the file in ångström; 0: as the file says",
        min=0.0,
        precision=3,
    )
    variant: StringProperty(  # type: ignore[valid-type]
        name="Variant", description="What this file is of the tomogram: raw, denoised, deconvolved …", default="raw"
    )
    lowpass: FloatProperty(  # type: ignore[valid-type]
        name="Low-Pass",
        description="Cutoff as a fraction of the sampling frequency; 0 is off",
        default=0.25,
        min=0.0,
        max=0.5,
    )
    highpass: FloatProperty(  # type: ignore[valid-type]
        name="High-Pass", description="Cutoff in Fourier pixels; 0 is off", default=5.0, min=0.0, max=1000.0
    )
    normalise: BoolProperty(  # type: ignore[valid-type]
        name="Normalise", description="Bring the mean to 0 and the standard deviation to 1", default=True
    )
    clamp: FloatProperty(  # type: ignore[valid-type]
        name="Clamp", description="Cut at the mean ± this many standard deviations; 0 is off", default=3.0, min=0.0
    )
    rotate_x: BoolProperty(  # type: ignore[valid-type]
        name="Rotate About X",
        description="Turn a tomogram whose thinnest axis is y, so that z becomes the thinnest; its hand is kept",
        default=False,
    )


class TrainsetSettings:
    copies: IntProperty(  # type: ignore[valid-type]
        name="Copies",
        description="Rotated copies of each negative box; positives are balanced",
        default=10,
        min=1,
        max=1000,
    )
    context: IntProperty(  # type: ignore[valid-type]
        name="Slices",
        description="Neighbouring slices that the network sees at once, odd; 1 is 2D, 0: what suits the voxels",
        default=0,
        min=0,
        max=15,
    )


class TrainSettings:
    network: EnumProperty(  # type: ignore[valid-type]
        name="Network", description="Architecture", items=NETWORKS, default="default"
    )
    iterations: IntProperty(  # type: ignore[valid-type]
        name="Iterations",
        description="Rounds over the training set; 0: the network's own default",
        default=0,
        min=0,
        max=10000,
    )
    learning_rate: FloatProperty(  # type: ignore[valid-type]
        name="Learning Rate",
        description="0: the network's own default, or the last one of the network that is trained further",
        default=0.0,
        min=0.0,
        max=10.0,
        precision=6,
    )
    recipe: EnumProperty(  # type: ignore[valid-type]
        name="Recipe",
        description="How the classic network is trained",
        items=(
            ("own", "Network's Own", "The network's own recipe; for the classic network that of today's EMAN2"),
            ("today", "Today's EMAN2", "Classic network only: Adam, 1e-4"),
            ("2017", "EMAN2 of 2017", "Classic network only: plain gradient descent, 0.01, less by a tenth each time"),
        ),
    )
    batch_size: IntProperty(  # type: ignore[valid-type]
        name="Batch", description="Copies per training step; 0: the network's own default", default=0, min=0, max=4096
    )
    seed: IntProperty(name="Seed", description="Start of the random numbers", default=0, min=0)  # type: ignore[valid-type]
    device: EnumProperty(name="Device", description="Where training runs", items=DEVICES)  # type: ignore[valid-type]
    cold_start: BoolProperty(  # type: ignore[valid-type]
        name="Cold Start",
        description="A new network begins with random weights, not with those learned from simulated cells",
        default=False,
    )
    max_seconds: FloatProperty(  # type: ignore[valid-type]
        name="At Most (s)", description="Stop training after so many seconds; 0: no limit", default=0.0, min=0.0
    )
    threads: IntProperty(  # type: ignore[valid-type]
        name="Threads", description="Processor cores to use; 0: all", default=0, min=0, max=1024
    )


class ApplySettings:
    # Numbers of items are those that older .blend files hold.
    flips: EnumProperty(  # type: ignore[valid-type]
        name="Views",
        description="Turned and mirrored views of each slice whose mean is taken",
        items=(
            (
                "0",
                "Auto",
                "Four for each network where they are quick: with 8-bit numbers or a graphics card; else one",
                2,
            ),
            ("1", "1", "Each slice once", 0),
            (
                "4",
                "4",
                "Four views: takes 4 times as long, or twice with Default, whose two networks share them out",
                3,
            ),
            ("8", "8", "All eight flips and quarter turns: takes 8 times as long, or 4 times with Default", 1),
        ),
        default="0",
    )
    threads: IntProperty(  # type: ignore[valid-type]
        name="Threads", description="Processor cores to use; 0: all", default=0, min=0, max=1024
    )
    memory: FloatProperty(  # type: ignore[valid-type]
        name="Memory (GB)", description="Memory that the step may use at most", default=2.0, min=0.1
    )
    device: EnumProperty(name="Device", description="Where the network runs", items=DEVICES)  # type: ignore[valid-type]
    numbers: EnumProperty(  # type: ignore[valid-type]
        name="Numbers",
        description="What the network computes with on the processor",
        items=(
            ("auto", "Auto", "8 bits where the network and the processor can, else 32", 2),
            ("float32", "32 Bits", "Exact, and comparable with what others have computed", 0),
            (
                "int8",
                "8 Bits",
                "Fast: applying takes about a third of the time, and the map is nearly the same (Dice within 0.003 "
                "with 15 networks). For the networks Default and Fast of this version; not for a graphics card",
                1,
            ),
        ),
        default="auto",
    )
    rescale: BoolProperty(  # type: ignore[valid-type]
        name="Rescale",
        description="Rescale a tomogram whose voxel size differs from the network's by more than 5 %",
        default=False,
    )
    half: BoolProperty(  # type: ignore[valid-type]
        name="16-Bit Maps", description="Write maps as float16, half as large", default=False
    )


class BatchSettings:
    place: EnumProperty(  # type: ignore[valid-type]
        name="Work on",
        description="Who does the work",
        items=(
            ("here", "This Machine", "Processes of this machine"),
            ("cluster", "Cluster", "Jobs of SLURM, PBS or LSF, which a YAML file describes"),
            ("scheduler", "Scheduler", "Workers of a Dask scheduler that runs already"),
        ),
    )
    workers: IntProperty(  # type: ignore[valid-type]
        name="Processes",
        description="They share the cores; each may use the memory above. 0: what suits this machine",
        default=0,
        min=0,
        max=1024,
    )
    cluster: StringProperty(  # type: ignore[valid-type]
        name="YAML File", description="Which jobs to submit, see the page on batches", subtype="FILE_PATH"
    )
    scheduler: StringProperty(  # type: ignore[valid-type]
        name="Address", description="Where the scheduler runs, tcp://host:port"
    )
    tables: BoolProperty(name="Tables", description="Measure each mask", default=True)  # type: ignore[valid-type]
    surfaces: BoolProperty(name="Surfaces", description="Make meshes", default=True)  # type: ignore[valid-type]
    figures: BoolProperty(  # type: ignore[valid-type]
        name="Figures", description="Render a figure of each tomogram in a Blender without a window", default=False
    )


class MergeSettings:
    trained_thresholds: BoolProperty(  # type: ignore[valid-type]
        name="Trained Thresholds",
        description="Use for each feature the threshold that its training found best, instead of its slider's",
        default=False,
    )


class SurfaceSettings:
    smoothing: IntProperty(  # type: ignore[valid-type]
        name="Smoothing",
        description="Rounds of smoothing, which keep the volume; 0: the steps of voxels stay",
        default=10,
        min=0,
        max=200,
    )
    triangles: IntProperty(  # type: ignore[valid-type]
        name="Triangles", description="At most about so many triangles per surface; 0: all", default=2_000_000, min=0
    )
    smallest: FloatProperty(  # type: ignore[valid-type]
        name="Smallest (nm³)", description="Leave out connected parts smaller than this", default=0.0, min=0.0
    )
    split: BoolProperty(  # type: ignore[valid-type]
        name="Split", description="One surface per connected part instead of one per feature", default=False
    )
    open_border: BoolProperty(  # type: ignore[valid-type]
        name="Open at Border",
        description="Leave parts open where the tomogram's border cuts them, instead of capping them",
        default=False,
    )
    surfaces: BoolProperty(name="Surfaces", description="Make meshes", default=True)  # type: ignore[valid-type]
    volumes: BoolProperty(name="Volumes", description="Make OpenVDB volumes", default=True)  # type: ignore[valid-type]


class FigureSettings:
    preset: EnumProperty(  # type: ignore[valid-type]
        name="Show",
        description="What the figure shows",
        items=(
            ("overview", "Overview", "All features"),
            ("cut_open", "Cut Open", "A movable plane takes away what lies before it"),
            ("single", "Single", "One feature"),
        ),
    )
    features: StringProperty(  # type: ignore[valid-type]
        name="Features", description="Names separated by semicolons; empty: all that are not hidden"
    )
    background: EnumProperty(  # type: ignore[valid-type]
        name="Background",
        description="Colour behind the features",
        items=(("white", "White", "For print"), ("dark", "Dark", "For screens")),
    )
    slice_axis: EnumProperty(  # type: ignore[valid-type]
        name="Slice",
        description="Slice of the tomogram in the figure; it must have been shown in the scene",
        items=(("none", "No", "No slice"), ("z", "Z", "Along z"), ("y", "Y", "Along y"), ("x", "X", "Along x")),
    )
    outline: BoolProperty(name="Outline", description="Edges of the tomogram", default=True)  # type: ignore[valid-type]
    silhouettes: BoolProperty(  # type: ignore[valid-type]
        name="Silhouettes", description="Dark lines along the rims of surfaces", default=True
    )
    elevation: FloatProperty(  # type: ignore[valid-type]
        name="Elevation",
        description="Degrees above the slices from where the figure is seen; 90: from the top",
        default=42.0,
        min=-90.0,
        max=90.0,
    )
    turn: FloatProperty(  # type: ignore[valid-type]
        name="Turn",
        description="Degrees to walk round the tomogram to the right, from the side that shows most",
        default=0.0,
        min=-360.0,
        max=360.0,
    )
    haze: FloatProperty(  # type: ignore[valid-type]
        name="Haze",
        description="How much of the background's colour the farthest points take on",
        default=0.0,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )
    scale_bar: BoolProperty(name="Scale Bar", description="A bar of a round length", default=True)  # type: ignore[valid-type]
    legend: BoolProperty(name="Legend", description="Names in the features' colours", default=True)  # type: ignore[valid-type]
    use_volumes: BoolProperty(  # type: ignore[valid-type]
        name="Volumes", description="Show volumes instead of surfaces; renders slower", default=False
    )
    transparent: BoolProperty(  # type: ignore[valid-type]
        name="Transparent", description="No background", default=False
    )
    engine: EnumProperty(  # type: ignore[valid-type]
        name="Engine",
        description="What renders the figure",
        items=(
            ("cycles", "Cycles", "The same picture on every machine, with or without a graphics card"),
            ("eevee", "EEVEE", "Faster, on a graphics card"),
        ),
    )
    cut_axis: EnumProperty(  # type: ignore[valid-type]
        name="Cut Across",
        description="Axis along which the plane that cuts the figure open stands",
        items=(("z", "Z", "Along z"), ("y", "Y", "Along y"), ("x", "X", "Along x")),
    )
    cut_position: FloatProperty(  # type: ignore[valid-type]
        name="Cut At",
        description="Where the cut stands: 0 at the tomogram's beginning, 1 at its end",
        default=0.5,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )
    width: IntProperty(name="Width", description="Pixels", default=1200, min=64, max=16384)  # type: ignore[valid-type]
    height: IntProperty(name="Height", description="Pixels", default=900, min=64, max=16384)  # type: ignore[valid-type]
    samples: IntProperty(  # type: ignore[valid-type]
        name="Samples", description="Samples per pixel: more is cleaner and slower", default=32, min=1, max=4096
    )


class VolumeSettings:
    half: BoolProperty(  # type: ignore[valid-type]
        name="Half Precision", description="Store densities as 16-bit numbers: half as large", default=True
    )
    most: FloatProperty(  # type: ignore[valid-type]
        name="At Most (10⁶)",
        description="Volumes with more million voxels than this are binned: a viewport cannot carry them",
        default=1000.0,
        min=0.0001,
    )


class FilmSettings:
    kind: EnumProperty(  # type: ignore[valid-type]
        name="Film",
        description="What happens in the film",
        items=(
            ("turntable", "Turntable", "The figure turns round once"),
            ("slices", "Slice Sweep", "The slice plane goes through the tomogram"),
            ("views", "Saved Views", "The camera goes from one saved view to the next"),
        ),
    )
    seconds: FloatProperty(  # type: ignore[valid-type]
        name="Seconds", description="How long the film is", default=8.0, min=0.1, max=600.0
    )
    rate: IntProperty(  # type: ignore[valid-type]
        name="Frames/s", description="Frames in a second", default=24, min=1, max=120
    )


class MeasureSettings:
    smallest: FloatProperty(  # type: ignore[valid-type]
        name="Smallest (nm³)", description="Leave out parts smaller than this, in nm³", default=0.0, min=0.0
    )
    distances_to: StringProperty(  # type: ignore[valid-type]
        name="Distance to",
        description="Features to which each part's nearest distance is measured, separated by semicolons; empty: none",
    )
    relion: EnumProperty(  # type: ignore[valid-type]
        name="RELION",
        description="Coordinates in the STAR file",
        items=(
            ("both", "4 and 5", "The columns of RELION 4 and of RELION 5"),
            ("4", "4", "Pixels from the corner, of the unbinned tomogram"),
            ("5", "5", "Å from the tomogram's centre"),
        ),
    )


def settings_of(operator: Any, context: Context, step: str, kind: type[Any]) -> dict[str, Any]:
    """The options of a step: what the caller of the operator gave, else what the panel shows."""
    group = getattr(context.scene.tomoseg, step)
    given = operator.properties
    return {name: getattr(operator if given.is_property_set(name) else group, name) for name in kind.__annotations__}


def without_defaults(options: dict[str, Any], *names: str) -> dict[str, Any]:
    """The options less those of `names` that stand at 0 or empty: the step then uses its own default."""
    return {name: value for name, value in options.items() if value or name not in names}
