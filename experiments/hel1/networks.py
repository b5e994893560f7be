"""Corpus, features and networks of a hypothesis, each made once and kept in a folder."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np

from rnnsep import params
from rnnsep.corpora.collect import CorpusParams, make_corpus
from rnnsep.features.extraction import write_features
from rnnsep.features.storage import open_features
from rnnsep.learning.recipe import Recipe
from rnnsep.learning.trainer import Trainer
from rnnsep.learning.training import statistics, train
from rnnsep.network.model import Model, load_model
from rnnsep.network.network import make_network
from rnnsep.presets import catalogue
from rnnsep.running.errors import UserError
from rnnsep.scoring.song_scores import EvaluationParams
from rnnsep.signal.corpus import Corpus, Song
from rnnsep.signal.stft import StftParams

PRESET = "hel1"


@dataclass(frozen=True)
class Study:
    """A copy of the corpus `name`, and the folder for results and finished work."""

    name: str
    copy: Path
    folder: Path


class Setting:
    """
    params.yaml with the preset hel1 and `changes`, and the data that are made with it.

    There is a corpus and a folder of features for each set of values that they depend on. Interrupted runs resume.
    """

    def __init__(self, study: Study, changes: Mapping[str, Any]):
        document = params.read_yaml(Path(__file__).resolve().parents[2] / "params.yaml")
        own = {"corpus.name": study.name, "corpus.path": str(study.copy), "training.threads": 1}
        for key, value in (catalogue.changes(PRESET) | own | dict(changes)).items():
            _put(document, key, value)
        self.corpus_params = params.parse(CorpusParams, document["corpus"], "corpus")
        self.stft = params.parse(StftParams, document["stft"], "stft")
        self.evaluation = params.parse(EvaluationParams, document["evaluation"], "evaluation")
        self.recipe = params.select(Recipe, document)
        self.corpus_folder = study.folder / f"corpus-{key_of(document['corpus'])}"
        self.features_folder = study.folder / f"features-{key_of([document['corpus'], document['stft']])}"

    def corpus(self) -> Corpus:
        """The corpus, made where it is missing. Raises `UserError` for a faulty copy."""
        if not (self.corpus_folder / "corpus.json").exists():
            make_corpus(self.corpus_params, self.corpus_folder)
        return Corpus.read(self.corpus_folder)

    def features(self) -> Path:
        """The folder of the features, made where they are missing."""
        if not (self.features_folder / "features.json").exists():
            self.corpus()
            write_features(self.corpus_folder, self.features_folder, self.stft)
        return self.features_folder

    def songs(self) -> tuple[Song, ...]:
        """The test songs. Raises `UserError` if there are none."""
        songs = self.corpus().of_split("test")
        if not songs:
            raise UserError(f"{self.corpus_params.path}: holds no test songs")
        return songs


def trained(setting: Setting, folder: Path) -> Model:
    """The model of a whole training, kept in `folder`. An interrupted training resumes."""
    models = folder / "models"
    if not (models / "model.json").exists():
        train(setting.features(), models, setting.recipe)
    return load_model(models)


def untrained(setting: Setting, seed: int) -> Model:
    """The model of preset hel1-untrained with `seed`, without the training step that changes nothing."""
    features = open_features(setting.features())
    keras.utils.set_random_seed(seed)
    network = make_network(setting.recipe.network, len(features.sources), features.stft)
    if network.standardisation is not None:
        network.adapt(*_statistics(setting.features_folder, setting.recipe))
    return Model(features.sources, features.stft, (network,))


@cache
def _statistics(folder: Path, recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
    features = open_features(folder)
    network = make_network(recipe.network, len(features.sources), features.stft)
    songs = [song.name for song in features.songs if song.split == "train"]
    return statistics(features, Trainer(network, recipe), songs)


def _put(document: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    for section in sections:
        document = document[section]
    if last not in document:
        raise UserError(f"params.yaml has no {key}")
    document[last] = value


def key_of(values: Any) -> str:
    """A short hash of `values`."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]
