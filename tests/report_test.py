"""The page on a training: its numbers, its sections, and what it must not contain."""

import html
import html.parser
import json
import pathlib
import re
import shutil
import subprocess

import matplotlib.image
import pytest

from experiments import judge, report, run, run_folder
from experiments.cli.flags import Flags
from experiments.reporting import evaluated, returns, verdict
from experiments.run_folder import sealed
from h2o_jax.errors import CheckpointError, ConfigError
from tests.commands import TINY, call, parsed, write_log

pytestmark = pytest.mark.usefixtures("fast_compile")


class Reader(html.parser.HTMLParser):
    """Titles, texts, and everything that a browser would fetch."""

    def __init__(self, text):
        super().__init__()
        self.fetched, self.tags = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            if name.split(":")[-1] in ("src", "href", "data", "action"):
                self.fetched += [] if value.startswith("#") else [value]


def read(path):
    """The text of each section of a page that fetches nothing."""
    text = path.read_text()
    found = Reader(text)
    assert not found.fetched and not {"script", "link", "iframe"} & set(found.tags)
    # Names of XML's own are no addresses.
    assert "://" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", text)
    assert "url(" not in re.sub(r"url\(#", "", text) and "@import" not in text
    parts = re.findall(r"<h2>(.*?)</h2>(.*?)</section>", text, re.DOTALL)
    return {html.unescape(title): html.unescape(body) for title, body in parts}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Tiny runs: from both, from the log alone, and without a real system."""
    folder = tmp_path_factory.mktemp("report")
    log = write_log(folder / "log.hdf5", rows=1200)
    kinds = {
        "both": ("--seed=0,1",),
        "log": ("--algorithm=iql", "--expectile=0.7,0.9"),
        # As many seeds as above: one program, which is compiled once.
        "unknown": ("--real=unknown", "--seed=0,1"),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, flags in kinds.items():
            given = "--discriminate_rows=0:16", "--epochs=2", f"--dataset={log}"
            call(run.main, patch, *TINY, *given, *flags, f"--run_dir={folder / name}")
    return folder


@pytest.fixture(scope="module")
def sections(folders):
    out = folders / "page.html"
    with pytest.MonkeyPatch.context() as patch:
        given = f"--run={folders / 'both'},{folders / 'log'}", f"--out={out}"
        call(report.main, patch, *given, "--title=<script>")
    assert "<h1>&lt;script&gt;</h1>" in out.read_text()
    return read(out)


@pytest.mark.parametrize(
    ("title", "says"),
    [
        ("Verdict", "h2o_plus from log and simulator (gap gravity:2) earns "),
        ("Verdict", "the best of the others, iql from the log alone (expectile=0."),
        ("Verdict", "Route: the simulator of --gap=gravity:2, as it is"),
        ("The log's health", "1,200, 11 observations, 3 actions"),
        ("The gap before and after correction", "<td>gravity:2</td>"),
        ("Discriminators and weights", " of the log, seen in training</td>"),
        ("Discriminators and weights", " of fresh episodes</td>"),
        ("Discriminators and weights", "effective size"),
        ("Learning curves", "<svg"),
        ("Learning curves", "log: iql from the log alone (expectile=0.7)"),
        ("Learning curves", "log: iql from the log alone (expectile=0.9)"),
        ("Q of real and simulated states", "simulated rows that the run kept"),
        ("Expected return", "the log itself"),
        ("Export contract", "thigh_joint"),
        ("Export contract", "Called at 125 Hz"),
        ("What to log next", "in units of the log's standard deviation"),
        ("Provenance", "mujoco"),
        ("Provenance", "--discriminate_rows"),
    ],
)
def test_what_the_sections_say(sections, title, says):
    assert says in sections[title]


def test_every_section_is_made(sections):
    assert list(sections) == list(report.SECTIONS)
    missing = {x: sections[x] for x in sections if "Not made" in sections[x]}
    assert [*missing] == ["Robustness over the identified intervals"]
    assert "no fields with intervals" in missing.popitem()[1]
    assert "stopped after" not in sections["Verdict"]


def made(monkeypatch, tmp_path, folder):
    out = tmp_path / "page.html"
    call(report.main, monkeypatch, f"--run={folder}", f"--out={out}")
    return read(out)


def test_a_method_without_simulator_says_what_it_lacks(folders, monkeypatch, tmp_path):
    found = made(monkeypatch, tmp_path, folders / "log")
    assert "Not made: " in found["Discriminators and weights"]
    assert "trains no discriminators" in found["Discriminators and weights"]
    assert "Route: the log only" in found["Verdict"]
    assert "keeps no simulated rows" in found["Q of real and simulated states"]


def test_without_a_real_system_estimates_stand_in(folders, monkeypatch, tmp_path):
    folder = folders / "unknown"
    subjects = [report.opened(folder, 1)]
    asked = verdict.verdict(subjects).text[0], returns.expected(subjects).text[-1]
    assert all("experiments.judge" in x for x in asked)
    small = "--fqe_updates=5", "--fqe_hidden=8", "--simulated_episodes=2"
    call(judge.main, monkeypatch, f"--run={folder}", "--discount=0.999", *small)
    found = made(monkeypatch, tmp_path, folder)
    assert "return in the simulator" in found["Expected return"]
    assert found["Discriminators and weights"].count("seen in training") == 3
    log, policy, _ = sealed.read_json(folder / run_folder.JUDGED)["policies"]
    assert f"at {policy['fqe']:.2f} ± {policy['fqe_error']:.2f}" in found["Verdict"]
    assert f"<td>{log['fqe']:.2f}</td>" in found["Expected return"]
    said = "Episodes of 1000 steps hold 63% of an endless discounted value: fqe"
    assert said in found["Expected return"]
    later = tmp_path / "later"
    shutil.copytree(folder, later)
    earlier = {**sealed.read_json(folder / run_folder.JUDGED), "epoch": 1}
    (later / run_folder.JUDGED).write_text(json.dumps(sealed.seal(earlier)))
    # Estimates from before it was trained on are of another policy.
    stopped = report.opened(later, 1)
    assert evaluated.estimates(stopped) == []
    assert "judged.json is of former policies" in evaluated.ask(stopped)


def test_folders_of_one_name_are_told_apart(folders, tmp_path):
    shutil.copytree(folders / "log", tmp_path / "log")
    subjects = [report.opened(x / "log", 1) for x in (folders, tmp_path)]
    found = [x.folder for x in evaluated.settings(subjects)]
    assert found == [*[str(folders / "log")] * 2, *[str(tmp_path / "log")] * 2]


def test_a_method_without_critics_says_so(folders, monkeypatch, tmp_path):
    log = (
        f"--dataset={folders / 'log.hdf5'}",
        "--epochs=1",
        f"--run_dir={tmp_path / 'bc'}",
    )
    call(run.main, monkeypatch, *TINY, "--algorithm=bc", *log)
    found = made(monkeypatch, tmp_path, tmp_path / "bc")
    assert "Not made: " in found["Q of real and simulated states"]
    assert "its method trains no critics" in found["Q of real and simulated states"]


@pytest.mark.fault
def test_a_log_that_is_gone(folders, monkeypatch, tmp_path):
    folder = tmp_path / "moved"
    shutil.copytree(folders / "both", folder)
    lines = "\n".join([*run_folder.flag_lines(folder), ""])
    text = lines.replace("log.hdf5", "gone.hdf5")
    seal = f"# seal {sealed.digest(text)}\n"
    (folder / run_folder.FLAGS).write_text(seal + text)
    found = made(monkeypatch, tmp_path, folder)
    for title in ("The log's health", "What to log next"):
        assert "Not made: its log cannot be read: " in found[title]
    assert "gone.hdf5" in found["The log's health"]
    for title in ("Learning curves", "Discriminators and weights", "Export contract"):
        assert "Not made" not in found[title]


def test_a_training_that_was_stopped(folders, tmp_path):
    folder = tmp_path / "stopped"
    shutil.copytree(folders / "both", folder)
    path = folder / run_folder.METRICS
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(x for x in lines if json.loads(x)["epoch"] < 2))
    (said,) = verdict.unfinished([report.opened(folder, 1)])
    assert "stopped after epoch 1 of 2; --resume=" in said


@pytest.mark.fault
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ([], ConfigError, "--run: empty"),
        (["--run=nowhere"], CheckpointError, "nowhere: no run folder"),
    ],
)
def test_what_cannot_be_reported(monkeypatch, arguments, error, message):
    with pytest.raises(error, match=message):
        call(report.main, monkeypatch, *arguments)


def test_a_folder_of_an_earlier_version(folders, monkeypatch, tmp_path):
    folder = tmp_path / "old"
    shutil.copytree(folders / "both", folder)
    facts = sealed.seal(run_folder.versions(folder) | {"system": "Linux"})
    (folder / run_folder.VERSIONS).write_text(json.dumps(facts))
    with pytest.raises(CheckpointError, match="does not name its task"):
        call(report.main, monkeypatch, f"--run={folder}")


@pytest.mark.fault
def test_a_place_that_cannot_be_written(folders, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="--out="):
        out = f"--out={tmp_path / 'file' / 'page.html'}"
        call(report.main, monkeypatch, f"--run={folders / 'both'}", out)


def test_several_folders_are_several_words():
    flags = Flags(*report.SETTINGS, argument="run")
    flags.parse(["prog", "a", "b", "--out=x.html"])
    assert flags.of(report.Reporting).run == ("a", "b")
    assert parsed("--run=a,b", settings=report.SETTINGS).value("run") == ("a", "b")


def test_the_page_in_a_browser(sections, folders, tmp_path):
    """Everything is shown without a network, where there is a browser to ask."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("needs chromium")
    shot = tmp_path / "page.png"
    given = "--headless", "--no-sandbox", "--disable-gpu", f"--screenshot={shot}"
    address = (folders / "page.html").as_uri()
    subprocess.run([browser, *given, address], capture_output=True, timeout=60)
    picture = matplotlib.image.imread(shot)
    assert picture.std() > 0.05 and pathlib.Path(shot).stat().st_size > 10_000
