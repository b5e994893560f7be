"""Scores of one song as JSON: what museval writes, and more."""

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
from rnnsep.scoring import with_museval
from rnnsep.scoring.ratios import song_ratios
from rnnsep.scoring.song_scores import as_json, song_targets
from rnnsep.signal.corpus import EvaluationParams

RATE = 1000
NAMES = ["drums", "bass", "vocals"]


def params(window=0.5, hop=0.5, version="v4", engine="fast"):
    return EvaluationParams(engine=engine, window=window, hop=hop, version=version, split="test")


def song(nb_samples=2200, nb_channels=1):
    """References and estimates by name."""
    rng = np.random.default_rng(0)
    references = dict(zip(NAMES, rng.standard_normal((3, nb_samples, nb_channels)), strict=True))
    return references, {name: audio + 0.3 * rng.standard_normal(audio.shape) for name, audio in references.items()}


def text_of(references, estimates, rate=RATE, targets=None, **options):
    chosen, mixture = params(**options), sum(references.values())
    return as_json(song_targets(references, estimates, rate, chosen, mixture, targets), chosen)


def evaluated(references, estimates, version="v4", **options):
    return json.loads(text_of(references, estimates, version=version, **options))["targets"]


def values(targets):
    """All scores of BSS Eval (nb_targets, nb_frames, nb_metrics)."""
    return np.array([[list(frame["metrics"].values()) for frame in target["frames"]] for target in targets])


def without_songs_scores(text):
    """JSON in museval's form, and the scores of whole songs by target, which it does not have."""
    content = simplejson.loads(text, use_decimal=True, allow_nan=True)
    scores = {target["name"]: target.pop("metrics") for target in content["targets"]}
    return simplejson.dumps(content, indent=2, use_decimal=True, allow_nan=True), scores


def test_it_is_what_museval_writes_for_a_track_with_scores_of_the_song_added(tmp_path):
    """With a silent frame, an estimate too long, and windows that overlap."""
    references, estimates = song()
    references["bass"][:500] = 0
    estimates["vocals"] = np.concatenate((estimates["vocals"], np.ones((300, 1))))
    text = text_of(references, estimates, hop=0.3)
    assert text == text_of(references, estimates, hop=0.3, engine="museval")
    museval = with_museval.museval()
    targets = {name: types.SimpleNamespace(audio=audio) for name, audio in references.items()}
    track = types.SimpleNamespace(name="Song", rate=RATE, targets=targets)
    equal = estimates | {"vocals": estimates["vocals"][:2200]}
    plain, whole = without_songs_scores(text)
    assert plain == museval.eval_mus_track(track, equal, win=0.5, hop=0.3).json
    schema = Path(museval.__file__).parent / "musdb.schema.json"
    jsonschema.validate(json.loads(text), json.loads(schema.read_text()))
    for name in NAMES:
        expected = song_ratios(references[name], estimates[name])
        assert {metric: float(score) for metric, score in whole[name].items()} == pytest.approx(expected, abs=5.1e-6)
    stores = []
    for name, content in (("ours", text), ("plain", plain)):
        (tmp_path / name / "test").mkdir(parents=True)
        (tmp_path / name / "test" / "Song.json").write_text(content)
        stores.append(museval.EvalStore())
        stores[-1].add_eval_dir(tmp_path / name)
    pd.testing.assert_frame_equal(stores[0].df, stores[1].df)


def test_v3_is_bss_eval_sources_of_museval_and_nsdr_the_improvement_over_the_mixture():
    references, estimates = ({name: audio[name] for name in NAMES[:2]} for audio in song(nb_samples=1500))
    mixture = sum(references.values())
    first, *others = (np.hstack(one).T for one in (list(references.values()), list(estimates.values()), [mixture] * 2))
    bss_eval_sources = with_museval.museval().metrics.bss_eval_sources
    (sdr, sir, sar, _), (before, *_) = (bss_eval_sources(first, one, compute_permutation=False) for one in others)
    targets = evaluated(references, estimates, "v3")
    ours, theirs = (text_of(references, estimates, version="v3", engine=engine) for engine in ("fast", "museval"))
    assert ours == theirs
    np.testing.assert_allclose(values(targets)[:, 0], np.hstack([sdr, sir, sar, sdr - before]), atol=2e-5)
    assert [frame["duration"] for target in targets for frame in target["frames"]] == [1.5] * 2
    assert list(targets[0]["metrics"]) == ["uSDR", "SI-SDR"]


@pytest.mark.parametrize("version", ["v4", "v3", "v2"])
def test_targets_keep_the_order_of_the_references_and_all_of_these_count(version):
    references, estimates = song()
    everything = evaluated(references, dict(reversed(estimates.items())) | {"unused": estimates["bass"]}, version)
    assert [target["name"] for target in everything] == NAMES
    alone = evaluated(references, {"bass": estimates["bass"]}, version, targets=["bass"])
    assert alone == [everything[1]]
    mixture = dict.fromkeys(references, sum(references.values()))
    if version != "v4":
        assert (values(evaluated(references, mixture, version))[:, 0, 3] == 0).all()  # NSDR


@pytest.mark.parametrize("version", ["v4", "v3"])
@pytest.mark.parametrize("silent", [0, 1])
def test_a_source_silent_throughout_is_nan_everywhere(version, silent):
    signals = song()
    signals[silent]["bass"] = np.zeros((2200, 1))
    found = values(evaluated(*signals, version))
    assert found.shape == (3, 4 if version == "v4" else 1, 4)
    assert np.isnan(found).all()


def test_infinite_scores_are_nan():
    references, estimates = song()
    drums = evaluated(references, estimates | {"drums": references["drums"]})[0]
    assert np.isnan([frame["metrics"]["SDR"] for frame in drums["frames"]]).all()
    assert np.isnan(list(drums["metrics"].values())).all()


def test_v2_allows_a_gain_and_no_filter():
    """As in `bss_decomp_gain`: the target is the projection on the source, interference that on all sources."""
    references, estimates = song()
    estimates = {name: np.roll(audio, 1, axis=0) + 0.5 * audio for name, audio in estimates.items()}
    mixture = sum(references.values())
    everything = np.hstack(list(references.values()))
    for target in evaluated(references, estimates, "v2"):
        source, estimate = references[target["name"]][:, 0], estimates[target["name"]][:, 0]
        true = source @ estimate / (source @ source) * source
        projected = everything @ np.linalg.lstsq(everything, estimate, rcond=None)[0]
        before = mixture[:, 0] - source @ mixture[:, 0] / (source @ source) * source
        pairs = [
            (true, estimate - true),
            (true, projected - true),
            (projected, estimate - projected),
            (mixture[:, 0] - before, before),
        ]
        sdr, sir, sar, mixed = (10 * math.log10(np.square(a).sum() / np.square(b).sum()) for a, b in pairs)
        found = target["frames"][0]["metrics"]
        assert list(found.values()) == pytest.approx([sdr, sir, sar, sdr - mixed], abs=1e-4)


def test_what_cannot_be_scored_is_one_line():
    references, estimates = song()
    with pytest.raises(UserError, match=r"evaluation\.window .* \(1/1 s at 1 Hz\)"):
        text_of(references, estimates, rate=1)
    del estimates["bass"]
    with pytest.raises(UserError, match="no estimate of bass; found drums, vocals"):
        text_of(references, estimates)


def test_impossible_parameters_are_rejected():
    for key, value in (("version", "v5"), ("window", 0), ("hop", -1.0), ("window", "1 s"), ("hop", True)):
        section = {"engine": "fast", "window": 1.0, "hop": 1.0, "version": "v4", "split": "test"}
        assert parse(EvaluationParams, section) == params(window=1.0, hop=1.0)
        with pytest.raises(ParamError, match=key):
            parse(EvaluationParams, section | {key: value})
