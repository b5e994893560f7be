"""Trained networks, as the pipeline trains them, and mistakes made after training."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.hel1.excerpts import Excerpt
from experiments.hel1.mistakes import MISTAKES, none
from experiments.hel1.networks import Spectrum, Variant
from experiments.hel1.published import SOURCES, Array
from rnnsep import params
from rnnsep.corpora.collect import CorpusParams, make_corpus
from rnnsep.features.extraction import write_features
from rnnsep.learning.recipe import Recipe
from rnnsep.learning.training import train
from rnnsep.network.model import Model, load_model

# one excerpt a step, cut into sequences of 4 frames; the loss is a sum over the sources of spectra divided by 128, and
# ten times as large, since Adam's epsilon is 1e-8 in TensorFlow 1 and 1e-7 here
SCIPY = 0.0765  # of our magnitudes
ANDABI = {
    "input.standardise": False, "input.scale": SCIPY, "defects.reset": 4, "sampling.frames": 2048, "sampling.batch": 1,
    "training.learning_rate": 1e-4, "training.warmup": 0, "training.schedule": "constant", "training.averaging": 0.0,
    "training.epochs": 1, "loss.scale": 10 * len(SOURCES) * SCIPY**2,
}  # fmt: skip
STEPS = (10, 100)
TRAINED: dict[str, tuple[str, Mapping[str, Any]]] = {
    "trained": ("preset hel1", {}),
    **{f"steps-{nb}": (f"{nb} steps in andabi's manner", {**ANDABI, "sampling.steps": nb}) for nb in STEPS},
}


def systems(corpus: Path, excerpts: Sequence[Excerpt], folder: Path) -> dict[str, tuple[str, Array]]:
    """Description and SDR over MIX (nb_songs, nb_sources, nb_frames) of each system."""
    found = {}
    for name, (about, changes) in TRAINED.items():
        variant = Variant(changes, preset="hel1")
        songs = [Spectrum.of(excerpt, variant.stft) for excerpt in excerpts]
        model = _trained(variant, corpus, folder)
        masks = [variant.masks(model, song) for song in songs]
        ways = {name: (about, none)} | (MISTAKES if name == "trained" else {})
        for way, (description, mistake) in ways.items():
            scores = [
                song.excerpt.sdr(song.estimates(mistake(masks, number))) - song.excerpt.sdr_of_mix
                for number, song in enumerate(songs)
            ]
            found[way] = description, np.stack(scores)
    return found


def movements(corpus: Path, folder: Path) -> dict[int, float]:
    """How far the weights move in so many steps in andabi's manner, as a share of the farthest that Adam can."""
    frozen = {**ANDABI, "sampling.steps": 1, "training.learning_rate": 0.0}
    start = _trained(Variant(frozen, preset="hel1"), corpus, folder).networks[0].weights
    shares = {}
    for nb in STEPS:
        weights = _trained(Variant(TRAINED[f"steps-{nb}"][1], preset="hel1"), corpus, folder).networks[0].weights
        moved = np.concatenate([np.abs(weights[path] - start[path]).ravel() for path in start])
        shares[nb] = float(moved.mean() / (nb * float(str(ANDABI["training.learning_rate"]))))
    return shares


def _trained(variant: Variant, copy: Path, folder: Path) -> Model:
    """The model of a training, kept in `folder` with the corpus and its features."""
    content = variant.document
    content["corpus"] |= {"name": "musdb18-7s", "path": str(copy)}
    content["training"] |= {"threads": 1}
    corpus = folder / f"corpus-{content['corpus']['validation']}"
    features = folder / f"features-{_key([content['corpus'], content['stft']])}"
    models = folder / f"training-{_key(content)}" / "models"
    if not (corpus / "corpus.json").exists():
        make_corpus(corpus, params.parse(CorpusParams, content["corpus"], "corpus"))
    if not (features / "features.json").exists():
        write_features(corpus, features, variant.stft)
    if not (models / "model.json").exists():
        train(features, models, params.select(Recipe, content))
    return load_model(models)


def _key(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]
