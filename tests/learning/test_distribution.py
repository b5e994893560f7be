"""Training on several workers and devices against training in one process."""

import json
import shutil
import socket
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from rnnsep.learning import distribution
from rnnsep.running import helpers
from rnnsep.running.errors import UserError
from tests import processes

WORKER = ("-m", "tests.learning.worker")
TOLERANCE = 0.005  # of a loss; Adam amplifies the rounding of small gradients


def config(index, workers):
    return json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}})


def addresses(count):
    """Free ports of this machine."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return [f"127.0.0.1:{port}" for port in ports]


def train_together(features, folder, *killed):
    """Exit code, output and errors of two workers; the second one is `killed` before that step."""
    workers = addresses(2)
    started = [
        processes.start(*WORKER, features, folder / "chief", TF_CONFIG=config(0, workers)),
        processes.start(*WORKER, features, folder / "helper", *killed, TF_CONFIG=config(1, workers)),
    ]
    outputs = [process.communicate() for process in started]
    return [(process.returncode, *output) for process, output in zip(started, outputs, strict=True)]


def losses(folder):
    return pd.read_csv(folder / "models" / "history.tsv", sep="\t")[["train_loss", "valid_loss"]].to_numpy()


@pytest.fixture(scope="module")
def alone(features, tmp_path_factory):
    """The folder of a training in one process."""
    folder = tmp_path_factory.mktemp("alone")
    code, _, errors = processes.run(*WORKER, features, folder)
    assert code == 0, errors
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
    code, _, errors = processes.run("-c", MIRRORED, features, tmp_path)
    assert code == 0, errors
    np.testing.assert_allclose(losses(tmp_path), losses(alone), atol=TOLERANCE)


def test_tf_config_names_the_worker_or_is_one_clear_line(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert helpers.task() == (0, 1)
    assert not helpers.helps()
    monkeypatch.setenv("TF_CONFIG", config(1, ["a:1", "b:2", "c:3"]))
    assert helpers.task() == (1, 3)
    assert helpers.helps()
    for text in (
        "nonsense",
        "{}",
        "[]",
        config(2, ["a:1", "b:2"]),
        config(0, ["a:1"]).replace('"type": "worker"', '"type": "ps"'),
        config(0, ["a:1"]).replace('{"worker"', '{"chief": ["c:1"], "worker"'),
    ):
        monkeypatch.setenv("TF_CONFIG", text)
        with pytest.raises(UserError, match=r"^TF_CONFIG: must name workers only and the index of this one"):
            helpers.task()


def test_a_batch_that_cannot_be_split_is_rejected():
    several = distribution.Replicas(SimpleNamespace(num_replicas_in_sync=3))
    with pytest.raises(UserError, match=r"^sampling.batch: must be a multiple of the 3 replicas, not 16$"):
        several.check(16, "adam", ())
    with pytest.raises(UserError, match=r"^optimizer.name: lbfgs trains in one process"):
        several.check(15, "lbfgs", ())
