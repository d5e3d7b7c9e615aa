"""The run folder: where a run goes, what may begin there, and who may write."""

import json
import os
import re

import pytest

from experiments import run_folder
from experiments.run_folder import Output, RunFolder, WrittenElsewhere, resumed
from h2o_jax.errors import CheckpointError, ConfigError
from tests.commands import write_run


def lines(*epochs):
    return [{"epoch": epoch, "label": "none", "seed": 0} for epoch in epochs]


# --- place ----------------------------------------------------------------------


def test_a_run_goes_where_it_is_told_or_to_a_fresh_folder(tmp_path):
    named = Output(run_dir=str(tmp_path / "a"))
    assert run_folder.place(named, "hopper", "sac") == tmp_path / "a"
    resumed = Output(resume=str(tmp_path))
    assert run_folder.place(resumed, "hopper", "sac") == tmp_path
    fresh = run_folder.place(Output(), "hopper", "sac")
    assert fresh.parent.name == "runs" and fresh.name.startswith("hopper-sac-2")
    assert not (tmp_path / "a").exists()  # naming a place makes nothing


def test_a_resumed_run_has_no_other_folder(tmp_path):
    both = Output(resume=str(tmp_path), run_dir=str(tmp_path / "other"))
    with pytest.raises(ConfigError, match="stays in its folder; drop it"):
        run_folder.place(both, "hopper", "sac")


@pytest.mark.fault
def test_a_folder_in_use_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(ConfigError, match=f"--resume={tmp_path}"):
        run_folder.place(Output(run_dir=str(tmp_path)), "hopper", "sac")


def test_a_lock_alone_leaves_a_folder_free(tmp_path):
    assert run_folder.is_free(tmp_path / "absent")
    assert run_folder.is_free(tmp_path)
    (tmp_path / "run.lock").touch()
    assert run_folder.is_free(tmp_path)
    assert not run_folder.is_free(tmp_path / "run.lock")  # a file
    (tmp_path / "flags.flags").touch()
    assert not run_folder.is_free(tmp_path)


@pytest.mark.fault
def test_a_damaged_end_of_a_line_is_told(tmp_path):
    record = RunFolder(tmp_path)
    record.write(lines(0, 1, 2))
    record.close()
    file = tmp_path / run_folder.METRICS
    whole = file.read_bytes()
    for place in (i for i, byte in enumerate(whole[:-1]) if byte == ord("\n")):
        for bit in range(8):
            changed = bytearray(whole)
            changed[place] ^= 1 << bit
            file.write_bytes(changed)
            with pytest.raises(CheckpointError):
                run_folder.metrics(tmp_path)


def test_what_has_only_begun_holds_nothing(tmp_path):
    record = RunFolder(tmp_path)
    assert run_folder.has_only_begun(tmp_path)
    record.write(lines(0, 0))
    assert run_folder.has_only_begun(tmp_path)
    record.write(lines(1))
    assert not run_folder.has_only_begun(tmp_path)  # something was learned, and is lost
    record.close()


@pytest.mark.fault
def test_a_checkpoint_that_was_cut_short_is_none(tmp_path):
    assert not run_folder.has_checkpoint(tmp_path)
    (tmp_path / "checkpoint" / "4.orbax-checkpoint-tmp" / "state").mkdir(parents=True)
    (tmp_path / "checkpoint" / "3" / "policy").mkdir(parents=True)
    assert not run_folder.has_checkpoint(tmp_path)  # policies alone do not go on
    (tmp_path / "checkpoint" / "4" / "state").mkdir(parents=True)
    assert run_folder.has_checkpoint(tmp_path)


def test_a_resumed_run_reads_its_log_as_before(tmp_path):
    robot = {"observations": [{"name": "x", "low": 0.1}], "actions": [{"name": "u"}]}
    write_run(tmp_path, robot=robot)
    resumed.check_robot(tmp_path, robot)
    other = {**robot, "actions": [{"name": "v"}]}
    with pytest.raises(CheckpointError, match="actions are read otherwise than there"):
        resumed.check_robot(tmp_path, other)
    write_run(tmp_path)  # of an earlier version
    resumed.check_robot(tmp_path, robot)


@pytest.mark.fault
@pytest.mark.parametrize(
    ("fact", "message"),
    [("data", "is another log now"), ("reading", "is read otherwise now")],
)
def test_a_resumed_run_learns_from_its_log_alone(tmp_path, fact, message):
    facts = {
        "data": {"name": "log.csv", "sha256": "a"},
        "reading": {"columns": "b"},
    }
    write_run(tmp_path, **facts)
    resumed.check_log(tmp_path, facts)
    other = {"data": {"name": "log.csv", "sha256": "c"}, "reading": {"columns": "c"}}
    other = facts | {fact: other[fact]}
    with pytest.raises(CheckpointError, match=f"log.csv {message}; restore"):
        resumed.check_log(tmp_path, other)
    write_run(tmp_path)  # of an earlier version
    resumed.check_log(tmp_path, other)


# --- writing --------------------------------------------------------------------


def test_a_run_that_was_killed_while_it_began_begins_again(tmp_path, monkeypatch):
    record = RunFolder(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(run_folder.sealed, "digest", lambda text: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            record.begin("--seed=3\n", {"runs": "killed"})
    record.close()
    assert run_folder.is_free(tmp_path)
    record = RunFolder(tmp_path)
    record.begin("--seed=3\n", {"runs": "again"})
    record.close()
    assert run_folder.versions(tmp_path)["runs"] == "again"
    assert not run_folder.is_free(tmp_path)


def test_two_runs_of_one_second_have_folders_of_their_own():
    assert run_folder.fresh("hopper", "bc") != run_folder.fresh("hopper", "bc")


def test_one_process_writes_at_a_time(tmp_path):
    first = RunFolder(tmp_path / "run")
    with pytest.raises(ConfigError, match="another process is writing there"):
        RunFolder(tmp_path / "run")
    first.close()
    RunFolder(tmp_path / "run").close()


@pytest.mark.fault
def test_a_place_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"--run_dir=.*file/run: Not a directory"):
        RunFolder(tmp_path / "file" / "run")


def test_flags_and_facts_are_kept_and_read_back(tmp_path):
    record = RunFolder(tmp_path)
    record.begin("--seed=3\n--columns=a=b\n", {"runs": [1, 2]})
    record.begin("--seed=3\n--epochs=9\n", {"runs": "of the resumed run"})
    record.close()
    assert run_folder.flags(tmp_path) == {"seed": "3", "epochs": "9"}
    found = run_folder.versions(tmp_path)
    assert found["runs"] == [1, 2] and len(found["resumed"]) == 1
    with pytest.raises(CheckpointError, match="no run folder"):
        run_folder.flags(tmp_path / "absent")


@pytest.mark.fault
@pytest.mark.parametrize("name", ["flags.flags", "versions.json", "metrics.jsonl"])
@pytest.mark.parametrize("edit", ["digit", "cut", "bytes", "deep", "bare", "pipe"])
def test_what_was_edited_or_damaged_is_refused_by_name(tmp_path, name, edit):
    record = RunFolder(tmp_path)
    record.begin("--seed=3\n", {"runs": [{"seed": 3}]})
    record.write([{"epoch": 3}])
    record.close()
    path, text = tmp_path / name, (tmp_path / name).read_text()
    if edit == "digit":
        path.write_text(
            text.replace("seed", "sead").replace("3}", "4}").replace(": 3,", ": 5,")
        )
    elif edit == "cut":
        path.write_text(text[: len(text) // 2] + "\n")
    elif edit == "bytes":
        path.write_bytes(b"\xff\xfe" + text.encode())
    elif edit == "deep":
        path.write_text("[" * 100_000 + "\n")
    elif edit == "bare":
        path.write_text('{"epoch": 3}\n')
    else:
        path.unlink()
        os.mkfifo(path)
    read = {
        "flags.flags": run_folder.flags,
        "versions.json": run_folder.versions,
        "metrics.jsonl": run_folder.metrics,
    }[name]
    with pytest.raises(CheckpointError, match=name):
        read(tmp_path)


@pytest.mark.fault
def test_a_resumed_run_writes_later_epochs_again(tmp_path):
    record = RunFolder(tmp_path)
    record.write(lines(0, 1, 2, 3))
    record.close()
    cut = json.dumps(lines(4)[0])[:-5]
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write(cut)
    # The last line was cut short by a kill: no reader takes it for a line.
    assert run_folder.metrics(tmp_path) == lines(0, 1, 2, 3)
    record = RunFolder(tmp_path)
    record.keep_until(2)
    record.write(lines(3))
    record.close()
    assert run_folder.metrics(tmp_path) == lines(0, 1, 2, 3)
    assert cut not in (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert "seal" in (tmp_path / "metrics.jsonl").read_text()


@pytest.mark.fault
@pytest.mark.parametrize("bit", range(8))
def test_a_flipped_last_byte_loses_no_line(tmp_path, bit):
    record = RunFolder(tmp_path)
    record.write(lines(0, 1))
    record.close()
    path = tmp_path / "metrics.jsonl"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1 << bit
    path.write_bytes(content)
    end = repr(chr(content[-1])) if bit < 7 else "is no text"
    with pytest.raises(CheckpointError, match=f"metrics.*{re.escape(end)}"):
        run_folder.metrics(tmp_path)


def test_nothing_is_dropped_where_nothing_was_written(tmp_path):
    assert run_folder.metrics(tmp_path) == []
    record = RunFolder(tmp_path)
    record.keep_until(0)
    record.close()
    assert run_folder.metrics(tmp_path) == []


def test_a_host_that_leaves_writing_to_another_writes_nothing(tmp_path):
    writer = RunFolder(tmp_path / "run")
    writer.write(lines(0))
    writer.close()
    before = sorted(x.name for x in (tmp_path / "run").iterdir())
    for folder in (tmp_path / "run", tmp_path / "absent"):
        record = WrittenElsewhere(folder)
        record.begin("--seed=3\n", {"runs": []})
        record.keep_until(-1)
        record.write(lines(1))
        record.close()
        assert record.path == folder
    assert sorted(x.name for x in (tmp_path / "run").iterdir()) == before
    assert run_folder.metrics(tmp_path / "run") == lines(0)
    assert not (tmp_path / "absent").exists()
