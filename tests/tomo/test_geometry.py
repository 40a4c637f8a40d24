"""Where a volume lies, and that shrinking, cutting and naming leave it there."""

import pytest

from tomo.errors import TomosegError
from tomo.geometry import Geometry, require_voxel_size


@pytest.mark.parametrize("size", [0.0, 1.0])
def test_0_and_1_are_unknown_voxel_sizes(size):
    geometry = Geometry((10.0, 10.0, size))
    assert not geometry.voxel_size_known
    with pytest.raises(TomosegError, match="The voxel size of cell is unknown: give it with --voxel-size"):
        require_voxel_size(geometry, "cell")
    assert require_voxel_size(Geometry((1.5, 2.0, 3.0)), "cell") == (1.5, 2.0, 3.0)


def test_the_place_is_the_origin_or_else_the_start():
    assert Geometry((10, 20, 30), nstart=(-1, 2, 3)).place == (-10, 40, 90)
    assert Geometry((10, 20, 30), (5.0, 0.0, 0.0), (-1, 2, 3)).place == (5, 0, 0)


@pytest.mark.parametrize("origin", [(0.0, 0.0, 0.0), (7.0, 8.0, 9.0)])
@pytest.mark.parametrize("nstart", [(0, 0, 0), (-4, 8, 12), (-5, 8, 13)])
def test_shrinking_keeps_the_place(origin, nstart):
    geometry = Geometry((10.0, 20.0, 30.0), origin, nstart)
    assert geometry.shrunk(4).place == geometry.place
    assert geometry.shrunk(4).voxel_size == (40, 80, 120)
    assert geometry.shrunk(1).place == geometry.place


def test_what_the_factor_does_not_divide_moves_into_the_origin():
    geometry = Geometry((10.0, 10.0, 10.0), nstart=(-4, 8, 13))
    assert geometry.shrunk(2) == Geometry((20, 20, 20), (-40, 80, 130), (0, 0, 0))
    assert Geometry((10.0, 10.0, 10.0), nstart=(-4, 8, 12)).shrunk(4) == Geometry((40, 40, 40), nstart=(-1, 2, 3))


@pytest.mark.parametrize("origin", [(0.0, 0.0, 0.0), (7.0, 8.0, 9.0), (0.0, 0.0, -60.0)])
def test_a_slice_lies_at_its_height(origin):
    geometry = Geometry((10.0, 20.0, 30.0), origin, (1, 2, 3))
    x, y, z = geometry.place
    assert geometry.at_slice(2).place == pytest.approx((x, y, z + 60))
    assert geometry.at_slice(2).voxel_size == geometry.voxel_size


def test_only_unlike_sides_are_anisotropic():
    assert Geometry((40, 40, 500)).anisotropic
    assert not Geometry((10, 10, 15)).anisotropic
    assert not Geometry((0, 0, 0)).anisotropic


def test_a_named_voxel_size_must_be_possible():
    assert Geometry(nstart=(1, 2, 3)).with_voxel_size(10.5) == Geometry((10.5, 10.5, 10.5), nstart=(1, 2, 3))
    for size in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(TomosegError, match="impossible"):
            Geometry().with_voxel_size(size)
