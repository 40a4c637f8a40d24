"""Run the protocol without a window: `python -m demo [--tomogram FILE --labels FILE …] [--output DIR]`."""

import argparse
import sys
import time
from pathlib import Path

from demo import inputs, protocol
from demo.inputs import Material
from tomo.errors import TomosegError

MOST_SECONDS = 60.0
SIZE = (1200, 900)


def main(words: list[str]) -> int:
    """Run the demo; 0 done, 1 something the user can mend (one sentence on stderr), 2 wrong usage."""
    arguments = _parser().parse_args(words)
    began = time.monotonic()
    try:
        output = inputs.fresh_folder(arguments.output)
        width, height = arguments.size
        protocol.run(_material(arguments, output), output, arguments.network, arguments.seconds, (width, height))
    except TomosegError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    print(f"\nDone in {time.monotonic() - began:.0f} s: see {arguments.output}/figure.png", flush=True)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--tomogram", type=Path, help="a tomogram (default: a simulated cell)")
    parser.add_argument("--labels", type=Path, nargs="+", help="label volumes of it, one per feature, not 0 = feature")
    parser.add_argument("--output", type=Path, default=Path("demo-output"), help="folder for all that is made")
    parser.add_argument("--network", choices=("default", "fast", "classic"), default="default", help="what is trained")
    parser.add_argument("--seconds", type=float, default=MOST_SECONDS, help="train each feature for so long at most")
    parser.add_argument("--size", type=int, nargs=2, default=SIZE, metavar=("WIDTH", "HEIGHT"), help="of the figure")
    return parser


def _material(arguments: argparse.Namespace, output: Path) -> Material:
    if (arguments.tomogram is None) != (arguments.labels is None):
        raise TomosegError("A tomogram and its labels go together: give both, or neither for the simulated cell.")
    if arguments.tomogram is None:
        return inputs.simulated(output / "simulated")
    return inputs.given(arguments.tomogram, arguments.labels)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
