"""Estimates and scores of a hypothesis, song by song, in museval's format."""

from pathlib import Path

import keras

from experiments.hel1 import networks
from experiments.hel1.hypotheses import Hypothesis
from experiments.hel1.mistakes import Mistake
from experiments.hel1.networks import Setting, Study
from experiments.hel1.scene import Scene
from rnnsep.network.model import Model
from rnnsep.running import files
from rnnsep.scoring.baselines import score_baselines
from rnnsep.scoring.song_scores import EvaluationParams, evaluate_song
from rnnsep.signal.stft import Inverse


def score(hypothesis: Hypothesis, study: Study) -> list[Path]:
    """Score all runs of a hypothesis and return the folders of their scores. What is finished is kept."""
    setting, folder = Setting(study, hypothesis.changes), study.folder
    runs = []
    for seed in range(hypothesis.seeds):
        for way, mistake in enumerate(hypothesis.ways):
            run = folder / "scores" / hypothesis.name / str(seed * len(hypothesis.ways) + way)
            _score_run(hypothesis, mistake, setting, seed, folder, run)
            runs.append(run)
    return runs


def score_references(study: Study) -> tuple[Path, Path]:
    """Score MIX and IRM1 on the same songs and return the folders of their scores."""
    setting = Setting(study, {})
    mix, irm1 = study.folder / "scores" / "MIX", study.folder / "scores" / "IRM1"
    setting.corpus()
    score_baselines(setting.corpus_folder, mix, irm1, setting.evaluation)
    return mix, irm1


def _score_run(hypothesis: Hypothesis, mistake: Mistake, setting: Setting, seed: int, folder: Path, run: Path) -> None:
    corpus, songs = setting.corpus(), setting.songs()
    missing = [number for number, song in enumerate(songs) if not (run / "test" / f"{song.name}.json").exists()]
    model: Model | None = None
    for number in missing:
        if hypothesis.weights == "random per song":
            model = networks.untrained(setting, seed * len(songs) + number)
        elif model is None and hypothesis.weights == "random":
            model = networks.untrained(setting, seed)
        elif model is None:
            model = networks.trained(setting, folder / f"training-{networks.key_of(hypothesis.changes)}")
        scene = Scene(model, corpus, songs, number)
        files.write_text(run / "test" / f"{scene.song.name}.json", score_song(scene, mistake, setting.evaluation))
    if missing:
        keras.backend.clear_session()


def score_song(scene: Scene, mistake: Mistake, params: EvaluationParams) -> str:
    """Scores of a song's estimates (see `evaluate_song`)."""
    corpus, song, stft = scene.corpus, scene.song, scene.model.stft
    references = {}
    for source in corpus.sources:
        with corpus.stem(song, source) as stem:
            references[source] = stem[0 : song.nb_samples]
    samples = [Inverse(stft, song.nb_samples)(spectra) for spectra in mistake(scene)]
    return evaluate_song(references, dict(zip(scene.model.sources, samples, strict=True)), song.rate, params)
