"""Bring a network of EMAN2 (.hdf) into Tomoseg's format (.safetensors), or a classic network of Tomoseg into EMAN2's.

A network of EMAN2 can be applied as it is; converted, it lies among a project's networks, under the feature's name, and
can be trained further. EMAN2's files know neither name nor voxel size: give the name with --feature.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ml.options import UsageError, option
from ml.report import Report
from tomo.names import check_feature_name

SUMMARY = "convert a network from or to EMAN2's format"
OURS, EMAN2 = ".safetensors", ".hdf"


@dataclass(frozen=True)
class Options:
    """What `tomoseg convert` takes."""

    network: Path = option(help="network to read", positional=True, metavar="NETWORK")
    output: Path = option(help="network to write: .safetensors or .hdf", positional=True, metavar="OUTPUT")
    feature: str | None = option(None, help="the feature that it finds (default: from the file)", metavar="NAME")
    for_2017: bool = option(False, help="write the .hdf as EMAN2 of 2017 reads it, not as today's does")


def run(options: Options, report: Report) -> dict[str, Any]:
    """Write the network; raises UsageError for an output of no known suffix, or TomosegError."""
    suffix = options.output.suffix.lower()
    if suffix not in (OURS, EMAN2):
        raise UsageError(
            f"the output ends with {OURS} or {EMAN2}, not {options.output.suffix or options.output.name!r}"
        )
    if options.for_2017 and suffix != EMAN2:
        raise UsageError("--for-2017 is for an output that ends with .hdf")
    from ml.eman2_classic import as_eman2
    from ml.eman2_network import THEANO, TRANSPOSED, write_network
    from ml.network_file import load_network, save_network

    network = load_network(options.network)
    if options.feature:
        network = replace(network, info=replace(network.info, feature=check_feature_name(options.feature)))
    if suffix == EMAN2:
        write_network(options.output, as_eman2(network, options.network), THEANO if options.for_2017 else TRANSPOSED)
    else:
        save_network(options.output, network.module, network.info)
    return {"network": str(options.output), "feature": network.info.feature, "architecture": network.info.architecture}


def describe(result: dict[str, Any]) -> str:
    """Where the network lies."""
    from ml.networks import preset_name

    return f"Wrote {result['network']} ({preset_name(result['architecture'], {})}, {result['feature']})"
