"""A song's scores in museval's JSON: the same by both engines, and what museval itself would write."""

import json
import math
import types

import numpy as np
import pytest

from rnnsep.params import ParamError, parse
from rnnsep.running.errors import UserError
from rnnsep.scoring.song_scores import EvaluationParams, evaluate_song
from rnnsep.signal import sigsep

RATE = 1000
NAMES = ["drums", "bass", "vocals"]
FAST = EvaluationParams("fast", 0.5, 0.5, "v4", "test")
ENGINES = ["fast", "museval"]


def song(nb_samples=2200, nb_channels=1):
    """References and estimates by name."""
    rng = np.random.default_rng(0)
    references = dict(zip(NAMES, rng.standard_normal((3, nb_samples, nb_channels)), strict=True))
    mixture = sum(references.values())
    return references, {name: reference + 0.3 * mixture for name, reference in references.items()}


def noisy(references):
    rng = np.random.default_rng(1)
    return {name: audio + 0.3 * rng.standard_normal(audio.shape) for name, audio in references.items()}


def evaluated(references, estimates, engine="fast", window=0.5, hop=0.5):
    return json.loads(evaluate_song(references, estimates, RATE, EvaluationParams(engine, window, hop, "v4", "test")))


def scores(content, metric="SDR"):
    """{target: [one a frame]}"""
    return {target["name"]: [frame["metrics"][metric] for frame in target["frames"]] for target in content["targets"]}


@pytest.mark.parametrize(("window", "hop"), [(0.5, 0.5), (0.7, 0.3), (9.0, 1.0)])
def test_both_engines_write_the_same_bytes(window, hop):
    references, _ = song()
    estimates = noisy(references)
    fast, museval = (
        evaluate_song(references, estimates, RATE, EvaluationParams(engine, window, hop, "v4", "test"))
        for engine in ENGINES
    )
    assert fast == museval
    assert fast == evaluate_song(references, estimates, RATE, EvaluationParams("fast", window, hop, "v4", "test"))


def test_it_is_what_museval_writes_for_a_track():
    references, _ = song()
    estimates = noisy(references)
    targets = {name: types.SimpleNamespace(audio=audio) for name, audio in references.items()}
    track = types.SimpleNamespace(name="Song", rate=RATE, targets=targets)
    store = sigsep.museval().eval_mus_track(track, estimates, win=0.5, hop=0.5)
    assert evaluate_song(references, estimates, RATE, FAST) == store.json


def test_targets_are_in_the_order_of_the_references():
    references, estimates = song()
    content = evaluated(references, dict(reversed(noisy(references).items())) | {"unused": estimates["bass"]})
    assert list(scores(content)) == NAMES
    assert [frame["time"] for frame in content["targets"][0]["frames"]] == [0, 0.5, 1, 1.5]
    assert {frame["duration"] for frame in content["targets"][0]["frames"]} == {0.5}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("silent", ["reference", "estimate"])
def test_a_source_silent_throughout_is_nan_everywhere(engine, silent):
    references, _ = song()
    estimates = noisy(references)
    audio = references if silent == "reference" else estimates
    audio["bass"] = np.zeros_like(audio["bass"])
    content = evaluated(references, estimates, engine)
    for metric in ("SDR", "SIR", "ISR", "SAR"):
        for values in scores(content, metric).values():
            assert len(values) == 4
            assert all(math.isnan(value) for value in values)


@pytest.mark.parametrize("engine", ENGINES)
def test_infinite_scores_are_nan(engine):
    references, _ = song()
    estimates = noisy(references)
    estimates["drums"] = references["drums"]
    assert all(math.isnan(value) for value in scores(evaluated(references, estimates, engine))["drums"])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("nb_samples", [1900, 3000])
def test_estimates_of_other_length(engine, nb_samples):
    references, _ = song()
    estimates = noisy(references)
    wanted = dict(estimates)
    longer = np.concatenate((estimates["bass"], np.ones((1000, 1))))[:nb_samples]
    wanted["bass"] = np.concatenate((longer, np.zeros((1000, 1))))[:2200]
    estimates["bass"] = longer
    assert evaluated(references, estimates, engine) == evaluated(references, wanted, engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_singular_system_does_not_stop_either_engine(engine, monkeypatch):
    references, _ = song()
    del references["vocals"]
    references["bass"] = references["drums"]
    estimates = noisy(references)
    if engine == "museval":
        monkeypatch.setattr(np.linalg, "solve", _singular)
    content = evaluated(references, estimates, engine)
    assert all(math.isfinite(value) for value in scores(content, "SAR")["bass"])


def _singular(*matrices):
    raise np.linalg.LinAlgError


def test_a_missing_estimate_is_named():
    references, estimates = song()
    del estimates["bass"]
    with pytest.raises(UserError, match="no estimate of bass; there are drums, vocals"):
        evaluate_song(references, estimates, RATE, FAST)


def test_frames_of_no_sample():
    with pytest.raises(UserError, match=r"evaluation\.window .* 1/8 s"):
        evaluate_song(*song(), 8, EvaluationParams("fast", 0.1, 1.0, "v4", "test"))


@pytest.mark.parametrize(
    ("key", "value"), [("engine", "bss"), ("window", 0), ("hop", -1.0), ("window", "1 s"), ("hop", True)]
)
def test_impossible_parameters(key, value):
    section = {"engine": "fast", "window": 1.0, "hop": 1.0, "version": "v4", "split": "test"}
    assert parse(EvaluationParams, section) == EvaluationParams("fast", 1.0, 1.0, "v4", "test")
    with pytest.raises(ParamError, match=key):
        parse(EvaluationParams, section | {key: value})


WHOLE = {engine: EvaluationParams(engine, 1.0, 1.0, "v3", "test") for engine in ENGINES}


def whole(references, estimates, engine="fast"):
    """{target: {metric: score}} of BSS Eval v3"""
    text = evaluate_song(references, estimates, RATE, WHOLE[engine], sum(references.values()))
    targets = json.loads(text)["targets"]
    assert [frame["duration"] for target in targets for frame in target["frames"]] == [2.2] * len(references)
    return {target["name"]: target["frames"][0]["metrics"] for target in targets}


@pytest.mark.parametrize("engine", ENGINES)
def test_v3_is_bss_eval_sources_of_museval_and_nsdr_the_gain_over_the_mixture(engine):
    references, _ = song(nb_samples=2200)
    estimates = noisy(references)
    museval = sigsep.museval()
    first, second = (np.stack([audio[:, 0] for audio in one.values()]) for one in (references, estimates))
    sdr, sir, sar, _ = museval.metrics.bss_eval_sources(first, second, compute_permutation=False)
    mixtures = np.repeat(first.sum(axis=0, keepdims=True), 3, axis=0)
    before, *_ = museval.metrics.bss_eval_sources(first, mixtures, compute_permutation=False)
    scored = whole(references, estimates, engine)
    for index, name in enumerate(references):
        values = [score[index].item() for score in (sdr, sir, sar, sdr - before)]
        expected = dict(zip(("SDR", "SIR", "SAR", "NSDR"), values, strict=True))
        assert scored[name] == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_nsdr_of_the_mixture_is_0(engine):
    references, _ = song()
    scored = whole(references, dict.fromkeys(references, sum(references.values())), engine)
    assert [metrics["NSDR"] for metrics in scored.values()] == [0, 0, 0]


@pytest.mark.parametrize("engine", ENGINES)
def test_v3_with_a_silent_source_is_nan_throughout(engine):
    references, estimates = song()
    references["bass"] = np.zeros((2200, 1))
    scored = whole(references, estimates, engine)
    assert all(math.isnan(value) for metrics in scored.values() for value in metrics.values())


def test_museval_has_v3_for_one_channel_only():
    with pytest.raises(UserError, match=r"evaluation\.engine: museval .* one channel"):
        evaluate_song(*song(nb_channels=2), RATE, WHOLE["museval"], song(nb_channels=2)[0]["bass"])
