"""Every preset parses, and its arguments arrive at DVC as they are, through any shell."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
import yaml
from dvc.utils.hydra import apply_overrides
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnsep import params
from rnnsep.app import cli
from rnnsep.corpora.collect import CorpusParams
from rnnsep.features.extraction import FeatureParams
from rnnsep.learning.recipe import Recipe
from rnnsep.presets import catalogue
from rnnsep.running.errors import UserError
from rnnsep.separation.blocks import SeparationParams
from rnnsep.signal.corpus import EvaluationParams
from rnnsep.signal.stft import StftParams
from tests.networks import document

ROOT = Path(__file__).resolve().parents[2]
SECTIONS = {"corpus": CorpusParams, "stft": StftParams, "features": FeatureParams, "separation": SeparationParams}
SYSTEMS = {
    "hel1", "andabi-musdb18", "andabi", "huang2015", "grais2017", "mir1k-best", "best",
    "weninger2014-ma", "weninger2014-sa", "weninger2014-mel-sa",
    *(f"huang2014-{kind}{end}" for kind in ("dnn", "drnn1", "drnn2", "drnn3", "srnn") for end in ("", "-disc")),
}  # fmt: skip


def test_the_published_systems_are_there_and_have_a_line_in_the_list(capsys):
    assert set(catalogue.names()) >= SYSTEMS
    assert cli.main(["preset", "--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == catalogue.names()


@pytest.mark.parametrize("name", catalogue.names())
def test_a_preset_has_possible_values_and_names_their_source(name):
    content = document(catalogue.changes(name))
    if content["corpus"]["name"] == "mir-1k":
        with pytest.raises(params.ParamError, match=r"corpus\.path: must be the folder"):
            params.parse(CorpusParams, content["corpus"], "corpus")
        content["corpus"]["path"] = "somewhere"
    params.select(Recipe, content)
    for section, cls in SECTIONS.items():
        params.parse(cls, content[section], section)
    params.select(EvaluationParams, content["evaluation"])
    if name != "hel1-untrained":
        assert not any(content["defects"].values())
    assert catalogue.about(name) and "\n" not in catalogue.about(name)
    text = (ROOT / "src/rnnsep/presets" / f"{name}.yaml").read_text(encoding="utf-8")
    assert "#" in text or len(yaml.safe_load(text)) <= 3  # the difference from another preset, said in `about`


def test_base_leaves_nothing_open_but_what_is_the_users_choice():
    own = {"training.threads", "evaluation.engine"}
    keys = set(params.leaves(params.read_yaml(ROOT / "params.yaml")))
    songs = {key for key in keys if key.startswith("corpus.")} - {"corpus.mixing", "corpus.validation"}
    assert set(catalogue.base()) == keys - songs - own


def test_what_is_printed_makes_params_yaml_the_preset_after_any_other(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = Path(shutil.copy(ROOT / "params.yaml", tmp_path))
    for name in catalogue.names():
        assert cli.main(["preset", name, "-S", "corpus.synthetic.train_songs=9", "-S", "training.threads=1"]) == 0
        printed = capsys.readouterr().out
        words = printed.split()  # as a shell splits them
        assert words == shlex.split(printed)  # nothing is quoted
        assert set(words[::2]) == {"-S"}
        apply_overrides(path, words[1::2])
        own = {"corpus.synthetic.train_songs": 9, "training.threads": 1}
        assert params.read_yaml(path) == document(catalogue.changes(name) | own)


@pytest.mark.parametrize("shell", ["sh", "zsh"])
def test_a_shell_hands_on_the_same_words(shell, tmp_path):
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    code = "import sys; from rnnsep.app.cli import main; sys.exit(main())"
    inner = shlex.join([sys.executable, "-c", code, "preset", "huang2014-drnn2-disc"])
    command = f"printf '%s\\n' $({inner})"
    done = subprocess.run([shell, "-c", command], capture_output=True, text=True, check=True, cwd=tmp_path)
    expected = [catalogue.assignment(*item) for item in catalogue.changes("huang2014-drnn2-disc").items()]
    assert done.stdout.splitlines()[1::2] == expected


leaf = (
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("/abcé魚 '\"\\=,[]{}$()#~*!-+.1e_nulTRUE", max_size=8)
)


@settings(max_examples=50)
@given(leaf | st.lists(leaf, max_size=3))
def test_any_value_arrives_at_dvc_as_it_is(tmp_path_factory, value):
    folder = tmp_path_factory.mktemp("params")
    (folder / "params.yaml").write_text("corpus:\n  path: null\n")
    apply_overrides(folder / "params.yaml", [catalogue.assignment("corpus.path", value)])
    found = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))["corpus"]["path"]
    # DVC writes 1e-07, which YAML 1.1 takes for text
    pairs = zip(found, value, strict=True) if isinstance(value, list) else [(found, value)]
    for one, other in pairs:
        one = float(one) if isinstance(other, float) else one
        assert one == other
        assert type(one) is type(other)


def test_run_calls_dvc_with_the_changes_and_returns_its_code(monkeypatch):
    dvc = Mock(return_value=subprocess.CompletedProcess([], 7))
    monkeypatch.setattr(subprocess, "run", dvc)
    with pytest.raises(SystemExit, match="7"):
        cli.main(["preset", "hel1", "--run", "-S", "corpus.path=/songs of 'mine'", "-S", "rnn.units=8"])
    ((arguments,), _) = dvc.call_args
    assert arguments[1:5] == ["-m", "dvc", "exp", "run"]
    assert "rnn.units=8" in arguments
    assert "rnn.units=256" not in arguments
    assert r"corpus.path='/songs of \'mine\''" in arguments


def test_changes_on_the_command_line_are_read_as_people_write_them(tmp_path):
    read = {
        "training.learning_rate=1e-5": 1e-5, "features.speeds=[9e-1, .5]": [0.9, 0.5], "corpus.path=1e5x": "1e5x",
        "corpus.name=null": None, "rnn.units=010": 10, 'corpus.path="2024"': "2024", "corpus.name='1e5'": "1e5",
    }  # fmt: skip
    for option, value in read.items():
        assert catalogue.assignments([option]) == {option.split("=")[0]: value}
    (tmp_path / "params.yaml").write_text("corpus: {path: null, name: null}\n", encoding="utf-8")
    texts = {"corpus.path": "2024", "corpus.name": "1e5"}
    for quoted in ['corpus.path="2024"', "corpus.name='1e5'"], [catalogue.assignment(*text) for text in texts.items()]:
        apply_overrides(tmp_path / "params.yaml", quoted)
        assert params.read_yaml(tmp_path / "params.yaml")["corpus"] == {"path": "2024", "name": "1e5"}


@pytest.mark.parametrize("option", ["rnn.units", "=3", "rnn.units=[1"])
def test_a_change_that_is_none_is_one_line(option):
    with pytest.raises(UserError, match=r"^-S "):
        catalogue.assignments([option])
