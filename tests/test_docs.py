"""The commands in docs/ run as they stand, in the protocol's order; links lead somewhere."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from ml.annotator import draw_boxes
from ml.cli import main
from tomo.labels import save_label
from tomo.mrc import open_tomogram
from tomo.project import Project

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("import_tomogram", "view", "build_trainset", "train", "apply", "merge", "results", "measure", "correct")
FEATURES = ("membrane", "microtubule")


def commands(page: str) -> list[list[str]]:
    """The words of each `tomoseg …` line in the page's sh blocks, without the first."""
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    lines = "\n".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)).splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith("tomoseg ")]


def annotate(project: Project) -> None:
    """Box and paint both features, as a person does between the pages on importing and on training sets."""
    tomogram = open_tomogram(project.tomogram_path("cell_tomogram"))
    boxes = []
    for seed, feature in enumerate(FEATURES):
        project.add_feature(feature)
        labels = open_tomogram(Path("cell") / f"cell__{feature}.mrc").data
        drawn = draw_boxes(labels, 3, 6, 32, seed, "cell_tomogram", feature)
        for z in {box.centre[2] for box in drawn if box.kind == "positive"}:
            path = project.label_path("cell_tomogram", feature, z)
            save_label(path, np.asarray(labels[z], np.int8), tomogram.geometry)
        boxes += drawn
    project.save_boxes(boxes)


def run(words: list[str]) -> None:
    quick = ["--max-seconds", "5"] if words[0] == "train" else []
    assert main([*words, *quick]) == 0, " ".join(words)


def test_the_commands_of_all_pages_run_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["simulate", "--output", "cell", "--size", "24", "112", "120"]) == 0
    for page in PAGES:
        found = commands(page)
        assert found, f"docs/{page}.md shows no command"
        if page == "build_trainset":
            annotate(Project.open(Path("project")))
        for words in found:
            run(words)
            if words[0] in ("trainset", "train"):
                run([word.replace("membrane", "microtubule") for word in words])
            if words[0] == "apply":
                run([word.replace("membrane", "microtubule") for word in words])
                run([word.replace("cell_tomogram.mrc", "cell_tomogram_bin2.mrc") for word in words] + ["--rescale"])
    for written in ("spectrum.png", "masks/cell_tomogram__mask.mrc", "counts.csv", "particles.star"):
        assert Path(written).stat().st_size > 0, written


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{p.name}" for p in ROOT.glob("docs/*.md"))]
)
def test_links_and_pictures_of_a_page_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#\s]+)", text) if not target.startswith("http")]
    missing = [target for target in targets if not ((ROOT / page).parent / target).exists()]
    assert not missing, f"{page} links to {missing}"
