"""Training on several workers and devices against training in one process."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from rnnsep.learning import distribution
from rnnsep.running import helpers
from rnnsep.running.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
TOLERANCE = 0.005  # of a loss; Adam amplifies the rounding of small gradients


def config(index: int, workers: list[str]) -> str:
    return json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}})


def addresses(count: int) -> list[str]:
    """Free ports of this machine."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return [f"127.0.0.1:{port}" for port in ports]


def start(
    features: Path,
    folder: Path,
    *rest: str,
    program: tuple[str, str] = ("-m", "tests.learning.worker"),
    **variables: str,
) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, *program, str(features), str(folder), *rest],
        cwd=ROOT,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def train_together(features: Path, folder: Path, *killed: str) -> list[tuple[int, str, str]]:
    """Exit code, output and errors of two workers; the second one is `killed` before that step."""
    workers = addresses(2)
    processes = [
        start(features, folder / "chief", TF_CONFIG=config(0, workers)),
        start(features, folder / "helper", *killed, TF_CONFIG=config(1, workers)),
    ]
    outputs = [process.communicate() for process in processes]
    return [(process.returncode, *output) for process, output in zip(processes, outputs, strict=True)]


def losses(folder: Path) -> np.ndarray:
    return pd.read_csv(folder / "models" / "history.tsv", sep="\t")[["train_loss", "valid_loss"]].to_numpy()


@pytest.fixture(scope="module")
def alone(features, tmp_path_factory) -> Path:
    """The folder of a training in one process."""
    folder = tmp_path_factory.mktemp("alone")
    process = start(features, folder)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    return folder


@pytest.mark.long
def test_a_lost_worker_ends_in_one_line_and_training_resumes(alone, features, tmp_path):
    (code, out, errors), _ = train_together(features, tmp_path, "9")
    assert code == 1, errors
    assert "epoch 1/3" in out and "epoch 2/3" not in out
    assert "train: a worker was lost; restart all workers to resume after the last epoch" in errors
    assert "Traceback" not in errors
    shutil.rmtree(tmp_path / "helper")  # it receives all from the chief
    for code, out, errors in train_together(features, tmp_path):
        assert code == 0, errors
        assert "resuming after epoch 1" in out
    np.testing.assert_allclose(losses(tmp_path / "chief"), losses(alone), atol=TOLERANCE)
    np.testing.assert_array_equal(losses(tmp_path / "helper"), losses(tmp_path / "chief"))
    weights = [(tmp_path / name / "models" / "weights.npz").read_bytes() for name in ("chief", "helper")]
    assert weights[0] == weights[1]


MIRRORED = """
import sys
import tensorflow as tf
from rnnsep.learning import distribution
from tests.learning import worker

(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.threading.set_intra_op_parallelism_threads(2)
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
distribution.gpus = lambda: ["CPU:0", "CPU:1"]
worker.main()
assert distribution.replicas().count == 2
"""


@pytest.mark.long
def test_two_devices_of_a_machine_train_the_model_of_one(alone, features, tmp_path):
    process = start(features, tmp_path, program=("-c", MIRRORED))
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    np.testing.assert_allclose(losses(tmp_path), losses(alone), atol=TOLERANCE)


def test_tf_config_names_the_worker(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert helpers.task() == (0, 1)
    assert not helpers.helps()
    monkeypatch.setenv("TF_CONFIG", config(1, ["a:1", "b:2", "c:3"]))
    assert helpers.task() == (1, 3)
    assert helpers.helps()


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "{}",
        "[]",
        config(2, ["a:1", "b:2"]),
        config(0, ["a:1"]).replace('"type": "worker"', '"type": "ps"'),
        config(0, ["a:1"]).replace('{"worker"', '{"chief": ["c:1"], "worker"'),
    ],
)
def test_a_broken_tf_config_is_one_clear_line(text, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match=r"^TF_CONFIG: must name workers only and the index of this one"):
        helpers.task()


def test_a_batch_that_cannot_be_split_is_rejected():
    several = distribution.Replicas(SimpleNamespace(num_replicas_in_sync=3))
    for batch, optimizer, message in (
        (16, "adam", r"^sampling.batch: must be a multiple of the 3 replicas, not 16$"),
        (15, "lbfgs", r"^optimizer.name: lbfgs trains in one process"),
    ):
        with pytest.raises(UserError, match=message):
            several.check(batch, optimizer, ())
