"""A small finished run: songs of noise, made-up estimates and scores."""

import json
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest

from rnnsep.report.page import write_page
from rnnsep.report.wording import SeparationShown
from rnnsep.signal.corpus import EvaluationParams
from rnnsep.signal.writing import write_wav
from rnnsep.tables.outputs import aggregate
from rnnsep.tables.statistics import METRICS
from tests.networks import DEFAULT
from tests.sound import write_corpus
from tests.tables.systems import SONG_METRICS, write

ODD = "Zoë & <script>“Co” 'x' \"y\" [1]"


def make_run(root, corpus="synthetic", names=("A", "B", ODD, "D"), sources=("vocals", "bass"), rate=16000, seconds=2.0):
    """Make the folders corpus, estimates, scores, tables and models and the file metrics.json under `root`."""
    random, nb_samples, songs = np.random.default_rng(1), round(rate * seconds), {}
    for song in sorted(names):
        noises = random.normal(0, 0.004, (len(sources), nb_samples, 2)).cumsum(axis=1).clip(-0.4, 0.4)
        stems = {
            source: (noise * np.linspace(index, 1, nb_samples)[:, None]).astype(np.float32)
            for index, (source, noise) in enumerate(zip(sources, noises, strict=True))
        }
        songs[f"test/{song}"] = rate, {"mixture": sum(stems.values())} | stems
        for source, audio in stems.items():
            write_wav(root / "estimates" / song / f"{source}.wav", [0.9 * audio], rate)
    replace(write_corpus(root / "corpus", sources, songs), name=corpus).write()
    for system, centre in (("RNN", 4.0), ("MIX", 1.0), ("IRM1", 8.0)):
        for index, song in enumerate(sorted(names)):
            frames = {m: random.normal(centre + index, 0.1, 4).round(5).tolist() for m in METRICS}
            whole = {m: round(random.normal(centre + index, 0.1), 5) for m in SONG_METRICS}
            folder = root / "scores" / system / "test"
            write(folder, song, dict.fromkeys(sources, frames), dict.fromkeys(sources, whole))
    systems = [root / "scores" / system for system in ("RNN", "MIX", "IRM1")]
    aggregate(systems, root / "tables", root / "metrics.json")
    (root / "models").mkdir()
    history = {"epoch": [1, 2, 3], "train_loss": [1.0, 0.5, 0.4], "valid_loss": [1.2, 0.7, 0.8], "learning_rate": 0.001}
    pd.DataFrame(history).to_csv(root / "models" / "history.tsv", sep="\t", index=False)
    model = {
        "sources": list(sources),
        "stft": {"sample_rate": 44100, "window": 2048, "hop": 1024, "channels": "mono", "taper": "hann"},
        "network": asdict(DEFAULT.network),
        "networks": 1,
        "provenance": {"best_epoch": 2, "start": "a <b> c6f1", "tensorflow": "2.21.0"},
    }
    (root / "models" / "model.json").write_text(json.dumps(model))
    return root


def write_run(root, page, version="v4", split="test"):
    """The page of the run in `root`, written to the file `page`."""
    separation = SeparationShown(filter="mask", temperature=1.25)
    evaluation = EvaluationParams(engine="fast", window=1.0, hop=1.0, version=version, split=split)
    write_page(page, root / "corpus", root / "estimates", root / "tables", root / "models", separation, evaluation)
    return page.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The folder of a run on the synthetic corpus, with its page; read-only."""
    root = make_run(tmp_path_factory.mktemp("run"))
    write_run(root, root / "index.html")
    return root
