"""Features and the colours by which they are known everywhere."""

import json

import pytest

from tomo.errors import TomosegError
from tomo.features import PALETTE, Feature, load_features, next_colour, save_features


def test_features_are_read_back_in_their_order(tmp_path):
    features = [Feature("membrane", "#E69F00"), Feature("actin", "#000001")]
    save_features(tmp_path / "features.json", features)
    assert load_features(tmp_path / "features.json") == features
    assert features[0].colour == "#e69f00"
    assert load_features(tmp_path / "none.json") == []


def test_each_new_feature_has_a_colour_of_its_own_until_the_palette_ends():
    features = []
    for number in range(len(PALETTE) + 1):
        features.append(Feature(f"feature {number}", next_colour(features)))
    assert [feature.colour for feature in features] == [*PALETTE, PALETTE[0]]
    assert next_colour([Feature("a", PALETTE[1])]) == PALETTE[0]
    assert "#000000" not in PALETTE


@pytest.mark.parametrize("colour", ["red", "#12345", "#1234567", "#gggggg", ""])
def test_what_is_no_colour_is_refused(colour):
    with pytest.raises(TomosegError, match="write it as #rrggbb"):
        Feature("membrane", colour)


@pytest.mark.parametrize("entry", [{"name": "a"}, {"name": "../a", "colour": "#e69f00"}, "a", 5, None])
def test_a_damaged_list_is_one_sentence(tmp_path, entry):
    path = tmp_path / "features.json"
    path.write_text(json.dumps({"schema": 1, "features": [entry]}))
    with pytest.raises(TomosegError, match=r"features\.json holds a damaged feature .*restore the file"):
        load_features(path)
