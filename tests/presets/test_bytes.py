"""A small training of each preset gives the bytes that it gave before other presets had their options.

`golden.json` has a hash of each model and the losses that led to it. Where the machine is another one, products round
differently, and losses are compared instead. The parameters under the presets are those of `base.yaml`, so that new
defaults in params.yaml change nothing here. A new preset, or one that is meant to change, is written down by

    python tests/presets/test_bytes.py NAME...
"""

import contextlib
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
from rnnsep.learning.losses import LossParams
from rnnsep.learning.sampling import SamplingParams
from rnnsep.learning.trainer import TrainingParams
from rnnsep.learning.training import BlendingParams, EnhancementParams, train
from rnnsep.network.network import NetworkParams
from rnnsep.presets import catalogue
from tests.learning.conftest import STFT, write_bands

HERE = Path(__file__).resolve().parent
GOLDEN = HERE / "golden.json"
DEFAULT = "params.yaml"  # the training without a preset
SIZES = {
    "rnn.units": 6, "sampling.frames": 8, "sampling.batch": 2, "sampling.steps": 2, "training.epochs": 2,
    "training.warmup": 1,
}  # fmt: skip
SMALLER = {  # where they are not 0; the songs here are mono
    "rnn.mel": 12, "rnn.bottleneck": 12, "rnn.side": False, "loss.segment": 4, "training.pretraining": 1,
    "enhancement.layers": 1,
    # several may train in processes of their own, which this one's eagerness does not reach
    "training.networks": 1, "blending.bands": 0,
}  # fmt: skip


def document(name: str) -> dict[str, Any]:
    """The parameters of a small training: base.yaml, the preset's changes to it, and the sizes."""
    content = params.read_yaml(HERE / "base.yaml")
    changes = ({} if name == DEFAULT else catalogue.changes(name)) | SIZES
    for key, value in SMALLER.items():
        if changes.get(key):
            changes[key] = value
    for key, value in changes.items():
        *sections, last = key.split(".")
        section: Any = content
        for one in sections:
            section = section.get(one, {})  # sections of other stages are not here
        section[last] = value
    return content


def trained(name: str, features: Path, folder: Path) -> tuple[str, list[float]]:
    """Hash of the weights of a small training, and its training and validation losses."""
    content = document(name)
    classes = {
        "rnn": NetworkParams, "loss": LossParams, "sampling": SamplingParams, "training": TrainingParams,
        "blending": BlendingParams, "enhancement": EnhancementParams,
    }  # fmt: skip
    sections = [params.parse(cls, content[section], section) for section, cls in classes.items()]
    with contextlib.redirect_stdout(io.StringIO()):
        train(features, folder / "models", *sections)  # type: ignore[arg-type]
    digest, losses = hashlib.sha256(), []
    for path in sorted((folder / "models").iterdir()):
        if path.suffix == ".h5":
            digest.update(path.read_bytes())
        elif path.suffix == ".tsv":
            losses += pd.read_csv(path, sep="\t")[["train_loss", "valid_loss"]].to_numpy().flatten().tolist()
    return digest.hexdigest()[:16], losses


def machine() -> str:
    """What products are rounded by. CPUs of several families share a name, so family and model stand beside it."""
    cpu, info = platform.processor(), Path("/proc/cpuinfo")
    if info.exists():
        facts = dict(re.findall(r"(.*?)\s*: (.*)", info.read_text()))
        cpu = "{model name} (family {cpu family}, model {model})".format_map(defaultdict(str, facts))
    return f"{cpu}, TensorFlow {tf.__version__}, Keras {keras.__version__}"


@pytest.mark.parametrize("name", [DEFAULT, *catalogue.names()])
@pytest.mark.usefixtures("eager")
def test_a_small_training_gives_the_bytes_written_down(name: str, features: Path, tmp_path: Path) -> None:
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    digest, losses = trained(name, features, tmp_path)
    np.testing.assert_allclose(losses, golden["trainings"][name]["losses"], rtol=1e-3, atol=1e-5)
    if machine() == golden["machine"]:
        assert digest == golden["trainings"][name]["hash"]


def test_every_preset_is_written_down() -> None:
    assert set(json.loads(GOLDEN.read_text(encoding="utf-8"))["trainings"]) == {DEFAULT, *catalogue.names()}


def test_discrimination_and_the_second_stage_leave_what_comes_before_them_alone() -> None:
    losses = {name: one["losses"] for name, one in json.loads(GOLDEN.read_text())["trainings"].items()}
    assert losses["grais2017"][4:] == losses["grais2017-plain"][4:] == losses["grais2017-stage1"]
    assert losses["grais2017"][:4] != losses["grais2017-plain"][:4]


def write_down(names: list[str]) -> None:
    """Train `names` and put them into golden.json."""
    tf.config.run_functions_eagerly(True)
    golden = json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.exists() else {}
    trainings = golden.get("trainings", {}) if golden.get("machine") == machine() else {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_bands(root / "corpus")
        write_features(root / "corpus", root / "features", STFT)
        for name in names:
            digest, losses = trained(name, root / "features", root / name)
            trainings[name] = {"hash": digest, "losses": losses}
    content = {"machine": machine(), "trainings": dict(sorted(trainings.items()))}
    GOLDEN.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_down(sys.argv[1:])
