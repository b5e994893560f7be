"""Every preset parses, and its arguments arrive at DVC as they are, through any shell."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.hydra import apply_overrides
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnnsep import params
from rnnsep.app import cli
from rnnsep.corpora.collect import CorpusParams
from rnnsep.features.extraction import FeatureParams
from rnnsep.learning.recipe import Recipe
from rnnsep.presets import catalogue
from rnnsep.running.errors import UserError
from rnnsep.scoring.song_scores import EvaluationParams
from rnnsep.separation.blocks import SeparationParams
from rnnsep.signal.stft import StftParams

ROOT = Path(__file__).resolve().parents[2]
SECTIONS = {
    "corpus": CorpusParams,
    "stft": StftParams,
    "features": FeatureParams,
    "separation": SeparationParams,
}
SYSTEMS = {
    "hel1", "andabi-musdb18", "andabi", "huang2015", "grais2017", "mir1k-best", "best",
    "weninger2014-ma", "weninger2014-sa", "weninger2014-mel-sa",
    *(f"huang2014-{kind}{end}" for kind in ("dnn", "drnn1", "drnn2", "drnn3", "srnn") for end in ("", "-disc")),
}  # fmt: skip


def document(name: str | None = None, **more: Any) -> dict[str, Any]:
    """params.yaml with the changes of a preset, and others by dotted key."""
    content = params.read_yaml(ROOT / "params.yaml")
    for key, value in ((catalogue.changes(name) if name else {}) | more).items():
        *sections, last = key.split(".")
        section = content
        for one in sections:
            section = section[one]
        assert last in section, key
        section[last] = value
    return content


def test_the_published_systems_are_there() -> None:
    assert set(catalogue.names()) >= SYSTEMS


@pytest.mark.parametrize("name", catalogue.names())
def test_keys_are_those_of_params_yaml_and_values_are_possible(name: str) -> None:
    content = document(name)
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


@pytest.mark.parametrize("name", catalogue.names())
def test_every_file_has_a_line_for_the_list_and_the_source_of_its_values(name: str) -> None:
    assert catalogue.about(name)
    assert "\n" not in catalogue.about(name)
    text = (ROOT / "src/rnnsep/presets" / f"{name}.yaml").read_text(encoding="utf-8")
    assert "#" in text or len(yaml.safe_load(text)) <= 3  # the difference from another preset, said in `about`


def test_a_preset_is_the_one_that_it_is_like_with_its_own_changes() -> None:
    plain, disc = catalogue.changes("huang2014-drnn2"), catalogue.changes("huang2014-drnn2-disc")
    assert disc == plain | {"loss.discrimination": 0.05}
    assert plain == catalogue.changes("huang2014-dnn") | {"rnn.recurrent": [2]}


def test_base_leaves_nothing_open_but_what_is_the_users_choice() -> None:
    own = {"training.threads", "training.precision", "evaluation.engine"}
    keys = set(params.leaves(params.read_yaml(ROOT / "params.yaml")))
    corpus = {key for key in keys if key.startswith("corpus.") and key != "corpus.mixing"}
    assert set(catalogue.base()) == keys - corpus - own


@pytest.mark.parametrize("order", [1, -1])
def test_a_preset_is_the_same_after_any_other(
    order: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "params.yaml"
    path.write_bytes((ROOT / "params.yaml").read_bytes())
    for name in catalogue.names()[::order]:
        assert cli.main(["preset", name, "-S", "corpus.synthetic.train_songs=9", "-S", "training.threads=1"]) == 0
        apply_overrides(path, capsys.readouterr().out.split()[1::2])
        assert params.read_yaml(path) == document(name, **{"corpus.synthetic.train_songs": 9, "training.threads": 1})


def test_what_params_yaml_has_already_is_not_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("rnn:\n  units: 128\n  layers: 7\n", encoding="utf-8")
    assert cli.main(["preset", "best"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "-S rnn.units=128" not in lines
    assert {"-S rnn.layers=3", "-S rnn.bidirectional=true", "-S input.noise=0.0"} <= set(lines)


def test_an_unknown_name_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["preset", "hell1"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("rnnsep: no preset is called hell1; there are andabi, ")
    assert error.count("\n") == 1
    assert cli.main(["preset"]) == 1
    assert capsys.readouterr().err == "rnnsep: give the name of a preset, or --list\n"


def test_the_list_has_a_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["preset", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == catalogue.names()


def overridden(arguments: list[str], tmp_path: Path) -> dict[str, Any]:
    """What DVC makes of params.yaml by `-S` arguments."""
    shutil.copy(ROOT / "params.yaml", tmp_path / "params.yaml")
    apply_overrides(tmp_path / "params.yaml", arguments)
    return params.read_yaml(tmp_path / "params.yaml")


@pytest.mark.parametrize("name", catalogue.names())
def test_what_is_printed_changes_params_yaml_as_the_preset_says(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["preset", name]) == 0
    printed = capsys.readouterr().out
    words = printed.split()  # as a shell splits them
    assert words == shlex.split(printed)  # nothing is quoted
    assert set(words[::2]) == {"-S"}
    assert overridden(words[1::2], tmp_path) == document(name)


@pytest.mark.parametrize("shell", ["bash", "zsh", "sh"])
def test_a_shell_hands_on_the_same_words(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    code = "import sys; from rnnsep.app.cli import main; sys.exit(main())"
    inner = shlex.join([sys.executable, "-c", code, "preset", "huang2014-drnn2-disc"])
    show = shlex.join([sys.executable, "-c", "import sys; print(*sys.argv[1:], sep='\\n')"])
    done = subprocess.run([shell, "-c", f"{show} $({inner})"], capture_output=True, text=True, check=True, cwd=tmp_path)
    expected = [catalogue.assignment(*item) for item in catalogue.changes("huang2014-drnn2-disc").items()]
    assert done.stdout.split("\n")[1:-1:2] == expected


leaf = (
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("/abcé魚 '\"\\=,[]{}$()#~*!-+.1e_nulTRUE", max_size=8)
)


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(leaf | st.lists(leaf, max_size=3))
def test_any_value_arrives_at_dvc_as_it_is(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    folder = tmp_path_factory.mktemp("params")
    (folder / "params.yaml").write_text("corpus:\n  path: null\n")
    apply_overrides(folder / "params.yaml", [catalogue.assignment("corpus.path", value)])
    found = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))["corpus"]["path"]
    # DVC writes 1e-07, which YAML 1.1 takes for text and `params.number_of` for the number
    pairs = zip(found, value, strict=True) if isinstance(value, list) else [(found, value)]
    for one, other in pairs:
        one = params.number_of(one) if isinstance(other, float) else one
        assert one == other
        assert type(one) is type(other)


def test_run_calls_dvc_with_the_changes_and_returns_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[list[str]] = []

    def dvc(arguments: list[str], check: bool) -> subprocess.CompletedProcess[str]:
        called.append(arguments)
        return subprocess.CompletedProcess(arguments, 7)

    monkeypatch.setattr(subprocess, "run", dvc)
    with pytest.raises(SystemExit, match="7"):
        cli.main(["preset", "hel1", "--run", "-S", "corpus.path=/songs of 'mine'", "-S", "rnn.units=8"])
    (arguments,) = called
    assert arguments[1:5] == ["-m", "dvc", "exp", "run"]
    assert "rnn.units=8" in arguments
    assert "rnn.units=256" not in arguments
    assert r"corpus.path='/songs of \'mine\''" in arguments


def test_changes_on_the_command_line_are_numbers_as_people_write_them() -> None:
    options = ["training.learning_rate=1e-5", "features.speeds=[9e-1, .5]", "corpus.path=1e5x", "corpus.name=null"]
    assert catalogue.assignments(options) == {
        "training.learning_rate": 1e-5, "features.speeds": [0.9, 0.5], "corpus.path": "1e5x", "corpus.name": None,
    }  # fmt: skip


def test_text_that_looks_like_a_number_stays_text(tmp_path: Path) -> None:
    options = ['corpus.path="2024"', "corpus.name='1e5'", "rnn.units=010"]
    changes = catalogue.assignments(options)
    assert changes == {"corpus.path": "2024", "corpus.name": "1e5", "rnn.units": 10}
    file = tmp_path / "params.yaml"
    for overrides in (options[:2], [catalogue.assignment(key, changes[key]) for key in ("corpus.path", "corpus.name")]):
        file.write_text("corpus: {path: null, name: null}\n", encoding="utf-8")
        apply_overrides(str(file), overrides)
        assert params.read_yaml(file)["corpus"] == {"path": "2024", "name": "1e5"}


@pytest.mark.parametrize("option", ["rnn.units", "=3", "rnn.units=[1"])
def test_a_change_that_is_none_is_one_line(option: str) -> None:
    with pytest.raises(UserError, match=r"^-S "):
        catalogue.assignments([option])
