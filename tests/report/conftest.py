"""A small finished run: songs of noise, made-up estimates and scores."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnsep.report.page import write_page
from rnnsep.report.wording import SeparationShown
from rnnsep.signal.corpus import Corpus, EvaluationParams, Song
from rnnsep.signal.writing import write_wav
from rnnsep.tables.outputs import aggregate
from rnnsep.tables.statistics import METRICS
from tests.networks import DEFAULT
from tests.tables.systems import SONG_METRICS

ODD = "Zoë & <script>“Co” 'x' \"y\" [1]"


def make_run(root, corpus="synthetic", names=("A", "B", ODD, "D"), sources=("vocals", "bass"), rate=16000, seconds=2.0):
    """Make the folders corpus, estimates, scores, tables and models and the file metrics.json under `root`."""
    random = np.random.default_rng(1)
    nb_samples, nb_channels = round(rate * seconds), 2
    songs = [Song(name, "test", "test", rate, nb_samples, nb_channels) for name in sorted(names)]
    about = Corpus(root / "corpus", corpus, tuple(sources), tuple(songs))
    about.root.mkdir(parents=True)
    about.write()
    for song in songs:
        stems = {
            source: np.cumsum(random.normal(0, 0.004, (nb_samples, nb_channels)), axis=0).clip(-0.4, 0.4)
            * np.linspace(index, 1, nb_samples)[:, None]
            for index, source in enumerate(sources)
        }
        for name, audio in {"mixture": sum(stems.values()), **stems}.items():
            write_wav(about.root / "test" / song.name / f"{name}.wav", [audio.astype(np.float32)], rate)
        for source, audio in stems.items():
            write_wav(root / "estimates" / song.name / f"{source}.wav", [0.9 * audio.astype(np.float32)], rate)
    for system, centre in (("RNN", 4.0), ("MIX", 1.0), ("IRM1", 8.0)):
        for index, song in enumerate(songs):
            frames = [
                {"time": float(t), "duration": 1.0,
                 "metrics": {m: round(float(random.normal(centre + index, 0.1)), 5) for m in METRICS}}
                for t in range(4)
            ]  # fmt: skip
            whole = {m: round(float(random.normal(centre + index, 0.1)), 5) for m in SONG_METRICS}
            targets = [{"name": source, "frames": frames, "metrics": whole} for source in sources]
            path = root / "scores" / system / "test" / f"{song.name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"targets": targets}))
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
        "provenance": {"best_epoch": 2, "tensorflow": "2.21.0"},
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
def finished(tmp_path_factory) -> Path:
    """The folder of a run on the synthetic corpus, with its page; read-only."""
    root = make_run(tmp_path_factory.mktemp("run"))
    write_run(root, root / "index.html")
    return root
