"""Names that other programs give their masks and maps."""

from pathlib import Path

import pytest

from tomo.mask_names import MaskName, next_version, read_mask_name, version_of


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("cell_7__ribosome.mrc", MaskName("cell_7", "ribosome")),  # Ais, Pom, easymode
        ("cell__7__ribosome.hdf", MaskName("cell__7", "ribosome")),
        ("cell_MemBrain_seg_v10_alpha.ckpt_segmented.mrc", MaskName("cell", "membrane")),
        ("cell_7_best.ckpt_segmented.mrc", MaskName("cell_7", "membrane")),
        ("cell_scores.mrc", MaskName("cell", "membrane", 0.0)),
        ("TS_037_etsam_predicted_mask.mrc", MaskName("TS_037", "membrane")),
        ("TS_037_etsam_predicted_post_processed_mask.mrc", MaskName("TS_037", "membrane")),
        ("TS_037_etsam_predicted_logits.mrc", MaskName("TS_037", "membrane", -0.5)),
        ("organelles.tif", MaskName("", "organelles")),
    ],
)
def test_other_programs_names_tell_tomogram_and_feature(file, expected):
    assert read_mask_name(Path("folder") / file) == expected


def test_a_known_tomogram_counts_more_than_the_pattern():
    known = ["cell", "cell_7", "cell_71"]
    assert read_mask_name(Path("cell_7_segmented.mrc"), known).tomogram == "cell_7"
    assert read_mask_name(Path("cell_7-actin.tif"), known) == MaskName("cell_7", "actin")
    assert read_mask_name(Path("cell_7.mrc"), known) == MaskName("cell_7", "cell_7")
    # cell_711 goes on with a digit: it is another tomogram than cell_71 or cell_7, but may be one of "cell".
    assert read_mask_name(Path("cell_711__er.mrc"), ["cell_7", "cell_71"]).tomogram == "cell_711"


def test_a_mask_gets_the_first_free_version(tmp_path):
    first = tmp_path / "cell__mask.mrc"
    assert version_of(first) == ("cell__mask", 1)
    assert next_version(first).name == "cell__mask_v2.mrc"
    for name in ("cell__mask_v2.mrc", "cell__mask_v10.mrc", "cell__other_v40.mrc"):
        (tmp_path / name).touch()
    assert version_of(tmp_path / "cell__mask_v10.mrc") == ("cell__mask", 10)
    assert next_version(tmp_path / "cell__mask_v2.mrc").name == "cell__mask_v11.mrc"
