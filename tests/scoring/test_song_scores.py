"""Scores of one song as JSON: both engines write the same, which is what museval writes."""

import json
import math
import types
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
import simplejson

from rnnsep.params import ParamError, parse
from rnnsep.running.errors import UserError
from rnnsep.scoring.ratios import song_ratios
from rnnsep.scoring.song_scores import EvaluationParams, evaluate_song
from rnnsep.signal import without_ffmpeg

RATE = 1000
NAMES = ["drums", "bass", "vocals"]
ENGINES = ["fast", "museval"]
SCHEMA = Path(without_ffmpeg.museval().__file__).parent / "musdb.schema.json"


def params(engine="fast", window=0.5, hop=0.5, version="v4"):
    return EvaluationParams(engine=engine, window=window, hop=hop, version=version, split="test")


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
    return json.loads(evaluate_song(references, estimates, RATE, params(engine, window, hop)))


def scores(content, metric="SDR"):
    """{target: scores of the frames}"""
    return {target["name"]: [frame["metrics"][metric] for frame in target["frames"]] for target in content["targets"]}


@pytest.mark.parametrize(("window", "hop"), [(0.5, 0.5), (0.7, 0.3), (9.0, 1.0)])
def test_both_engines_write_the_same_bytes(window, hop):
    references, _ = song()
    estimates = noisy(references)
    fast, museval = (evaluate_song(references, estimates, RATE, params(engine, window, hop)) for engine in ENGINES)
    assert fast == museval


def without_songs_scores(text):
    """JSON in museval's form, and the scores of whole songs by target, which it does not have."""
    content = simplejson.loads(text, use_decimal=True, allow_nan=True)
    scores = {target["name"]: target.pop("metrics") for target in content["targets"]}
    return simplejson.dumps(content, indent=2, use_decimal=True, allow_nan=True), scores


def test_it_is_what_museval_writes_for_a_track_with_scores_of_the_song_added():
    references, _ = song()
    estimates = noisy(references)
    targets = {name: types.SimpleNamespace(audio=audio) for name, audio in references.items()}
    track = types.SimpleNamespace(name="Song", rate=RATE, targets=targets)
    store = without_ffmpeg.museval().eval_mus_track(track, estimates, win=0.5, hop=0.5)
    text, _ = without_songs_scores(evaluate_song(references, estimates, RATE, params()))
    assert text == store.json


@pytest.mark.parametrize("version", ["v4", "v3"])
@pytest.mark.parametrize("engine", ENGINES)
def test_usdr_and_si_sdr_of_the_song_are_added(engine, version):
    references, _ = song()
    estimates = noisy(references)
    estimates["bass"] = references["bass"]  # infinite scores are NaN
    text = evaluate_song(references, estimates, RATE, params(engine, version=version), sum(references.values()))
    _, found = without_songs_scores(text)
    assert list(found) == NAMES
    for name in ("drums", "vocals"):
        expected = song_ratios(references[name], estimates[name])
        assert {metric: float(score) for metric, score in found[name].items()} == pytest.approx(expected, abs=5.1e-6)
    assert all(math.isnan(score) for score in found["bass"].values())
    jsonschema.validate(json.loads(text), json.loads(SCHEMA.read_text()))


def test_museval_reads_the_scores(tmp_path):
    references, _ = song()
    text = evaluate_song(references, noisy(references), RATE, params())
    plain, _ = without_songs_scores(text)
    stores = []
    for name, content in (("ours", text), ("plain", plain)):
        (tmp_path / name / "test").mkdir(parents=True)
        (tmp_path / name / "test" / "Song.json").write_text(content)
        stores.append(without_ffmpeg.museval().EvalStore())
        stores[-1].add_eval_dir(tmp_path / name)
    pd.testing.assert_frame_equal(stores[0].df, stores[1].df)
    assert len(stores[0].df) == 3 * 4 * 4


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
def test_estimates_are_trimmed_or_padded_to_the_references(engine, nb_samples):
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
    with pytest.raises(UserError, match="no estimate of bass; found drums, vocals"):
        evaluate_song(references, estimates, RATE, params())


def test_a_window_shorter_than_a_sample_is_rejected():
    with pytest.raises(UserError, match=r"evaluation\.window .* \(1/8 s at 8 Hz\)"):
        evaluate_song(*song(), 8, params(window=0.1, hop=1.0))


@pytest.mark.parametrize(
    ("key", "value"), [("engine", "bss"), ("window", 0), ("hop", -1.0), ("window", "1 s"), ("hop", True)]
)
def test_impossible_parameters_are_rejected(key, value):
    section = {"engine": "fast", "window": 1.0, "hop": 1.0, "version": "v4", "split": "test"}
    assert parse(EvaluationParams, section) == params(window=1.0, hop=1.0)
    with pytest.raises(ParamError, match=key):
        parse(EvaluationParams, section | {key: value})


def whole(references, estimates, engine="fast"):
    """{target: {metric: score}} of BSS Eval v3."""
    text = evaluate_song(references, estimates, RATE, params(engine, version="v3"), sum(references.values()))
    targets = json.loads(text)["targets"]
    assert [frame["duration"] for target in targets for frame in target["frames"]] == [2.2] * len(references)
    return {target["name"]: target["frames"][0]["metrics"] for target in targets}


@pytest.mark.parametrize("engine", ENGINES)
def test_v3_is_bss_eval_sources_of_museval_and_nsdr_the_improvement_over_the_mixture(engine):
    references, _ = song(nb_samples=2200)
    estimates = noisy(references)
    museval = without_ffmpeg.museval()
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
def test_nsdr_of_the_mixture_is_zero(engine):
    references, _ = song()
    scored = whole(references, dict.fromkeys(references, sum(references.values())), engine)
    assert [metrics["NSDR"] for metrics in scored.values()] == [0, 0, 0]


@pytest.mark.parametrize("engine", ENGINES)
def test_v3_with_a_silent_source_is_nan_throughout(engine):
    references, estimates = song()
    references["bass"] = np.zeros((2200, 1))
    scored = whole(references, estimates, engine)
    assert all(math.isnan(value) for metrics in scored.values() for value in metrics.values())


def test_v2_allows_a_gain_and_no_filter():
    """As in `bss_decomp_gain`: the target is the projection on the source, interference that on all sources."""
    references, _ = song()
    estimates = noisy({name: np.roll(audio, 1, axis=0) + 0.5 * audio for name, audio in references.items()})
    mixture = sum(references.values())
    content = json.loads(evaluate_song(references, estimates, RATE, params(version="v2"), mixture))
    everything = np.stack([audio[:, 0] for audio in references.values()], axis=1)
    for target in content["targets"]:
        source, estimate = references[target["name"]][:, 0], estimates[target["name"]][:, 0]
        true = source @ estimate / (source @ source) * source
        projected = everything @ np.linalg.lstsq(everything, estimate, rcond=None)[0]
        found, energies = target["frames"][0]["metrics"], [true, estimate - true, projected - true, projected]
        signal, error, interference, projection = (float(np.square(x).sum()) for x in energies)
        artefacts = float(np.square(estimate - projected).sum())
        before = mixture[:, 0] - source @ mixture[:, 0] / (source @ source) * source
        scaled = float(np.square(mixture[:, 0] - before).sum() / np.square(before).sum())
        assert found["SDR"] == pytest.approx(10 * math.log10(signal / error), abs=1e-4)
        assert found["SIR"] == pytest.approx(10 * math.log10(signal / interference), abs=1e-4)
        assert found["SAR"] == pytest.approx(10 * math.log10(projection / artefacts), abs=1e-4)
        assert found["NSDR"] == pytest.approx(10 * math.log10(signal / error / scaled), abs=1e-4)
    with pytest.raises(UserError, match="museval has no BSS Eval v2"):
        evaluate_song(references, estimates, RATE, params("museval", version="v2"), mixture)


def test_museval_scores_v3_for_one_channel_only():
    with pytest.raises(UserError, match=r"evaluation\.engine: museval scores one channel only"):
        evaluate_song(*song(nb_channels=2), RATE, params("museval", version="v3"), song(nb_channels=2)[0]["bass"])
