"""What a batch does for one tomogram: which tasks, in which order, and what an earlier run has done already."""

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ml.apply_options import Applying
from ml.batch_tasks import Call
from ml.ledger import Ledger, file_key, key_of
from ml.shared_map import SharedMap
from tomo.errors import TomosegError
from tomo.names import result_name, tomogram_name
from tomo.standing import FolderGone, first_gone, watched

MOST_VOXELS = 2**25  # of a task: some ten seconds, so that little is lost with a worker, and starting costs little

Answers = list[Any]
Calls = Generator[list[Call], Answers, Any]


@dataclass(frozen=True)
class Batch:
    """What all tomograms of a batch share. wanted: tasks per map, at least, so that no worker stands idle."""

    networks: tuple[Path, ...]
    output: Path
    thresholds: tuple[float, ...]
    applying: Applying
    measure: bool = True
    surfaces: bool = True
    wanted: int = 1
    colours: tuple[str, ...] | None = None
    blender: Path | None = None


class Plan:
    """One tomogram's way through a batch. `steps` yields tasks that can be done at once, and is sent their results.

    span: which part of the whole way (0 to 1) the tasks that run now are. folders: those of its files that stand now.
    """

    def __init__(self, batch: Batch, path: Path) -> None:
        self.path, self.name = path, tomogram_name(path)
        self.span = (0.0, 0.0)
        self.began = time.monotonic()
        self.folders = watched((path, batch.output, *batch.networks))
        self._batch, self._kept = batch, list[bool]()
        self._map: SharedMap | None = None

    def steps(self) -> Generator[list[Call], Answers, tuple[str, bool]]:
        """All tasks; returns what was found, in words, and whether nothing had to be done. Raises TomosegError."""
        if (missing := self.gone()) is not None:
            raise missing  # before hours of work that could not be kept
        if not self.path.is_file():
            raise TomosegError(f"There is no tomogram {self.path}: check its name.")
        self._ledger = Ledger(self._batch.output / "batch" / f"{self.name}.json")
        maps, keys = yield from self._maps()
        self.span = (0.7, 0.8)
        key, merged = yield from self._merge(maps, keys)
        self.span = (0.8, 1.0 if self._batch.blender is None else 0.9)
        if any(label["voxels"] for label in merged["labels"]):
            yield from self._results(Path(merged["mask"]), key)
        found = ", ".join(f"{label['name']} {label['voxels']}" for label in merged["labels"])
        return f"{found} voxels", all(self._kept)

    def gone(self) -> FolderGone | None:
        """The error that names the folder of its files that went away since the batch began; None where all stand."""
        return first_gone(self.folders)

    def note(self, z0: int, statistics: list[list[float]]) -> None:
        """Slices of the map that is being written lie on the disk."""
        if self._map is not None:
            self._map.note(z0, statistics)

    def _maps(self) -> Generator[list[Call], Answers, tuple[list[Path], list[str]]]:
        """One map per network; returns where they are, and the keys that change when one has to be made again."""
        batch, settings = self._batch, self._batch.applying.changing()
        keys = [key_of(file_key(network), file_key(self.path), settings) for network in batch.networks]
        steps = [f"apply {network.name}" for network in batch.networks]
        done = [self._ledger.kept(step, key) for step, key in zip(steps, keys, strict=True)]
        self._kept += [result is not None for result in done]
        lacking = [network for network, result in zip(batch.networks, done, strict=True) if result is None]
        if lacking:
            self.span = (0.0, 0.05)
            arguments = {
                "path": self.path,
                "networks": lacking,
                "folder": batch.output / "segmentations",
                "wished": batch.applying,
            }
            looked: list[dict[str, Any]]
            (looked,) = yield [Call("look", arguments, f"Measuring {self.name}")]
            facts = dict(zip(lacking, looked, strict=True))
        share, begun = 0.65 / max(len(lacking), 1), 0
        for number, network in enumerate(batch.networks):
            if done[number] is not None:
                continue
            self.span = (0.05 + begun * share, 0.05 + (begun + 1) * share)
            begun += 1
            yield from self._apply(network, facts[network])
            output = str(facts[network]["output"])
            result = {"tomogram": str(self.path), "map": output, "shape": list(facts[network]["shape"])}
            self._ledger.done(steps[number], keys[number], [output], result)
            done[number] = result
        return [Path(result["map"]) for result in done if result is not None], keys

    def _apply(self, network: Path, facts: dict[str, Any]) -> Calls:
        """Write one map: range by range, or where the tomogram cannot be read so, as a whole."""
        applying, title = self._batch.applying, f"Applying {network.stem} to {self.name}"
        if facts["whole"]:
            yield [self._whole(network, title)]
            return
        shape, dtype = facts["shape"], "float16" if applying.half else "float32"
        with SharedMap(facts["output"], shape, dtype, facts["geometry"], facts["labels"], facts["identity"]) as shared:
            self._map = shared
            slices = min(-(-shape[0] // self._batch.wanted), max(1, MOST_VOXELS // (shape[1] * shape[2])))
            same = {"path": self.path, "network": network, "options": facts["options"], "facts": facts}
            calls = [
                Call("apply_range", {**same, "partial": shared.partial, "start": start, "stop": stop}, title)
                for start, stop in shared.missing(facts["depth"], slices)
            ]
            for answer in (yield calls):
                shared.note(answer["z0"], answer["statistics"])
        self._map = None

    def _whole(self, network: Path, title: str) -> Call:
        from ml.apply import Options

        shared = {entry.name: getattr(self._batch.applying, entry.name) for entry in fields(Applying)}
        options = Options(network, (self.path,), self._batch.output / "segmentations", **shared)
        return _step("apply", options, title)

    def _merge(self, maps: list[Path], keys: list[str]) -> Generator[list[Call], Answers, tuple[str, dict[str, Any]]]:
        from ml.merge import Options

        output = self._batch.output / "masks" / f"{result_name(self.name, 'mask')}.mrc"
        options = Options(
            tuple(maps), output, self._batch.thresholds, alone=len(maps) == 1, colours=self._batch.colours
        )
        key = key_of(keys, self._batch.thresholds, self._batch.colours)
        merging = _step("merge", options, f"Merging {self.name}")
        (result,) = yield from self._once({"merge": merging}, key, _mask_files)
        return key, result

    def _results(self, mask: Path, key: str) -> Calls:
        """Surfaces and tables, side by side, then the figure, which shows the surfaces."""
        from ml.measure import Options as MeasureOptions
        from ml.surface import Options as SurfaceOptions

        batch, wanted = self._batch, dict[str, Call]()
        if batch.surfaces:
            options: Any = SurfaceOptions(mask, batch.output / "surfaces")
            wanted["surface"] = _step("surface", options, f"Making surfaces of {self.name}")
        if batch.measure:
            options = MeasureOptions(mask, batch.output / "tables" / f"{self.name}.csv")
            wanted["measure"] = _step("measure", options, f"Measuring {self.name}")
        yield from self._once(wanted, key, _result_files)
        if batch.blender is not None:
            self.span = (0.9, 1.0)
            arguments = {"blender": batch.blender, "project": batch.output, "tomogram": self.name}
            figure = Call("figure", arguments, f"Rendering {self.name}")
            yield from self._once({"figure": figure}, key, _result_files)

    def _once(
        self, wanted: dict[str, Call], key: str, files: Callable[[dict[str, Any]], list[str]]
    ) -> Generator[list[Call], Answers, Answers]:
        """The results of some tasks by name, those done now that an earlier run has not done."""
        results = {name: self._ledger.kept(name, key) for name in wanted}
        self._kept += [result is not None for result in results.values()]
        lacking = [name for name, result in results.items() if result is None]
        for name, result in zip(lacking, (yield [wanted[name] for name in lacking]), strict=True):
            self._ledger.done(name, key, files(result), result)
            results[name] = result
        return [result for result in results.values() if result is not None]


def _step(verb: str, options: Any, title: str) -> Call:
    return Call("step", {"verb": verb, "options": options}, title)


def _mask_files(result: dict[str, Any]) -> list[str]:
    return [str(result["mask"]), str(result["label_table"])]


def _result_files(result: dict[str, Any]) -> list[str]:
    """The CSV of measuring, the picture, or the PLY files of surfaces."""
    single = [str(result[name]) for name in ("csv", "figure") if name in result]
    return single + [entry["path"] for entry in result.get("surfaces", ())]
