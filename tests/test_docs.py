"""Every command in README.md and docs/ is of the right form, and runs, except for those that train.

Commands are the lines of fenced `sh` blocks, one command each, without pipes; Python code is in `python` blocks. They
run in a copy of the repository in which a run has left everything that they may ask for. What takes long (`LONG`) is
not run but checked: arguments, parameters and their values, stages, extras.
"""

import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from distributed.cli import dask_scheduler, dask_worker
from dvc.cli import main as dvc
from dvc.cli.parser import get_main_parser

from experiments.hel1 import __main__ as hel1
from rnnsep import params
from rnnsep.app import cli
from rnnsep.corpora.links import StartParams, make_links
from rnnsep.corpora.location import LocationParams, SoundsParams
from tests.networks import save_small
from tests.report.conftest import make_run
from tests.repository import ROOT, make_repository
from tests.sound import write_tree
from tests.test_pipeline import sections_of

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SOURCES = ("vocals", "drums", "bass", "other")
LONG = [
    ["dvc", "repro"], ["dvc", "exp", "run"], ["dvc", "queue", "start"], ["dask"], ["python", "stages/run.py"],
    ["python", "-m", "experiments.hel1"], ["python", "-m", "experiments.sounds"], ["python", "-m", "benchmarks.scale"],
    ["python", "-m", "benchmarks.training_step"],
    ["pytest"], ["uv"], ["tensorboard"], ["docker"], ["pip"],
]  # fmt: skip
DASK = {"scheduler": dask_scheduler.main, "worker": dask_worker.main}
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands(page):
    """The commands of a page, in words, `uv run` left out."""
    lines = [line for block in blocks(page, "(?:sh|console)") for line in block.replace("\\\n", " ").splitlines()]
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def bare(words):
    """Variables that a command sets, extras and groups that it asks for, and what is left of it."""
    variables = {}
    while re.fullmatch(r"[A-Z_]+=.*", words[0]):
        name, value = words[0].split("=", 1)
        variables[name], words = value, words[1:]
    extras = [words[at + 1] for at, word in enumerate(words) if word in ("--extra", "--group")]
    if words[:2] == ["uv", "run"]:
        words = words[2:]
        while words[0] in ("--extra", "--group"):
            words = words[2:]
    return variables, extras, words


def is_long(words):
    return any(words[: len(start)] == start for start in LONG)


ALL = [(page.relative_to(ROOT).as_posix(), words) for page in PAGES for words in commands(page)]


@pytest.mark.parametrize(("page", "words"), ALL, ids=[" ".join(words) for _, words in ALL])
def test_commands_are_of_the_right_form(page, words):
    assert not {"|", "&&", ";", ">", "<"} & set(words), "one plain command to a line"
    variables, extras, (program, *arguments) = bare(words)
    content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras += re.findall(r"\[(\w+)\]", " ".join(arguments) if program == "pip" else "")
    assert set(extras) <= {*content["project"]["optional-dependencies"], *content["dependency-groups"]}
    assert set(variables) <= {"CUDA_VISIBLE_DEVICES", "RNNSEP_WORKERS", "DASK_SCHEDULER_ADDRESS", "TF_CONFIG"}
    if program == "rnnsep":
        cli.parser().parse_args(arguments)
    elif program == "dvc":
        options = get_main_parser().parse_args(arguments)
        if is_long(["dvc", *arguments]):
            assert set(getattr(options, "targets", None) or []) <= set(PIPELINE)
            document = params.read_yaml(ROOT / "params.yaml")
            changes = [change.split("=", 1) for change in getattr(options, "set_param", None) or []]
            for values in itertools.product(*(choices(value) for _, value in changes)):
                for (key, _), value in zip(changes, values, strict=True):
                    put(document, key, value)
                for name in PIPELINE:
                    params.select(sections_of(name), document)
    elif program == "dask":
        DASK[arguments[0]].make_context(arguments[0], arguments[1:])
    elif arguments[:2] == ["-m", "experiments.hel1"]:
        hel1.parser().parse_args(arguments[2:])
    elif [program, *arguments][:2] == ["python", "stages/run.py"]:
        assert [program, *arguments] == shlex.split(PIPELINE["train"]["cmd"])
    else:
        known = ("git", "python", "pytest", "uv", "pip", "docker", "tensorboard")
        assert program in known, f"{page}: no check is known for {program}"


def choices(value):
    """What a sweep runs through."""
    if counted := re.fullmatch(r"range\((\d+)\)", value):
        return [str(number) for number in range(int(counted[1]))]
    return [value] if value.startswith("[") else value.split(",")


def put(document, key, value):
    *sections, name = key.split(".")
    for section in sections:
        document = document[section]
    assert name in document, f"params.yaml has no {key}"
    document[name] = yaml.safe_load(value)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A repository with all that a run leaves, small and made up, and with songs of a user's own."""
    repository = make_repository(tmp_path_factory.mktemp("clone") / "rnnsep")
    root = repository.root
    made = make_run(root / "data", names=("Song",), sources=SOURCES, rate=8000)
    for inner in ("tables", "metrics.json"):
        (made / inner).rename(root / "reports" / inner)
    (root / "reports/index.html").write_text("the page")
    (made / "models").rename(root / "models")
    save_small(root / "models", SOURCES)
    shutil.copytree(made / "estimates", root / "other/estimates")
    shutil.copytree(made / "scores/RNN", root / "other/scores/UMX")
    place = LocationParams(name="synthetic", path=None, synthetic=SoundsParams(sounds=None))
    make_links(*(made / name for name in ("songs", "songs.txt", "start", "start.txt")), place, StartParams(start=None))
    (made / "features").mkdir()
    (made / "features/features.json").write_text("{}")
    write_songs(root)
    repository.dvc("commit", "--quiet", "--force")
    repository.commit("a run")
    for name in ("small", "wide", "seed-1", "seed-2", "seed-3"):  # for experiments
        repository.run("git", "tag", name)
    return root


def write_songs(root):
    """Songs of the user's own, and references and estimates of one."""
    noise = 0.2 * np.random.default_rng(1).normal(size=(4000, 2)).astype(np.float32)
    for folder, scale in (("references", 1.0), ("estimates", 0.9)):
        write_tree(root / folder, {"one": {"vocals": scale * noise, "other": scale * noise[::-1]}})
    for path in ("song.wav", "album/other.flac", "disc-1/intro.wav", "disc-2/intro.wav"):
        (root / path).parent.mkdir(exist_ok=True)
        soundfile.write(root / path, noise, 8000)
    soundfile.write(root / "song.mp3", noise, 8000, format="MP3")


def run(root, words, **variables):
    tools = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", **variables}
    done = subprocess.run(words, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


@pytest.mark.filterwarnings("ignore:_NoneStep.value")  # 2026-11: DVC 3.67 uses what pygtrie deprecates
@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_quick_commands_run_in_order(finished, tmp_path, monkeypatch, page):
    root = tmp_path / "rnnsep"
    shutil.copytree(finished, root)
    monkeypatch.chdir(root)
    for words in commands(page):
        variables, _, plain = bare(words)
        if is_long(plain):
            continue
        if plain[0] in ("rnnsep", "dvc"):  # in this process, which is faster
            main = cli.main if plain[0] == "rnnsep" else dvc
            assert main([word for word in plain[1:] if word != "--run"]) == 0, plain
        else:
            run(root, plain, **variables)
    for code in blocks(page, "python"):  # in this process, too
        exec(compile(code, page.name, "exec"), {"__name__": "__main__"})  # noqa: S102  # our own


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            file, _, anchor = target.partition("#")
            other = page.parent / file if file else page
            assert other.exists(), target
            assert not anchor or anchor in anchors(other.read_text(encoding="utf-8")), target


def anchors(text):
    """What GitHub calls the headings of a page: lower case, hyphens for spaces, no other punctuation."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings]


EXTEND = ROOT / "docs" / "extend.md"


def test_the_changes_of_extend_md_fit_the_code(tmp_path):
    (tmp_path / "change.diff").write_text("".join(blocks(EXTEND, "diff")), encoding="utf-8")
    run(ROOT, ["git", "apply", "--check", str(tmp_path / "change.diff")])


@pytest.mark.long
def test_the_loss_the_head_and_the_corpus_of_extend_md_work(tmp_path):
    root, songs = tmp_path / "rnnsep", tmp_path / "songs"
    run(tmp_path, ["git", "clone", "--quiet", str(ROOT), str(root)])
    (tmp_path / "change.diff").write_text("".join(blocks(EXTEND, "diff")), encoding="utf-8")
    run(root, ["git", "apply", str(tmp_path / "change.diff")])
    files = re.compile(r"^`(\S+)`:\n\n```py\n(.*?)^```", re.MULTILINE | re.DOTALL)
    for path, code in files.findall(EXTEND.read_text(encoding="utf-8")):
        (root / path).write_text(code, encoding="utf-8")
    random = np.random.default_rng(0)
    for number in range(10):
        (songs / str(number)).mkdir(parents=True)
        stems = 0.1 * random.normal(size=(2, 66150, 2))
        for name, stem in zip(("source-01", "source-02", "mix"), (*stems, stems.sum(axis=0)), strict=True):
            soundfile.write(songs / str(number) / f"{name}.wav", stem, 22050, subtype="FLOAT")
    new = {"corpus.name": "ccmixter", "corpus.path": songs, "loss.name": "level", "mask.onset": "true"}
    small = {
        "stft.sample_rate": 22050, "stft.window": 1024, "stft.hop": 512, "rnn.layers": 1, "rnn.units": 8,
        "sampling.frames": 32, "sampling.batch": 4, "sampling.steps": 2, "training.epochs": 1,
    }  # fmt: skip
    changes = [word for key, value in (new | small).items() for word in ("-S", f"{key}={value}")]
    run(root, ["dvc", "exp", "run", *changes, "separate"], PYTHONPATH=str(root / "src"))
    assert {path.name for path in (root / "data/estimates/4").iterdir()} == {"vocals.wav", "accompaniment.wav"}
    tests = ["tests/corpora/test_ccmixter.py", "tests/learning/test_losses.py", "tests/network", "tests/layers"]
    chosen = ["-k", "level or onset or ccmixter"]
    run(root, ["python", "-m", "pytest", "-n0", "-q", *chosen, *tests], PYTHONPATH=str(root / "src"))


def test_every_guarantee_names_tests_that_exist():
    page = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    for section in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        named = re.findall(r"`(tests/\S+?\.py)::(\w+)`", section)
        assert named, section
        for file, name in named:
            assert f"\ndef {name}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{name}"
