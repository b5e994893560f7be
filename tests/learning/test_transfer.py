"""Trainings that start from a trained model."""

import json
from pathlib import Path

import numpy as np
import pytest

from rnnsep.learning.transfer import Start
from rnnsep.network.model import load_model
from rnnsep.network.packaged import cards
from rnnsep.params import ParamError
from tests.learning.small import SHORT, run

STILL = SHORT | {"training.epochs": 1, "training.learning_rate": 0.0}

pytestmark = pytest.mark.usefixtures("eager")


@pytest.fixture(scope="module")
def trained(features: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(features, tmp_path_factory.mktemp("trained"), SHORT | {"training.epochs": 2})


def weights(models: Path) -> dict[str, np.ndarray]:
    return dict(load_model(models).networks[0].weights)


def test_a_training_that_changes_nothing_ends_with_the_weights_that_it_started_from(
    trained: Path, features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = run(features, tmp_path, STILL | {"training.start": str(trained)})
    assert f"starting from 10 of 10 arrays of weights of {trained}\n" in capsys.readouterr().out
    for path, weight in weights(trained).items():
        np.testing.assert_array_equal(weights(models)[path], weight)
    provenance = json.loads((models / "model.json").read_text())["provenance"]
    assert provenance["start"] == Start.find(str(trained)).key
    assert "start" not in json.loads((trained / "model.json").read_text())["provenance"]


def test_layers_of_another_shape_are_named_and_start_at_random(
    trained: Path, features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models = run(features, tmp_path, STILL | {"training.start": str(trained), "rnn.layers": 3, "rnn.bottleneck": 5})
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("starting from "))
    assert line.endswith("; not from entry/dense, entry/norm, recurrent_1/forward, recurrent_3/forward, "
                         "exit/dense, exit/norm, heads")  # fmt: skip
    both = weights(trained), weights(models)
    kept = [path for path in both[0] if np.array_equal(both[0][path], both[1][path])]
    assert "recurrent_2/forward/kernel" in kept
    assert "heads/kernel" not in kept


@pytest.mark.parametrize("changes", [{}, {"mask.local": (2,), "mask.convolution": 2}])
def test_weights_of_other_sources_are_not_taken(
    features: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, object]
) -> None:
    trained = run(features, tmp_path, SHORT | changes | {"training.epochs": 1})
    other = tmp_path / "other"
    other.mkdir()
    for path in trained.iterdir():
        (other / path.name).write_bytes(path.read_bytes().replace(b'"low"', b'"bass"'))
    capsys.readouterr()
    models = run(features, tmp_path / "new", STILL | changes | {"training.start": str(other)})
    assert ("; not from heads, local, convolution\n" if changes else "; not from heads\n") in capsys.readouterr().out
    own = load_model(other).networks[0].architecture.of_sources
    assert own >= {"heads/kernel", "heads/bias"}
    assert not changes or own >= {"local/weight", "local/gate_kernel", "convolution/out"}
    before, after = weights(other), weights(models)
    taken = {path for path in before if np.array_equal(before[path], after[path])}
    assert taken.isdisjoint(path for path in own if before[path].any())
    assert taken >= set(before) - own


def test_another_model_in_the_same_folder_restarts_the_training(trained: Path, features: Path, tmp_path: Path) -> None:
    folder, changes = tmp_path / "start", STILL | {"training.start": str(tmp_path / "start")}
    folder.mkdir()
    for path in trained.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    first = weights(run(features, tmp_path, changes))
    for path in run(features, tmp_path / "new", SHORT | {"training.seed": 5, "training.epochs": 1}).iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    second = weights(run(features, tmp_path, changes))
    assert all(not np.array_equal(first[path], second[path]) for path in first if path.endswith("/kernel"))


def test_a_network_that_nothing_fits_is_rejected(trained: Path, features: Path, tmp_path: Path) -> None:
    for start in cards()[-1].name, str(trained):
        with pytest.raises(ParamError, match=r"^training\.start: no weights of .* fit this network"):
            run(
                features,
                tmp_path,
                STILL | {"training.start": start, "rnn.cell": "lstm", "rnn.units": 7, "input.bandwidth": 2000.0},
            )


def test_a_missing_model_is_one_line(features: Path, tmp_path: Path) -> None:
    with pytest.raises(ParamError, match=r"^training\.start: .*nowhere does not exist; give a folder with model\.json"):
        run(features, tmp_path, STILL | {"training.start": "nowhere"})
