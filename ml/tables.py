"""The rows of `tomoseg measure`: one per label and one per component, as JSON, CSV and STAR."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.components import Components
from ml.masks import LabelExtent, Mask
from ml.measurements import Measured, ray_weights
from ml.star import star_table, write_star
from ml.thickness import median_and_spread
from tomo.files import replacing, write_json
from tomo.geometry import require_voxel_size

ANGSTROM_PER_NM = 10.0
_AXES = "xyz"


def smallest_voxels(mask: Mask, wished: float) -> int:
    """The fewest voxels of a component that is kept. wished: nm³, or voxels where the voxel size is unknown."""
    if not mask.geometry.voxel_size_known:
        return max(1, int(np.ceil(wished)))
    voxel = np.prod(require_voxel_size(mask.geometry, str(mask.path))) / ANGSTROM_PER_NM**3
    # A hair less, so that what is exactly as large as asked for stays.
    return max(1, int(np.ceil(wished / voxel - 1e-9)))


@dataclass(frozen=True, eq=False)
class Tables:
    """Everything measured of one mask. distances: by feature, the gap of each component, NaN for its own."""

    components: Components
    measured: Measured
    distances: dict[str, NDArray[np.float64]]

    @property
    def _known(self) -> bool:
        return self.components.mask.geometry.voxel_size_known

    def rows(self, features: tuple[str, ...] | None = None) -> dict[str, list[dict[str, Any]]]:
        """{"labels": […], "components": […]}, ready for JSON: unknown is None, lengths in nm. features: only these."""
        labels, parts = [], []
        weights = ray_weights(self.components, self.measured)
        for extent in self.components.mask.labels:
            if features is not None and extent.entry.name not in features:
                continue
            rows = np.flatnonzero(self.components.table.value == extent.entry.value)
            labels.append(self._label(extent, rows, weights))
            parts += [self._component(extent, int(row)) for row in rows]
        return {"labels": labels, "components": parts}

    def _label(self, extent: LabelExtent, rows: NDArray[np.int64], weights: NDArray[np.float64]) -> dict[str, Any]:
        entry, measured = extent.entry, self.measured
        voxels = int(self.components.table.voxels[rows].sum())
        ours = np.isin(measured.ray_row, rows)
        through = median_and_spread(measured.ray_length[ours], weights[ours])
        lengths = measured.length[rows]
        return {
            "value": entry.value,
            "name": entry.name,
            "colour": entry.colour,
            "components": len(rows),
            "voxels": voxels,
            **self._sizes(voxels, measured.area[rows].sum()),
            "length_nm": self._nm(np.nansum(lengths) if np.isfinite(lengths).any() else np.nan),
            **self._thickness((np.nan, np.nan) if through is None else through),
            **{self._distance_key(name): self._nm(_nanmin(gaps[rows])) for name, gaps in self.distances.items()},
        }

    def _component(self, extent: LabelExtent, row: int) -> dict[str, Any]:
        table, geometry = self.components.table, self.components.mask.geometry
        centroid = table.centroid[row][::-1]
        place = (centroid + 0.5) * np.array(geometry.voxel_size) + np.array(geometry.place)
        low, high = table.low[row][::-1], table.high[row][::-1] - 1
        at_border = bool((low == 0).any() or (high == np.array(self.components.mask.shape[::-1]) - 1).any())
        voxels = int(table.voxels[row])
        return {
            "value": extent.entry.value,
            "name": extent.entry.name,
            "component": int(self.components.number[row]),
            "voxels": voxels,
            **self._sizes(voxels, self.measured.area[row]),
            **{f"centroid_{axis}": float(centroid[i]) for i, axis in enumerate(_AXES)},
            **{f"centroid_{axis}_angstrom": float(place[i]) if self._known else None for i, axis in enumerate(_AXES)},
            **{f"low_{axis}": int(low[i]) for i, axis in enumerate(_AXES)},
            **{f"high_{axis}": int(high[i]) for i, axis in enumerate(_AXES)},
            "at_border": at_border,
            "length_nm": self._nm(self.measured.length[row]),
            **self._thickness(self.measured.thickness[row]),
            **{self._distance_key(name): self._nm(gaps[row]) for name, gaps in self.distances.items()},
        }

    def _sizes(self, voxels: int, area: float) -> dict[str, float | None]:
        if not self._known:
            return {"volume_nm3": None, "area_nm2": None}
        voxel = float(np.prod(self.components.mask.geometry.voxel_size))
        return {"volume_nm3": voxels * voxel / ANGSTROM_PER_NM**3, "area_nm2": float(area) / ANGSTROM_PER_NM**2}

    def _thickness(self, both: Any) -> dict[str, float | None]:
        return {"thickness_nm": self._nm(both[0]), "thickness_spread_nm": self._nm(both[1])}

    def _nm(self, angstrom: float) -> float | None:
        return float(angstrom) / ANGSTROM_PER_NM if self._known and np.isfinite(angstrom) else None

    @staticmethod
    def _distance_key(name: str) -> str:
        return f"distance_to_{name}_nm"


def _nanmin(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known.min()) if len(known) else np.nan


def settings_path(table: Path) -> Path:
    """Where the settings of a table are written: beside it, as JSON."""
    return table.with_name(f"{table.stem}_settings.json")


def write_csv(path: Path, result: dict[str, Any]) -> None:
    """Labels, then components, told apart by the first column; and the settings beside; each all or nothing."""
    labels = pd.DataFrame([{"kind": "label", **row} for row in result["labels"]])
    parts = pd.DataFrame([{"kind": "component", **row} for row in result["components"]])
    columns = [*dict.fromkeys([*labels.columns, *parts.columns])]
    records = labels.to_dict("records") + parts.to_dict("records")
    table = pd.DataFrame(records, columns=columns)
    for name in table.columns:
        # Whole numbers stay whole beside the empty fields of rows of the other kind.
        if name in _WHOLE:
            table[name] = table[name].astype("Int64")
    with replacing(path) as temporary:
        table.to_csv(temporary, index=False)
    write_json(settings_path(path), result["settings"])


_WHOLE = {"value", "voxels", "components", "component", *(f"{end}_{axis}" for end in ("low", "high") for axis in _AXES)}


def write_components_star(
    path: Path, mask: Mask, result: dict[str, Any], *, flavour: str, unbinned: float | None
) -> None:
    """The components' centroids as RELION particles; the class number is the label's value."""
    rows = result["components"]
    centroids = np.array([[row[f"centroid_{axis}"] for axis in _AXES] for row in rows]).reshape(-1, 3)
    size = mask.geometry.voxel_size if mask.geometry.voxel_size_known else None
    table = star_table(centroids, mask.shape, size, tomogram=mask.name, flavour=flavour, unbinned=unbinned)
    table["rlnClassNumber"] = [row["value"] for row in rows]
    write_star(path, table, result["settings"])
