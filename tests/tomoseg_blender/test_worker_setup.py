"""The worker's environment is made, checked, repaired and removed; failure and Cancel leave nothing. All offline."""

import base64
import hashlib
import json
import os
import shutil
import sys
import zipfile
from pathlib import Path

import bpy
import pytest
from packaging.markers import Marker

ANSWER = {"packages": {"torch": "2.13.0", "tiny": "1.0"}, "python": "3.11.7", "executable": "py", "device": "CPU"}
BASE = os.environ.get("TOMOSEG_TEST_WORKER", sys.executable)  # of a Blender whose Python has no venv, the worker's
CHECK = f"import tiny; print('RESULT ' + {json.dumps(ANSWER)!r})"


def make_wheel(folder: Path, name: str = "tiny", needs: str = "") -> Path:
    """The smallest wheel that pip installs: one module without content."""
    info = f"{name}-1.0.dist-info"
    required = f"Requires-Dist: {needs}\n" if needs else ""
    files = {
        f"{name}.py": b"",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{required}".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [f"{path},sha256={_digest(content)},{len(content)}" for path, content in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]).encode()
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for inside, content in files.items():
            wheel.writestr(inside, content)
    return path


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def setup(part):
    return part("tomoseg_blender.worker_setup")


def plan_in(setup, folder: Path, python: Path):
    """A set-up of one tiny wheel, in a folder whose name has spaces and letters beyond ASCII."""
    make_wheel(folder / "wheels")
    (folder / "requirements.txt").write_text("tiny  # the only one\n")
    (folder / "constraints.txt").write_text("tiny==1.0\n")
    return setup.Plan(
        folder=folder / "Größe und Ort" / "worker",
        python=python,
        wheels=folder / "wheels",
        requirements=folder / "requirements.txt",
        constraints=folder / "constraints.txt",
        check=CHECK,
    )


@pytest.fixture(scope="module")
def made(setup, tmp_path_factory):
    """A real set-up, as with *Set up with*: (plan, what its check found)."""
    plan = plan_in(setup, tmp_path_factory.mktemp("made"), Path(BASE))
    return plan, finish(setup.Setup(plan, lambda: False, 0.05).run())


@pytest.fixture(scope="module")
def quick_python(made, tmp_path_factory) -> Path:
    """A Python that copies that environment, empty again, where it is asked for a new one: it saves seconds."""
    path = tmp_path_factory.mktemp("quick") / "python"
    copy = f'cp -r "{made[0].folder}" "$last" && rm -r "$last/finished.json" "$last"/lib/python*/site-packages/tiny*'
    path.write_text(f'#!/bin/sh\nfor last; do :; done\ncase "$*" in *venv*) {copy};; *) exec "{BASE}" "$@";; esac\n')
    path.chmod(0o755)
    return path


@pytest.fixture
def plan(setup, tmp_path, quick_python):
    return plan_in(setup, tmp_path, quick_python)


def changed(plan, **fields):
    return type(plan)(**{**vars(plan), **fields})


def finish(steps) -> dict:
    """Run a set-up to its end; its progress only grows."""
    last = 0.0
    while True:
        try:
            progress = next(steps)
        except StopIteration as end:
            return end.value
        assert progress.fraction >= last
        last = progress.fraction


def left(plan) -> list[str]:
    return sorted(entry.name for entry in plan.folder.parent.glob("*"))


def half_made(plan) -> None:
    (plan.folder / "bin").mkdir(parents=True)
    (plan.folder / "bin" / "python").write_text("")


def test_an_environment_is_made_checked_and_measured(setup, made):
    plan, result = made
    assert result["packages"]["tiny"] == "1.0"
    assert result["size_bytes"] > 1_000_000  # pip itself
    assert setup.finished_result(plan) == result
    assert left(plan) == ["worker", "worker_setup.log"]
    assert "Successfully installed tiny-1.0" in plan.log.read_text(encoding="utf-8")


def copied(made, plan):
    """The plan with the finished environment at its place."""
    shutil.copytree(made[0].folder, plan.folder, symlinks=True)
    return plan


def test_another_list_of_packages_and_a_damaged_marker_ask_for_a_new_set_up(setup, made, plan):
    copied(made, plan)
    assert setup.finished_result(plan) == made[1]
    plan.requirements.write_text("tiny==1.0\n")
    assert setup.finished_result(plan) is None
    plan.requirements.write_text("tiny  # the only one\n")
    (plan.folder / "finished.json").write_text("{")
    assert setup.finished_result(plan) is None


def test_a_repair_that_fails_leaves_the_environment_of_before(setup, made, plan):
    broken = changed(copied(made, plan), check="raise SystemExit('no kernel for this GPU')")
    with pytest.raises(Exception, match=r"a training step failed \(no kernel for this GPU\), so they were removed"):
        finish(setup.Setup(broken, lambda: False, 0.05).run())
    assert setup.finished_result(plan) == made[1]
    assert left(plan) == ["worker", "worker_setup.log"]


def test_removing_takes_that_folder_and_never_what_a_link_in_it_leads_to(setup, plan):
    half_made(plan)
    neighbour = plan.folder.with_name("worker of somebody else")
    neighbour.mkdir()
    (plan.folder / "link").symlink_to(neighbour, target_is_directory=True)
    (neighbour / "kept.txt").write_text("kept")
    for _ in setup.removal(plan.folder):
        pass
    assert left(plan) == ["worker of somebody else"]
    plan.folder.symlink_to(neighbour, target_is_directory=True)
    for _ in setup.removal(plan.folder):
        pass
    assert (neighbour / "kept.txt").read_text() == "kept"


@pytest.mark.parametrize("stage", ["Making", "Looking", "Checking"])
def test_cancel_at_any_stage_leaves_nothing_and_no_process(setup, plan, stage):
    half_made(plan)  # a set-up before this one ended in a crash
    asked, seen, children = [], set(), []
    slow = changed(plan, check="import time; print('begun', flush=True); time.sleep(60)")
    job = setup.Setup(slow, lambda: bool(asked), 0.05)
    with pytest.raises(setup.SetupCancelled, match="cancelled; nothing is left of it"):
        for progress in _noting(setup, job, children):
            seen.add(progress.message.split()[0])
            if stage in seen:
                asked.append(True)
    assert left(plan) == []
    assert children
    assert not [number for number in children if _runs(number)]


def _noting(setup, job, children):
    original = job._follow

    def follow(child):
        children.append(child.process_id)
        return original(child)

    job._follow = follow
    return job.run()


def _runs(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_set_up_that_is_dropped_when_blender_quits_leaves_nothing(setup, plan):
    steps = setup.Setup(plan, lambda: False, 0.05).run()
    while not plan.folder.exists():
        next(steps)
    steps.close()
    assert left(plan) == []


def test_a_wheel_that_is_missing_is_named_and_nothing_but_the_log_is_left(setup, plan):
    make_wheel(plan.wheels, needs="absent-part>=3")
    with pytest.raises(
        Exception, match=r"has no wheel of absent-part>=3 for Python 3\.11\.\d+ on .*: add it"
    ) as failed:
        finish(setup.Setup(plan, lambda: False, 0.05).run())
    assert "\n" not in str(failed.value)
    assert left(plan) == ["worker_setup.log"]
    assert "absent-part" in plan.log.read_text(encoding="utf-8")


def test_a_program_that_is_no_python_is_refused(setup, plan, tmp_path):
    fake = tmp_path / "blender"
    fake.write_text("#!/bin/sh\necho Blender 4.5\n")
    with pytest.raises(Exception, match=r"blender cannot be started .*name another Python"):
        finish(setup.Setup(changed(plan, python=fake), lambda: False, 0.05).run())
    fake.chmod(0o755)
    with pytest.raises(Exception, match="blender is no Python: name another one"):
        finish(setup.Setup(changed(plan, python=fake), lambda: False, 0.05).run())
    fake.write_text("#!/bin/sh\necho Python 3.9.2\n")
    with pytest.raises(Exception, match=r"blender is Python 3\.9\.2, but the worker needs 3\.11 or later"):
        finish(setup.Setup(changed(plan, python=fake), lambda: False, 0.05).run())
    fake.write_text('#!/bin/sh\ncase "$*" in *venv*) echo no module venv; exit 1;; *) echo Python 3.12.1;; esac\n')
    with pytest.raises(Exception, match=r"blender cannot make an environment \(no module venv\)"):
        finish(setup.Setup(changed(plan, python=fake), lambda: False, 0.05).run())
    words = "echo The environment was not made because ensurepip is not; echo available."
    fake.write_text(f'#!/bin/sh\ncase "$*" in *venv*) {words}; exit 1;; *) echo Python 3.12.1;; esac\n')
    with pytest.raises(Exception, match=r"cannot make an environment \(it has no ensurepip\): name another Python"):
        finish(setup.Setup(changed(plan, python=fake), lambda: False, 0.05).run())
    assert left(plan) == ["worker_setup.log"]


def test_what_a_crash_left_is_put_right(setup, plan):
    half_made(plan)
    plan.before.mkdir()
    (plan.before / "old.txt").write_text("finished once")
    for _ in setup.Setup(plan, lambda: False, 0.05)._undo():
        pass
    assert (plan.folder / "old.txt").read_text() == "finished once"
    assert left(plan) == ["worker"]


def test_two_blenders_do_not_set_up_at_once(setup, part, plan):
    lock = plan.folder.with_name("worker_setup.lock")
    with part("tomoseg_blender.setup_lock").held(lock), pytest.raises(Exception, match="Another Blender sets up"):
        finish(setup.Setup(plan, lambda: False, 0.05).run())
    assert left(plan) == []


def test_pips_command_takes_index_wheels_and_pins_as_they_fit(setup, plan):
    offline = setup.pip_command(plan, "3.11.7", (23, 2, 1))
    assert offline[-3:] == ["--no-index", "--find-links", str(plan.wheels)]
    assert ("-c" in offline, "raw" in offline) == (True, False)
    online = changed(plan, wheels=None, package_index="https://own/", torch_index="https://torch/")
    words = setup.pip_command(online, "3.13.1", (25, 0))
    assert words[-4:] == ["--index-url", "https://own/", "--extra-index-url", "https://torch/"]
    assert ("-c" in words, "raw" in words) == (True, True)
    assert "-c" not in setup.pip_command(online, "3.15.0", (25, 0))
    plain = setup.pip_command(changed(plan, wheels=None), "3.11.7", (24, 1))
    assert not [word for word in plain if word.startswith(("--index", "--extra-index", "--find-links", "--no-index"))]


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_each_package_of_the_worker_has_one_pinned_version_for_each_python(setup, version):
    assert setup.uses_constraints(f"{version}.2")
    pinned = []
    for line in setup.CONSTRAINTS.read_text().splitlines():
        pin, _, marker = (part.strip() for part in line.partition(";"))
        if not marker or Marker(marker).evaluate({"python_version": version}):
            pinned.append(pin.partition("==")[0].lower().replace("_", "-"))
    for wanted in setup.required_packages():
        assert pinned.count(wanted.partition("==")[0]) == 1, wanted
    assert len(pinned) == len(set(pinned))


def test_offline_nothing_of_pips_own_settings_is_used(setup, monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", "somewhere")
    monkeypatch.setenv("PIP_TARGET", "elsewhere")
    monkeypatch.setenv("PYTHONHOME", "blender")
    offline, online = setup.environment(offline=True), setup.environment(offline=False)
    assert (offline["PIP_CONFIG_FILE"], "PIP_FIND_LINKS" in offline) == (os.devnull, False)
    assert online["PIP_FIND_LINKS"] == "somewhere"
    assert not {"PIP_TARGET", "PYTHONHOME"} & {*offline, *online}


def test_without_permission_the_sentence_tells_the_switch_and_the_wheels(setup, plan, tmp_path):
    online = changed(plan, wheels=None, requirements=setup.REQUIREMENTS)
    sentence = setup.refusal(online, online=False)
    assert sentence.startswith(
        "Blender may not use the network: switch on Edit > Preferences > System > Network > Allow"
    )
    assert len(sentence) < 200, "Blender cuts what an operator's poll says after 256 letters, its own words included"
    assert setup.wheels_to_bring(online).startswith("Wheels to bring: torch==2.13.0, numpy, mrcfile")
    assert setup.refusal(online, online=True) is None
    assert setup.refusal(plan, online=False) is None
    assert "holds no wheels" in setup.refusal(changed(plan, wheels=tmp_path / "none"), online=False)
    assert "must begin with https://" in setup.refusal(changed(online, torch_index="cu130"), online=True)


def test_the_report_names_build_size_and_memory(setup):
    found = {"torch_build": "2.13.0+cu130", "cuda": "13.0", "size_bytes": 5_430_000_000, "training_step_seconds": 0.012}
    found |= {"memory_gb": 64.0, "gpu_memory_gb": 24.0, "warning": None, "note": "Python 3.13"}
    assert setup.report_lines(found) == [
        "torch 2.13.0+cu130 (CUDA 13.0 build); 5.43 GB on disk",
        "A small training step took 0.012 s",
        "64.0 GB of memory, 24.0 GB of GPU memory",
        "Python 3.13",
    ]


@pytest.fixture
def chosen(setup, plan, part, monkeypatch):
    """The preferences, with the tiny wheel's folder named in them; the real list of packages is replaced."""
    preferences = part("tomoseg_blender.preferences")
    own = bpy.context.preferences.addons["bl_ext.user_default.tomoseg"].preferences
    real = preferences.Plan
    parts = {"requirements": plan.requirements, "constraints": plan.constraints, "check": CHECK}
    monkeypatch.setattr(preferences, "Plan", lambda **fields: real(**fields, **parts))
    own.wheels, own.base_python = str(plan.wheels), str(plan.python)
    yield own
    own.wheels = own.base_python = own.report = ""


def test_buttons_set_up_use_keep_and_remove_the_worker(chosen, setup, part, monkeypatch):
    preferences = part("tomoseg_blender.preferences")
    bpy.ops.tomoseg.install_worker()
    assert chosen.report.splitlines()[0] == "The worker is complete and computes on CPU."
    monkeypatch.delenv("TOMOSEG_PYTHON")
    assert preferences.find_python("") == (preferences.own_python(), "set up by Tomoseg")
    made = preferences.own_python().lstat().st_mtime_ns
    bpy.ops.tomoseg.install_worker()
    assert chosen.report.startswith("The worker is set up already")
    assert preferences.own_python().lstat().st_mtime_ns == made
    (preferences.own_folder() / "finished.json").unlink()
    assert not setup.is_finished(preferences.own_folder())  # and so it is not used any more
    bpy.ops.tomoseg.remove_worker()
    assert not preferences.own_folder().exists()
    assert bpy.ops.tomoseg.remove_worker() == {"FINISHED"}  # nothing there, nothing wrong


def test_the_terminal_sets_up_checks_and_removes_the_worker(chosen, part, plan, monkeypatch, capsys):
    run, preferences = part("tomoseg_blender.setup_command").run, part("tomoseg_blender.preferences")
    chosen.wheels = chosen.base_python = ""
    bpy.context.preferences.system.use_online_access = False
    assert run([]) == 1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("tomoseg_worker: Blender may not use the network: switch on") and "bring: tiny," in said
    assert run(["--python", str(plan.python), "--wheels", str(plan.wheels)]) == 0
    assert "The worker is complete and computes on CPU." in capsys.readouterr().out
    assert preferences.own_python().is_file()
    assert run(["--repair", "--wheels", str(plan.wheels.parent)]) == 1
    assert "holds no wheels" in capsys.readouterr().err
    assert run(["--remove"]) == 0 and not preferences.own_folder().exists()
    assert run(["--remove", "--check"]) == 2


def test_a_failing_set_up_is_one_sentence_of_the_button(chosen, part, plan):
    plan.requirements.write_text("absent\n")
    with pytest.raises(RuntimeError, match="has no wheel of absent for Python 3") as failed:
        bpy.ops.tomoseg.install_worker()
    assert "Traceback" not in str(failed.value)
    assert not part("tomoseg_blender.preferences").own_folder().exists()
    assert part("tomoseg_blender.jobs").running() is None


def test_without_wheels_and_permission_the_button_says_what_to_do(chosen):
    chosen.wheels = ""
    bpy.context.preferences.system.use_online_access = False
    with pytest.raises(RuntimeError, match="Blender may not use the network: switch on Edit > Preferences > System"):
        bpy.ops.tomoseg.install_worker()
    with pytest.raises(RuntimeError, match=r"or name a folder of wheels .*how to fetch them\)\."):
        bpy.ops.tomoseg.repair_worker()


def test_in_a_window_the_timer_takes_the_steps_and_cancel_removes_all(chosen, part, monkeypatch):
    jobs, operators = part("tomoseg_blender.jobs"), part("tomoseg_blender.operators.worker_setup")
    steps = operators._told(
        part("tomoseg_blender.worker_setup").Setup(operators.setup_plan(), operators._cancelling).run(), print
    )
    job = jobs.Job("worker_setup", operators.TITLE, "Scene", None, operators._set_up, steps=steps, watches=True)
    handle = part("tomoseg_blender.worker").HANDLE
    handle.job = job
    for _ in range(3):
        assert jobs.poll() == jobs.POLL_SECONDS
    jobs.cancel()
    while jobs.poll() is not None:
        pass
    assert "cancelled; nothing is left of it" in jobs.outcome("worker_setup").sentence
    assert not part("tomoseg_blender.preferences").own_folder().exists()
