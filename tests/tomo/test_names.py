"""Names that users give, and the file names made of them."""

from pathlib import Path

import pytest

from tomo.errors import TomosegError
from tomo.names import (
    bin_suffix_of,
    check_feature_name,
    check_tomogram_name,
    feature_of,
    result_name,
    safe_tomogram_name,
    tomogram_name,
)

ESCAPES = ["../cell", "/etc/cell", "a/b", "a\\b", "C:cell", "..", ".", "", "cell\n", "cell\0", "~", ".cell", "cell. "]


@pytest.mark.parametrize("name", ["membrane", "13-pf microtubule", "Ribosom_70S", "β-tubulin", "a", "v1.2", "C+D"])
def test_a_feature_is_found_again_in_its_file_name(name):
    assert check_feature_name(name) == name
    assert feature_of(Path("maps") / f"{result_name('cell__7', name)}.mrc") == name


@pytest.mark.parametrize("name", [*ESCAPES, "a__b", "_a", "a_", "a.mrc", "x.rec.gz", "a" * 65, "con", "NUL", "lpt1.x"])
def test_what_cannot_be_part_of_a_file_name_is_no_feature(name):
    with pytest.raises(TomosegError, match="cannot be a feature's name"):
        check_feature_name(name)


@pytest.mark.parametrize("name", [*ESCAPES, "cell.mrc", "cell.mrc .", "con", "aux.txt", "CON .x", "a" * 101])
def test_what_cannot_be_a_file_name_is_no_tomogram_and_a_better_name_is_offered(name):
    with pytest.raises(TomosegError, match="cannot be a tomogram's name"):
        check_tomogram_name(name)
    offered = safe_tomogram_name(name)
    assert check_tomogram_name(offered) == offered
    assert Path("tomograms", f"{offered}.mrc").parent == Path("tomograms")


@pytest.mark.parametrize("name", ["cell", "grid 2 (lamella 3)", "2024-05-01_TS#7", "Zelle_ä", "cell__bin4"])
def test_usual_tomogram_names_stay(name):
    assert safe_tomogram_name(name) == name


def test_the_two_spellings_of_an_accent_are_one_name():
    assert safe_tomogram_name("Zelle a\u0308") == "Zelle \u00e4"
    assert check_feature_name("a\u0308") == "\u00e4"


@pytest.mark.parametrize(
    ("file", "name"),
    [("cell.mrc", "cell"), ("cell.rec.GZ", "cell"), ("a.b.mrcs", "a.b"), ("cell.hdf5", "cell"), (".mrc", ".mrc")],
)
def test_volume_suffixes_are_no_part_of_the_name(file, name):
    assert tomogram_name(Path("folder.mrc", file)) == name


def test_without_a_separator_the_whole_name_is_the_feature():
    assert feature_of(Path("actin.mrc")) == "actin"
    assert feature_of(Path("cell__inner__actin.mrc.gz")) == "actin"


def test_bins_tell_their_family():
    assert bin_suffix_of("cell_bin4") == ("cell", 4)
    assert bin_suffix_of("cell_bin4_denoised") == ("cell_bin4_denoised", 1)
    assert bin_suffix_of("cell") == ("cell", 1)


def test_names_of_wide_letters_are_measured_in_bytes_as_disks_do():
    tomogram = safe_tomogram_name("細" * 100)
    assert tomogram == "細" * 33
    with pytest.raises(TomosegError, match="use 21 letters at most"):
        check_feature_name("胞" * 22)
    file = f".{result_name(tomogram, check_feature_name('胞' * 21))}.mrc"
    assert len(file.encode()) < 255
