"""A small training of each preset gives the recorded losses and, on a recorded machine, the recorded bytes.

`golden.json` holds the losses of each training, and for each machine the hashes of the models, since products round
differently on different CPUs. New defaults in params.yaml change nothing here. Record a new preset, or one that was
changed on purpose, with

    python -m tests.presets.test_bytes NAME...
"""

import contextlib
import functools
import hashlib
import io
import json
import platform
import re
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from rnnsep import params
from rnnsep.features.extraction import write_features
from rnnsep.learning.recipe import Recipe
from rnnsep.learning.training import train
from rnnsep.presets import catalogue
from tests.learning.conftest import STFT, write_bands
from tests.repository import ROOT

HERE = Path(__file__).resolve().parent
GOLDEN = HERE / "golden.json"
DEFAULT = "params.yaml"  # the training without a preset
SIZES = {
    "rnn.units": 6, "sampling.frames": 8, "sampling.batch": 2, "sampling.steps": 2, "training.epochs": 2,
    "training.warmup": 1,
}  # fmt: skip
SMALLER = {  # values for options that are on; the songs here are mono
    "input.mel": 12, "rnn.bottleneck": 12, "input.side": False, "loss.segment": 4, "loss.pretraining_epochs": 1,
    "enhancement.layers": 1,
    "mask.convolution": 2,  # with many maps, eager sums depend on the number of threads
    # several networks may train in processes of their own, which are not eager
    "training.networks": 1,
}  # fmt: skip

# trainings in which rounding grows fast: L-BFGS, recurrent ReLU layers, and a stage behind a ReLU ratio mask
TOLERANCES = {name: 0.01 for name in catalogue.names() if name.startswith(("huang2014-drnn", "huang2014-srnn"))}
TOLERANCES |= {"huang2014-lbfgs": 0.1, "grais2017": 0.01}
RECORDED = "2.21"  # of TensorFlow; others sum in another order


def small_recipe(name: str) -> Recipe:
    """The recipe of a small training: the preset, or what all presets are based on, in small sizes."""
    content = params.read_yaml(ROOT / "params.yaml")
    changes = (catalogue.base() if name == DEFAULT else catalogue.changes(name)) | SIZES
    for key, value in SMALLER.items():
        if changes.get(key):
            changes[key] = value
    for key, value in changes.items():
        *sections, last = key.split(".")
        section: Any = content
        for one in sections:
            section = section[one]
        section[last] = value
    return params.select(Recipe, content)


def train_small(name: str, features: Path, folder: Path) -> tuple[str, list[float]]:
    """Hash of the weights of a small training, and its training and validation losses."""
    with contextlib.redirect_stdout(io.StringIO()):
        train(features, folder / "models", small_recipe(name))
    digest, losses = hashlib.sha256(), []
    for path in sorted((folder / "models").iterdir()):
        if path.suffix == ".npz":
            digest.update(path.read_bytes())
        elif path.suffix == ".tsv":
            losses += pd.read_csv(path, sep="\t")[["train_loss", "valid_loss"]].to_numpy().flatten().tolist()
    return digest.hexdigest()[:16], losses


def machine() -> str:
    """CPU with family and model, since several families share a name, and the versions that determine rounding."""
    cpu, info = platform.processor(), Path("/proc/cpuinfo")
    if info.exists():
        facts = dict(re.findall(r"(.*?)\s*: (.*)", info.read_text()))
        cpu = "{model name} (family {cpu family}, model {model})".format_map(defaultdict(str, facts))
    return f"{cpu}, TensorFlow {tf.__version__}, Keras {keras.__version__}"


def same(name: str, losses: list[float], others: list[float]) -> bool:
    """Whether losses are those of the same training on different machines."""
    usual = 1e-3 if tf.__version__.startswith(RECORDED) else 1e-2
    return np.allclose(losses, others, rtol=TOLERANCES.get(name, usual), atol=1e-5)


def recorded() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def small_training(features: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """`train_small` of a preset's name, run once per preset."""
    root = tmp_path_factory.mktemp("presets")
    return functools.cache(lambda name: train_small(name, features, root / name))


@pytest.mark.parametrize("name", [DEFAULT, *catalogue.names()])
@pytest.mark.usefixtures("eager")
def test_a_small_training_has_the_recorded_losses(name: str, small_training: Any) -> None:
    _, losses = small_training(name)
    assert same(name, losses, recorded()["losses"][name]), f"{losses}, recorded: {recorded()['losses'][name]}"


@pytest.mark.parametrize("name", [DEFAULT, *catalogue.names()])
@pytest.mark.usefixtures("eager")
def test_a_small_training_has_the_recorded_bytes(name: str, small_training: Any) -> None:
    hashes = recorded()["hashes"].get(machine(), {})
    if name not in hashes:
        pytest.skip(f"no bytes of {name} are recorded on {machine()}; its losses are compared")
    assert small_training(name)[0] == hashes[name]


def test_every_preset_is_recorded() -> None:
    assert set(recorded()["losses"]) == {DEFAULT, *catalogue.names()}


def test_the_second_stage_and_its_discrimination_leave_the_first_stage_unchanged() -> None:
    losses = recorded()["losses"]
    assert losses["grais2017"][4:] == losses["grais2017-plain"][4:] == losses["grais2017-stage1"]
    assert losses["grais2017"][:4] != losses["grais2017-plain"][:4]


def with_recorded(golden: dict[str, Any], where: str, results: dict[str, tuple[str, list[float]]]) -> dict[str, Any]:
    """`golden` with the (hash, losses) of trainings on a machine.

    Hashes of other machines go if the losses are new, or if the code now gives other bytes on this machine.
    """
    losses, hashes = dict(golden["losses"]), {name: dict(values) for name, values in golden["hashes"].items()}
    for name, (digest, values) in results.items():
        is_new = name not in losses or not same(name, values, losses[name])
        if is_new:
            losses[name] = values
        if is_new or hashes.get(where, {}).get(name, digest) != digest:
            for others in hashes.values():
                others.pop(name, None)
        hashes.setdefault(where, {})[name] = digest
    return {
        "losses": dict(sorted(losses.items())),
        "hashes": {name: dict(sorted(values.items())) for name, values in sorted(hashes.items())},
    }


def test_recording_a_preset_on_another_machine_keeps_all_other_records() -> None:
    golden = {"losses": {"a": [1.0], "b": [2.0]}, "hashes": {"here": {"a": "1", "b": "2"}}}
    added = with_recorded(golden, "there", {"c": ("3", [3.0]), "a": ("9", [1.0])})
    assert added["losses"] == {"a": [1.0], "b": [2.0], "c": [3.0]}
    assert added["hashes"] == {"here": {"a": "1", "b": "2"}, "there": {"a": "9", "c": "3"}}
    changed = with_recorded(golden, "there", {"a": ("8", [1.5])})
    assert changed["losses"]["a"] == [1.5]
    assert changed["hashes"] == {"here": {"b": "2"}, "there": {"a": "8"}}, "bytes of the old losses are gone"
    rounded = with_recorded(golden, "here", {"a": ("7", [1.0])})
    assert rounded["hashes"] == {"here": {"a": "7", "b": "2"}}
    again = with_recorded(added, "there", {"a": ("5", [1.0])})
    assert again["losses"] == added["losses"]
    assert again["hashes"] == {"here": {"b": "2"}, "there": {"a": "5", "c": "3"}}, "bytes of the old code are gone"


def record(names: list[str]) -> None:
    """Train `names` and record them in golden.json."""
    tf.config.run_functions_eagerly(True)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_bands(root / "corpus")
        write_features(root / "corpus", root / "features", STFT)
        results = {name: train_small(name, root / "features", root / name) for name in names}
    GOLDEN.write_text(json.dumps(with_recorded(recorded(), machine(), results), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    record(sys.argv[1:])
