"""What a live training begins with: the weights of the last one, a trained network, or nothing."""

from dataclasses import dataclass, replace
from pathlib import Path

from ml.live import Options
from ml.live_learner import Learner
from ml.network_file import LoadedNetwork, load_network, save_network
from ml.networks import is_preset
from ml.report import Report
from tomo.errors import TomosegError
from tomo.preprocessing import Preprocessing
from tomo.project import Project


@dataclass(frozen=True)
class Start:
    """network: None for fresh weights. resumed: it is what an earlier live training has left."""

    network: LoadedNetwork | None = None
    resumed: bool = False

    @property
    def preprocessing(self) -> Preprocessing | None:
        """What the network expects; None where there is none."""
        return self.network.info.preprocessing if self.network else None


def checkpoint_path(project: Project, feature: str) -> Path:
    """Where a live training keeps its weights until it is finished; a network file like any other."""
    return project.folder / "live" / f"{feature}.safetensors"


def start_from(options: Options, project: Project, report: Report) -> Start:
    """The weights to begin with. What an earlier live training left goes before an older trained network.

    Raises TomosegError where the trained network that was asked for cannot be read.
    """
    kept, trained = checkpoint_path(project, options.feature), options.from_trained
    usable = kept.is_file() and not options.fresh  # what is to be forgotten stays until there are others to keep
    if usable and (trained is None or not trained.is_file() or _time(kept) >= _time(trained)):
        try:
            network = load_network(kept)
        except TomosegError as error:
            report.log(f"The last live training cannot go on. {error}")
        else:
            if trained is not None or is_preset(options.network, network.info.architecture, network.info.settings):
                report.log(f"Going on from the last live training of {options.feature}.")
                return Start(network, resumed=True)
            report.log(f"The last live training was of another network than {options.network}: this one begins anew.")
    return Start(load_network(trained)) if trained is not None else Start()


def save_checkpoint(path: Path, learner: Learner) -> None:
    """Keep what was learned so far, all or nothing."""
    network = learner.whole()
    trainset = learner.trainer.trainset
    entry = {
        "live": True,
        "steps": learner.trainer.steps_done,
        "seconds": round(learner.seconds, 1),
        "positives": trainset.n_positive,
        "negatives": len(trainset) - trainset.n_positive,
        "tomograms": list(trainset.info.tomograms),
    }
    save_network(path, network.module, replace(network.info, history=(*network.info.history, entry)))


def _time(path: Path) -> int:
    return path.stat().st_mtime_ns
