"""Voxel size, origin and start of a tomogram, and where that puts it in space."""

from dataclasses import dataclass, replace

from .errors import TomosegError

Triple = tuple[float, float, float]
UNKNOWN_VOXEL_SIZES = (0.0, 1.0)  # what programs write when they do not know
ANISOTROPY_LIMIT = 1.5


@dataclass(frozen=True)
class Geometry:
    """Where a volume lies. All triples are in (x, y, z) order, unlike arrays, which are [z, y, x].

    voxel_size: Å along each axis; 0 or exactly 1 means unknown.
    origin: Å, the MRC header's origin field. nstart: voxels, its nxstart/nystart/nzstart by axis.
    """

    voxel_size: Triple = (0.0, 0.0, 0.0)
    origin: Triple = (0.0, 0.0, 0.0)
    nstart: tuple[int, int, int] = (0, 0, 0)

    @property
    def voxel_size_known(self) -> bool:
        """False where the header holds 0 or exactly 1 Å, which programs write for "unknown"."""
        return not any(size in UNKNOWN_VOXEL_SIZES for size in self.voxel_size)

    @property
    def anisotropic(self) -> bool:
        """True where a voxel's sides differ by more than 1.5 times (serial sections, say)."""
        return self.voxel_size_known and max(self.voxel_size) > ANISOTROPY_LIMIT * min(self.voxel_size)

    @property
    def place(self) -> Triple:
        """Å from the world's origin to the corner of voxel 0: the origin if set, else nstart × voxel size."""
        if any(self.origin):
            return self.origin
        x, y, z = (start * size for start, size in zip(self.nstart, self.voxel_size, strict=True))
        return (x, y, z)

    def shrunk(self, factor: int) -> "Geometry":
        """The geometry after a shrink by `factor` on all axes; the place stays the same.

        Where the factor does not divide nstart, the place moves into the origin.
        """
        x, y, z = (size * factor for size in self.voxel_size)
        if any(start % factor for start in self.nstart):
            return Geometry((x, y, z), self.place, (0, 0, 0))
        i, j, k = (start // factor for start in self.nstart)
        return Geometry((x, y, z), self.origin, (i, j, k))

    def at_slice(self, z: int) -> "Geometry":
        """The geometry of slice `z` alone, as a volume one voxel deep at the same place."""
        if any(self.origin):
            x, y, height = self.origin
            # Without nstart, which would count again should the new origin happen to be 0.
            return Geometry(self.voxel_size, (x, y, height + z * self.voxel_size[2]))
        i, j, k = self.nstart
        return replace(self, nstart=(i, j, k + z))

    def with_voxel_size(self, voxel_size: float) -> "Geometry":
        """The same place with the voxel size that the user named, Å, on all axes."""
        if not 0 < voxel_size < float("inf"):
            raise TomosegError(f"A voxel size of {voxel_size} Å is impossible: give a number above 0.")
        return replace(self, voxel_size=(voxel_size, voxel_size, voxel_size))


def require_voxel_size(geometry: Geometry, name: str) -> Triple:
    """The voxel size in Å, (x, y, z); raises TomosegError where a length is needed and it is unknown."""
    if not geometry.voxel_size_known:
        raise TomosegError(f"The voxel size of {name} is unknown: give it with --voxel-size (in Å).")
    return geometry.voxel_size
