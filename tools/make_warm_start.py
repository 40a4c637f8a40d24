"""Make ml/warm_start.safetensors: what the default network knows before it sees a box (docs/accuracy.md).

It learns from the project's own simulated cells only: to name their five features and to see their density through
noise and missing wedge. Usage: make_warm_start.py FILE [STEPS]. 53 minutes on one core, other jobs beside it; the same
file each time on one kind of machine.
"""

import copy
import math
import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn
from torch.nn import functional

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from ml.augment import Augmentation, places, vary_greys  # noqa: E402, the line above finds it
from ml.losses import SMOOTH  # noqa: E402
from ml.networks import build_network, preset  # noqa: E402
from ml.preprocess import preprocess_array  # noqa: E402
from ml.report import Silent  # noqa: E402
from ml.simulate import simulate  # noqa: E402
from ml.simulate_layout import build_cell  # noqa: E402
from ml.simulate_phantom import paint  # noqa: E402
from ml.simulate_shapes import FEATURES  # noqa: E402
from ml.simulate_tilts import Imaging  # noqa: E402
from ml.warm_start import CONTEXT, save_warm_start  # noqa: E402
from tomo.preprocessing import Preprocessing  # noqa: E402

STEPS, BATCH, PATCH, CROP = 33000, 16, 80, 144
SHAPE = (24, 192, 192)
CELLS, EVERY = 16, 40  # cells at hand; after so many steps the oldest one makes room for a new one
SEED, FIRST_CELL = 2, 5000  # of all that is drawn, and of the first cell: tests and tables use others below
BLURS = (0.0, 1.5, 3.0)  # voxels; the density is to be seen as it is, and more and more coarsely
PEAK, WARM_UP, MEMORY = 3e-3, 0.03, 0.998
VARIED = Augmentation(stretch=0.15, bend=3.0, gain=0.5, offset=0.5, noise=0.4, blur=0.3)
ONE_SLICE = 0.25  # share of samples that show one slice five times, as serial sections do

Cell = tuple[Tensor, Tensor, Tensor]  # tomogram [z, y, x], labels [feature, z, y, x], densities [blur, z, y, x]


def any_imaging(random: np.random.Generator) -> Imaging:
    """A microscope set in one of many ways."""
    return Imaging(
        defocus=float(random.uniform(15000, 60000)),
        dose=float(np.exp(random.uniform(np.log(40), np.log(220)))),
        last_tilt=float(random.choice((50, 60, 66))),
        ice=float(random.uniform(800, 2200)),
        gradient=float(random.uniform(0, 0.4)),
        cutoff=float(random.uniform(0.2, 0.5)),
        phase=float(random.uniform(0.012, 0.022)),
    )


def any_cell(seed: int) -> Cell:
    """A simulated cell, preprocessed, in a third of the cases smoothed as a denoised tomogram is."""
    random = np.random.default_rng((seed, 7))
    imaging, cell = any_imaging(random), build_cell(SHAPE, seed)
    density, labels = paint(cell, 0, SHAPE[0])
    volume = np.concatenate([slab for _, slab in simulate(cell, imaging, seed, Silent())])
    sigma = float(random.uniform(0.5, 1.5))
    if random.random() < 0.35:
        volume = gaussian_filter(volume, sigma)
    volume = preprocess_array(volume.astype(np.float32), Preprocessing(invert=True, lowpass=0.0))
    density = np.minimum(density, 2.0)  # or gold would outshine all else
    densities = [_standard(gaussian_filter(density, sigma) if sigma else density) for sigma in BLURS]
    named = np.stack([labels[feature] for feature in FEATURES]).astype(np.uint8)
    return torch.from_numpy(volume).half(), torch.from_numpy(named), torch.from_numpy(np.stack(densities)).half()


def _standard(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return (values - values.mean()) / (values.std() + 1e-6)


def any_batch(cells: list[Cell], random: np.random.Generator, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Images (n, context, y, x) and what they show, (n, features + densities, y, x): turned, zoomed, varied."""
    pieces = [_piece(cells[random.integers(len(cells))], random) for _ in range(BATCH)]
    images, shown = (torch.stack(parts) for parts in zip(*pieces, strict=True))
    grid = places(images, PATCH, VARIED, generator)
    zoom = torch.exp(torch.rand(BATCH, 1, 1, 1, generator=generator) * 1.2 - 0.55)
    grid = grid * zoom + (torch.rand(BATCH, 1, 1, 2, generator=generator) - 0.5) * 0.6
    if random.random() < 0.5:
        images = images.flip(1)
    images, shown = (
        functional.grid_sample(part, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
        for part in (images, shown)
    )
    return vary_greys(images, VARIED, generator), shown


def _piece(cell: Cell, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    volume, labels, densities = cell
    z = int(random.integers(SHAPE[0]))
    y, x = (int(random.integers(0, side - CROP + 1)) for side in SHAPE[1:])
    slices = np.clip(np.arange(CONTEXT) + z - CONTEXT // 2, 0, SHAPE[0] - 1)
    if random.random() < ONE_SLICE:
        slices[:] = z
    part = (slice(None), slice(y, y + CROP), slice(x, x + CROP))
    return volume[slices][part].float(), torch.cat([labels[:, z][part].float(), densities[:, z][part].float()])


def loss_of(output: Tensor, shown: Tensor) -> Tensor:
    """Cross-entropy and Dice of each feature, and the mean square error of the densities."""
    logits, target = output[:, : len(FEATURES)], shown[:, : len(FEATURES)]
    entropy = functional.binary_cross_entropy_with_logits(logits, target)
    found, axes = torch.sigmoid(logits), (0, 2, 3)
    dice = (2 * (found * target).sum(axes) + SMOOTH) / (found.sum(axes) + target.sum(axes) + SMOOTH)
    blurred = functional.mse_loss(output[:, len(FEATURES) :], shown[:, len(FEATURES) :])
    return len(FEATURES) * entropy + (1 - dice).sum() + blurred


def learning_rate(done: float) -> float:
    """Rising in the first steps, then falling along a cosine. done: 0 to 1."""
    if done < WARM_UP:
        return PEAK * done / WARM_UP
    return PEAK * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (done - WARM_UP) / (1 - WARM_UP))))


def main(path: Path, steps: int) -> None:
    """Train, and write the running mean of the weights without the last layer."""
    torch.set_num_threads(1)  # sums of several threads differ from run to run
    generator, random = torch.Generator().manual_seed(SEED), np.random.default_rng(SEED)
    torch.manual_seed(SEED)
    architecture, settings = preset("fast")
    network = build_network(architecture, context=CONTEXT, **settings)
    network.head = nn.Conv2d(settings["width"], (len(FEATURES) + len(BLURS)) * settings["fold"] ** 2, 1)
    network = network.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    averaged = copy.deepcopy(network).eval().requires_grad_(False)
    optimiser = torch.optim.AdamW(network.parameters(), lr=PEAK, weight_decay=1e-4)
    cells = [any_cell(FIRST_CELL + number) for number in range(CELLS)]
    for step in range(steps):
        if step and step % EVERY == 0:
            renewed = step // EVERY
            cells[renewed % CELLS] = any_cell(FIRST_CELL + CELLS + renewed - 1)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step / steps)
        images, shown = any_batch(cells, random, generator)
        loss = loss_of(network(images.contiguous(memory_format=torch.channels_last)), shown)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        _average(averaged, network, min(MEMORY, (step + 1) / (step + 10)))
        if (step + 1) % 100 == 0:
            print(f"{step + 1} of {steps} steps, loss {float(loss.detach()):.4f}", file=sys.stderr, flush=True)
    save_warm_start(path, averaged)


def _average(averaged: nn.Module, network: nn.Module, memory: float) -> None:
    with torch.no_grad():
        for kept, now in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
            if kept.is_floating_point():
                kept.lerp_(now, 1 - memory)
            else:
                kept.copy_(now)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else STEPS)
