# The view of a figure and round lengths: arithmetic that can be checked by hand.
import numpy as np
import pytest

SIZE = (1200, 900)
STRIP = 100


@pytest.fixture
def framing(part):
    return part("tomoseg_blender.scene.framing")


def box(x, y, z):
    return np.array([(x * (n & 1), y * (n >> 1 & 1), z * (n >> 2 & 1)) for n in range(8)], float)


@pytest.mark.parametrize("elevation, azimuth", [(42, -24), (90, 0), (5, 130), (-30, 250)])
@pytest.mark.parametrize("sides", [(25, 25, 5), (2, 30, 3), (1, 1, 40)])
def test_all_is_seen_above_the_strip_and_one_direction_is_filled(framing, elevation, azimuth, sides):
    points = np.add(box(*sides), (100, -50, 7))
    frame = framing.frame_points(points, elevation, azimuth, SIZE, STRIP)
    pixels = framing.to_pixels(points, frame)
    margin = framing.MARGIN * SIZE[0]
    free = np.array(SIZE) - (2 * margin, 2 * margin + STRIP)
    assert pixels[:, 0].min() >= margin - 1e-6 and pixels[:, 0].max() <= SIZE[0] - margin + 1e-6
    assert pixels[:, 1].min() >= STRIP + margin - 1e-6 and pixels[:, 1].max() <= SIZE[1] - margin + 1e-6
    assert (np.ptp(pixels, axis=0) / free).max() == pytest.approx(1.0)


def test_from_above_x_goes_right_and_y_goes_up(framing):
    right, up, towards = framing.directions(90, 0)
    assert right == pytest.approx([1, 0, 0]) and up == pytest.approx([0, 1, 0]) and towards == pytest.approx([0, 0, 1])


def test_from_the_side_the_hand_is_kept(framing):
    right, up, towards = framing.directions(0, 90)
    assert right == pytest.approx([0, 1, 0]) and up == pytest.approx([0, 0, 1]) and towards == pytest.approx([1, 0, 0])
    for view in ((42, -24), (10, 200)):
        right, up, towards = framing.directions(*view)
        assert np.cross(right, up) == pytest.approx(towards)


def test_the_long_side_lies_across_the_picture(framing):
    for sides in ((30, 10, 5), (10, 30, 5)):
        right, _, _ = framing.directions(framing.ELEVATION, framing.best_azimuth(np.array(sides)))
        assert abs(right[int(np.argmax(sides))]) > 0.9


@pytest.mark.parametrize(
    "longest, length, name",
    [
        (58, 50, "50 nm"), (50, 50, "50 nm"), (49.9, 20, "20 nm"), (0.7, 0.5, "0.5 nm"),
        (1999, 1000, "1 µm"), (2600, 2000, "2 µm"), (7300, 5000, "5 µm"), (9.99, 5, "5 nm"),
    ],
)  # fmt: skip
def test_lengths_are_round_and_named_in_nm_or_micrometres(framing, longest, length, name):
    assert framing.round_length(longest) == pytest.approx(length)
    assert framing.length_name(framing.round_length(longest)) == name


def test_legend_rows_break_where_the_picture_ends(part):
    legend = part("tomoseg_blender.scene.legend")
    entries = [legend.Entry(name, "#000000", 10.0) for name in "abc"]
    assert [len(row) for row in legend.rows(entries, 25.0)] == [2, 1]
    assert [len(row) for row in legend.rows(entries, 5.0)] == [1, 1, 1]
    assert legend.row_width(entries[:2]) == 20.0 + legend.BETWEEN


def test_colours_survive_the_way_to_light_and_back(part):
    palette = part("tomoseg_blender.scene.palette")
    for colour in (*part("tomo.features").PALETTE, "#000000", "#ffffff", "#010203"):
        assert palette.hex_colour(palette.linear(colour)) == colour
    with pytest.raises(part("tomo.errors").TomosegError, match="no colour"):
        palette.srgb("blue")
