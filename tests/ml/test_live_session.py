"""A live session, told what to do turn by turn: it learns, shows, forgets, finishes, and keeps what it has learned."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ml import eight_bits, live_learner, live_session, live_view, train
from ml.live_boxes import NO_PAINTED_BOX
from ml.live_start import checkpoint_path
from ml.network_file import load_info, load_network
from ml.networks import PRESETS
from ml.report import Cancelled, Silent
from tests.ml.live_projects import FEATURE, NAME, annotate, negative, paint, positive, ring_project
from tests.ml.live_scripts import VIEW, Script, session, steps, until_cancelled
from tests.ml.scenes import SHAPE, ring_scene
from tomo.errors import TomosegError
from tomo.geometry import Geometry
from tomo.labels import IGNORE
from tomo.mrc import write_mrc
from tomo.preprocessing import Preprocessing
from tomo.standing import standing


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """A small network on one core, of which the first views are shown early."""
    monkeypatch.setitem(PRESETS, "default", ("unet", {"width": 4, "depth": 2, "fold": 2}))
    monkeypatch.setitem(PRESETS, "classic", ("classic", {"kernels": [3, 1], "sizes": [5, 5], "pools": [2, 1]}))
    monkeypatch.setattr(live_learner, "USEFUL_STEPS", 10)
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def project(tmp_path):
    return ring_project(tmp_path / "project")


CHANGED = [{"command": "changed"}]


def test_it_waits_for_the_first_painted_box_and_then_learns(project):
    script, _ = until_cancelled(
        project, *steps(3), lambda: annotate(project, positive()), CHANGED, *steps(5), [{"command": "pause"}], []
    )
    assert [told["message"] for told in script.events("message")] == [NO_PAINTED_BOX]
    waiting, learning = script.events("state")[0], script.events("state")[-1]
    assert (waiting["waiting"], waiting["step"], waiting["positives"]) == (True, 0, 0)
    assert (learning["waiting"], learning["positives"], learning["negatives"]) == (False, 1, 0)
    assert learning["step"] >= 5
    assert np.isfinite(learning["loss"])
    assert learning["paused"]


def test_what_it_shows_becomes_what_was_painted(project, monkeypatch):
    monkeypatch.setattr(live_view, "OFTEN", 0.0)
    monkeypatch.setattr(live_view, "SHARE", 0.0)
    annotate(project, positive(0), positive(2), negative())
    script, _ = until_cancelled(project, [VIEW], *steps(60), learning_rate=0.01)
    found, told = script.shown[-1]
    assert (told["tomogram"], told["feature"], told["z"], told["region"]) == (NAME, FEATURE, 1, [0, 0, *SHAPE[:0:-1]])
    assert told["step"] == 60
    truth = ring_scene()[1][1] == 1
    assert found.shape == truth.shape
    assert np.corrcoef(found.ravel(), truth.ravel())[0, 1] > 0.3


def test_a_new_view_is_shown_at_once_even_while_it_rests(project):
    annotate(project, positive(), negative())
    part = {**VIEW, "z": 4, "region": [10, 20, 30, 25]}
    script, _ = until_cancelled(project, *steps(12), [{"command": "pause"}], [VIEW, {**VIEW, "z": 3}], [part], [], [])
    assert [told["z"] for _, told in script.shown] == [3, 4]  # the first one was outdated before its turn came
    assert script.shown[-1][0].shape == (25, 30)
    assert script.shown[-1][1]["region"] == [10, 20, 30, 25]


def test_changed_labels_enter_without_a_command_too(project, monkeypatch):
    monkeypatch.setattr(live_session, "LOOK_SECONDS", 0.0)
    box = positive()
    annotate(project, box)
    added = negative()
    _, running = until_cancelled(
        project, *steps(2), lambda: paint(project, box, value=1), [], lambda: annotate(project, added), [], []
    )
    trainset = running._learner.trainer.trainset
    assert (trainset.labels[trainset.positive] == 1).sum() == box.size**2
    assert len(trainset) == 2


def test_a_project_that_goes_away_and_comes_back_is_told_and_learning_goes_on(project, tmp_path, monkeypatch):
    """As where a share is unmounted: "no painted box yet" or "import the tomogram first" would mislead."""
    monkeypatch.setattr(live_session, "LOOK_SECONDS", 0.0)
    annotate(project, positive(), negative())
    away = tmp_path / "away"
    turns = [
        *steps(3),
        lambda: project.folder.rename(away),
        *steps(3),
        [VIEW],
        *steps(3),
        lambda: away.rename(project.folder),
        lambda: annotate(project, positive(3)),
        *steps(3),
    ]
    with standing([project.folder]):
        script, running = until_cancelled(project, *turns)
    told = [event["message"] for event in script.events("message")]
    assert told == [f"The project folder {project.folder} is gone: put it back, or open the project where it is now."]
    positives = [event["positives"] for event in script.events("state")]
    assert 0 not in positives[1:] and positives[-1] == 2
    assert running._learner.trainer.steps_done >= 10
    assert checkpoint_path(project, FEATURE).is_file()


def test_forgetting_goes_back_and_the_boxes_stay(project):
    annotate(project, positive(), negative())
    seen = []

    def look():
        seen.append(running._learner.trainer.steps_done)

    script = Script(*steps(6), look, [{"command": "forget", "seconds": 60}], look, [], [{"command": "pause"}], [])
    running = session(project, script)
    with pytest.raises(Cancelled):
        running.run()
    assert seen[0] >= 6
    assert seen[1] <= 2  # the oldest checkpoint there is, and what was learned since
    assert script.events("state")[-1]["positives"] == 1


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ({"command": "dance"}, "knows no command 'dance'"),
        ({**VIEW, "z": 99}, "slices 0 to 4"),
        ({**VIEW, "z": "top"}, "A view is a tomogram"),
        ({**VIEW, "region": [1, 2]}, "A view is a tomogram"),
        ({**VIEW, "region": [900, 0, 5, 5]}, "lies outside rings"),
        ({**VIEW, "tomogram": "lost"}, "There is no tomogram 'lost'"),
        ({"command": "forget", "seconds": "all"}, "no number of seconds"),
        ({"command": "next_box", "tomogram": "lost"}, "There is no tomogram 'lost'"),
    ],
)
def test_impossible_commands_are_told_in_a_sentence_and_it_goes_on(project, command, words):
    annotate(project, positive(), negative())
    script, running = until_cancelled(project, *steps(12), [command], *steps(3))
    assert any(words in told["message"] for told in script.events("message"))
    assert running._learner.trainer.steps_done >= 13


def test_commands_before_anything_was_learned(project):
    early = [VIEW, {"command": "forget"}, {"command": "next_box"}, {"command": "finish"}]
    script, _ = until_cancelled(project, [], early, [])
    told = [message["message"] for message in script.events("message")]
    assert told.count(NO_PAINTED_BOX) == 2  # once by itself, once for the finish
    assert sum("paint the feature in one box first" in message for message in told) == 2
    assert script.shown == []


def test_finish_without_anything_to_learn_tells_what_is_wrong_with_the_boxes(project):
    box = positive()
    paint(project, box, value=IGNORE)
    project.save_boxes([box])
    script, _ = until_cancelled(project, [], [{"command": "finish"}], [])
    told = [message["message"] for message in script.events("message")]
    assert len(told) == 2 and told[0] == told[1] and "to be ignored" in told[0]


def test_finishing_writes_what_the_batch_writes(project):
    annotate(project, positive(1), positive(3), negative())
    script = Script(*steps(4), [{"command": "finish"}], *steps(200))
    result = session(project, script).run()
    info = load_info(project.network_path(FEATURE))
    assert result["network"] == str(project.network_path(FEATURE))
    for name in ("triplets", "stack", "scores", "losses", "trainset"):
        assert project.folder in type(project.folder)(result[name]).parents, name
        assert type(project.folder)(result[name]).is_file(), name
    assert (result["amplitude"], result["threshold"]) == (info.amplitude, info.threshold)
    assert {box["kind"] for box in result["boxes"]} == {"positive", "negative"}
    assert result["iterations"] == len(info.history[-1]["losses"]) == 1
    assert result["live_steps"] >= 4
    assert not checkpoint_path(project, FEATURE).exists()


def test_a_cancelled_session_is_gone_on_with_by_the_next_one(project):
    annotate(project, positive(), negative())
    _, first = until_cancelled(project, *steps(8))
    kept = load_network(checkpoint_path(project, FEATURE))
    learned = first._learner.trainer.averaged.state_dict()
    assert all(torch.equal(value, learned[name]) for name, value in kept.module.state_dict().items())
    assert kept.info.history[-1]["steps"] == first._learner.trainer.steps_done
    script, second = until_cancelled(project, [VIEW], [])
    assert any("Going on from the last live training" in line for line in script.logged)
    assert len(script.shown) == 1  # it has something to show before its first step
    begun = second._learner.checkpoints._kept[0].state["network"]
    assert all(torch.equal(value, begun[name]) for name, value in kept.module.state_dict().items())


def test_a_fresh_start_is_possible_and_so_is_another_network(project):
    annotate(project, positive(), negative())
    until_cancelled(project, *steps(3))
    script, other = until_cancelled(project, [], [], network="classic")
    assert any("begins anew" in line for line in script.logged)
    assert other._learner.info.architecture == "classic"
    until_cancelled(project, *steps(3))
    kept = checkpoint_path(project, FEATURE)
    with pytest.raises(TomosegError, match="mps"):  # nothing was learned instead, so nothing is forgotten
        session(project, Script(), fresh=True, device="mps")
    assert kept.is_file()
    script, fresh = until_cancelled(project, [], [], fresh=True)
    assert not any("Going on" in line for line in script.logged)
    assert load_info(kept).history[-1]["steps"] == fresh._learner.trainer.steps_done


def test_a_checkpoint_that_does_not_fit_the_tomogram_any_more_begins_anew(project):
    annotate(project, positive(), negative())
    until_cancelled(project, *steps(3))
    path = project.tomogram_path(NAME)
    write_mrc(path, ring_scene()[0], Geometry((20.0, 20.0, 20.0)), [Preprocessing().to_label()])
    script, running = until_cancelled(project, *steps(3))
    assert any("begins anew" in line and "voxels of 10" in line for line in script.logged)
    assert running._learner.trainer.steps_done > 0


def test_a_trained_network_is_gone_on_with(project):
    annotate(project, positive(), negative())
    session(project, Script(*steps(2), [{"command": "finish"}], *steps(200))).run()
    trained = project.network_path(FEATURE)
    script, running = until_cancelled(project, [VIEW], [], from_trained=trained)
    assert len(running._learner.info.history) == 1
    assert len(script.shown) == 1


def test_a_loss_that_explodes_is_told_and_learning_goes_on_from_before(project):
    annotate(project, positive(), negative())

    def spoil():
        with torch.no_grad():
            for value in running._learner.trainer.network.parameters():
                value.mul_(float("nan"))

    script = Script(*steps(3), spoil, *steps(6))
    running = session(project, script)
    with pytest.raises(Cancelled):
        running.run()
    assert any("exploded" in told["message"] for told in script.events("message"))
    assert np.isfinite(running._learner.loss)


def test_the_next_box_lies_where_no_box_is(project):
    annotate(project, positive(), negative())
    ask = [{"command": "next_box", "tomogram": NAME}]
    script, _ = until_cancelled(project, *steps(20), ask, ask, [])
    first, second = script.events("next_box")
    assert first["box"] != second["box"]
    for told in (first, second):
        box = told["box"]
        assert (box["tomogram"], box["size"]) == (NAME, 24)
        assert 12 <= box["x"] <= SHAPE[2] - 12
        assert 12 <= box["y"] <= SHAPE[1] - 12
        assert 0 <= box["z"] < SHAPE[0]
        assert told["reason"].startswith("The network is least sure here")
        assert max(abs(box["x"] - 25), abs(box["y"] - 22)) >= 24


def test_after_a_change_the_shown_network_follows_at_once_and_calms_down_again(project):
    annotate(project, positive(1), negative())
    _, running = until_cancelled(
        project, *steps(30), lambda: annotate(project, negative(20, 60, 3)), CHANGED, *steps(3)
    )
    learner = running._learner
    soon = learner.memory
    assert 0.3 < soon < 0.6
    for _ in range(40):
        learner.step()
    assert soon < learner.memory < live_learner.AVERAGE
    learner._since_change += 200
    assert learner.memory == live_learner.AVERAGE
    assert learner._recipe.average == 0.99  # what Finish goes on with


@pytest.mark.parametrize("members", [1, 2])
def test_finishing_is_the_batch_training_to_the_bit(project, monkeypatch, members):
    """Finish without a live step before it, and `tomoseg train` on the same boxes: the same network and triplets."""
    if members > 1:
        monkeypatch.setitem(PRESETS, "default", ("unets", {"members": members, "width": 4, "depth": 2, "fold": 2}))
    annotate(project, positive(1), positive(3), negative())
    live = session(project, Script([{"command": "finish"}], *steps(200))).run()
    files = [project.network_path(FEATURE), *(Path(live[name]) for name in ("triplets", "stack", "scores", "losses"))]
    written = {path: path.read_bytes() for path in files}
    for path in files:
        path.unlink()
    batch = train.run(train.Options(project=project.folder, feature=FEATURE, iterations=1, threads=1), Silent())
    assert live.pop("live_steps") == 0
    assert Path(live.pop("trainset")) == project.trainset_path(FEATURE)
    for result in (live, batch):
        result.pop("seconds")
    assert live == batch
    weights, expected = load_network(files[0]), tmp_network(written[files[0]], project)
    assert weights.info.amplitude == expected.info.amplitude
    assert weights.info.eight_bits == expected.info.eight_bits
    assert weights.info.eight_bits is not None or not eight_bits.supported()
    for name, values in weights.module.state_dict().items():
        assert torch.equal(values, expected.module.state_dict()[name]), name
    for path in files[1:3]:
        assert path.read_bytes() == written[path], path


def tmp_network(content, project):
    """The network whose file held these bytes."""
    path = project.folder / "before.safetensors"
    path.write_bytes(content)
    return load_network(path)
