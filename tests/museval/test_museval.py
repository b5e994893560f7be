"""rnnsep.museval against museval: the same calls give the same scores, texts and tables."""

import types
from contextlib import nullcontext

import jsonschema
import numpy as np
import pandas as pd
import pytest
import soundfile

from rnnsep import museval
from rnnsep.running.errors import UserError
from rnnsep.scoring import with_museval

RATE = 2000
TAPS = 24
TARGETS = ["vocals", "accompaniment", "drums", "bass", "other"]


@pytest.fixture(scope="module")
def original():
    return with_museval.museval()


def signals(seed=0, nb_sources=2, nb_samples=3000, nb_channels=2):
    rng = np.random.default_rng(seed)
    references = rng.standard_normal((nb_sources, nb_samples, nb_channels))
    return references, references + 0.3 * references[::-1] + 0.2 * rng.standard_normal(references.shape)


def track(seed=0, nb_samples=4000):
    """A stand-in for musdb's tracks, and estimates of all its targets."""
    references, estimates = signals(seed, len(TARGETS), nb_samples, nb_channels=1)
    targets = {name: types.SimpleNamespace(audio=audio) for name, audio in zip(TARGETS, references, strict=True)}
    one = types.SimpleNamespace(name=f"Song {seed}", subset="test", rate=RATE, targets=targets)
    return one, dict(zip(TARGETS, estimates, strict=True))


def assert_equal(ours, theirs):
    assert len(ours) == len(theirs)
    for mine, their in zip(ours, theirs, strict=True):
        assert mine.shape == their.shape
        np.testing.assert_allclose(mine, their, rtol=0, atol=1e-8)


@pytest.mark.parametrize(
    ("nb_channels", "window", "hop", "permutation", "framewise", "sources"),
    [
        (1, 700, 650.5, False, False, False),
        (2, 700, 650.5, True, True, True),
        (3, 800, 800, True, False, False),
        (2, 800, 800, False, True, False),
        (1, 2999.5, 800, True, False, True),
        (2, 3000, 800, False, False, True),
        (1, np.inf, np.inf, True, True, False),
    ],
)
def test_bss_eval(original, nb_channels, window, hop, permutation, framewise, sources):
    references, estimates = signals(nb_channels, 3, nb_channels=nb_channels)
    estimates = estimates[[1, 2, 0]]
    references[0, 2000:2700] = 0  # and a silent frame
    arguments = (references, estimates, window, hop, permutation, TAPS, framewise, sources)
    assert_equal(museval.metrics.bss_eval(*arguments), original.metrics.bss_eval(*arguments))


@pytest.mark.parametrize("name", ["bss_eval_sources", "bss_eval_images"])
@pytest.mark.parametrize(("suffix", "arguments"), [("", ()), ("_framewise", (1500, 1400))])
def test_older_functions(original, name, suffix, arguments):
    references, estimates = (audio[:, :, 0] for audio in signals(nb_samples=2900))
    functions = (getattr(module.metrics, name + suffix) for module in (museval, original))
    assert_equal(*(function(references, estimates[::-1], *arguments) for function in functions))


def test_the_same_errors(original):
    for references, estimates in (
        (np.ones((2, 50)), np.ones((2, 51))),
        (np.ones((2, 50)), np.eye(2)[:, [0] * 50]),
        (np.eye(2)[:, [0] * 50], np.ones((2, 50))),
        (np.ones((101, 50)), np.ones((101, 50))),
    ):
        for module in (museval, original):
            with pytest.raises(ValueError, match="shape|dimensions|axes|silent|sources"):
                module.metrics.bss_eval(references, estimates, filters_len=4)
            with pytest.warns(UserWarning, match="empty"):
                assert [len(one) for one in module.metrics.bss_eval(np.array([]), np.array([]))] == [0] * 5


@pytest.mark.parametrize(("mode", "difference"), [("v4", -400), ("v3", 400)])
def test_evaluate(original, mode, difference):
    references, _ = signals(nb_samples=2400, nb_channels=1)
    _, estimates = signals(nb_samples=2400 + difference, nb_channels=1)
    arguments = (list(references), list(estimates), 1200, 1200, mode)
    assert_equal(museval.evaluate(*arguments), original.evaluate(*arguments))
    for ours, theirs in zip(*(m.pad_or_truncate(references, estimates) for m in (museval, original)), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_evaluate_scores_silence_nan_and_rejects_what_it_cannot_score():
    references, estimates = signals()
    for one, other, options, message in (
        (references, estimates, {"mode": "v5"}, "mode 'v5'"),
        (references, estimates[:, :-1], {"padding": False}, "differ in length"),
        (references.transpose(0, 2, 1), estimates.transpose(0, 2, 1), {}, "transpose"),
        (references[0], estimates[0], {}, "more than 100 sources; give arrays"),
        (references, np.nan * estimates, {}, "NaN"),
    ):
        with pytest.raises(ValueError, match=message):
            museval.evaluate(one, other, **options)
    estimates[0] = 0
    assert np.isnan(museval.evaluate(references, estimates, 1000, 1000)).all()


@pytest.mark.parametrize("names", [["vocals", "accompaniment", "drums"], ["drums", "accompaniment"], ["other"]])
def test_tracks(original, tmp_path, names):
    song, estimates = track()
    estimates = {name: estimates[name] for name in names}
    texts = []
    for module in (museval, original):
        with pytest.warns(UserWarning, match="at least two") if len(names) == 1 else nullcontext():
            store = module.eval_mus_track(song, estimates, tmp_path / module.__name__)
        texts.append((tmp_path / module.__name__ / "test" / "Song 0.json").read_text())
        assert texts[-1] == store.json
    assert texts[0] == texts[1]


def stores(module):
    """TrackStores of two songs with all that can be stored."""
    made = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        store = module.TrackStore(f"Song {seed}", win=2, hop=0.5)
        for name in TARGETS[:3]:
            values = {metric: list(20 * rng.standard_normal(5)) for metric in ("SDR", "ISR", "SIR", "SAR")}
            values["SIR"][1], values["SAR"][2], values["SDR"][0] = np.nan, np.inf, -1e-9
            store.add_target(name, values)
        made.append(store)
    return made


def test_track_stores(original, tmp_path):
    for ours, theirs in zip(stores(museval), stores(original), strict=True):
        assert ours.json == theirs.json
        assert ours.scores == theirs.scores or "NaN" in ours.json
        assert repr(ours) == repr(theirs)
        assert ours.schema == theirs.schema
        pd.testing.assert_frame_equal(ours.df, theirs.df[ours.df.columns])
        ours.validate()
        ours.save(tmp_path / "a.json")
        assert (tmp_path / "a.json").read_text() == theirs.json
    ours.scores["targets"][0]["name"] = 1
    with pytest.raises(jsonschema.ValidationError):
        ours.validate()


@pytest.mark.parametrize("aggregation", ["median", "mean"])
def test_stores_of_songs_and_systems(original, tmp_path, aggregation):
    (tmp_path / "RNN" / "test").mkdir(parents=True)
    for store in stores(museval):
        store.save(tmp_path / "RNN" / "test" / f"{store.track_name}.json")
    tables = []
    for module in (museval, original):
        system = module.EvalStore(frames_agg=aggregation, tracks_agg=aggregation)
        system.add_eval_dir(tmp_path / "RNN")
        system.add_track(stores(module)[0])
        system.add_track(stores(module)[1].df)
        methods = module.MethodStore(frames_agg=aggregation, tracks_agg=aggregation)
        methods.add_eval_dir(tmp_path / "RNN")
        methods.add_evalstore(system, "other")
        system.save(tmp_path / "a.pandas")
        system.load(tmp_path / "a.pandas")
        found = [(one.agg_frames_scores(), one.agg_frames_tracks_scores()) for one in (system, methods)]
        assert repr(system).count("\n") == 4
        tables.append([*found[0], *found[1], pd.Series(repr(system).splitlines())])
    for ours, theirs in zip(*tables, strict=True):
        pd.testing.assert_series_equal(ours, theirs)


def test_systems_of_sisec_2018_without_a_download():
    methods = museval.MethodStore()
    methods.add_sisec18()
    scores = methods.agg_frames_tracks_scores()
    assert scores["IRM1", "vocals", "SDR"] > 5
    assert methods.df["track"].nunique() == 50


def write(folder, audio):
    folder.mkdir(parents=True)
    for name, samples in audio.items():
        soundfile.write(folder / f"{name}.wav", samples, RATE, "DOUBLE")


def test_folders_are_paired_by_name(tmp_path):
    references, estimates = (dict(zip(("a", "b"), audio[:, :, :1], strict=True)) for audio in signals())
    write(tmp_path / "references", references)
    write(tmp_path / "estimates", dict(reversed(estimates.items())))
    store = museval.eval_dir(tmp_path / "references", tmp_path / "estimates", tmp_path / "scores")
    expected = museval.evaluate(list(references.values()), list(estimates.values()), RATE, RATE)[0]
    found = [[float(frame["metrics"]["SDR"]) for frame in target["frames"]] for target in store.scores["targets"]]
    np.testing.assert_allclose(found, expected, rtol=0, atol=5.1e-6)
    assert [target["name"] for target in store.scores["targets"]] == ["a.wav", "b.wav"]
    assert (tmp_path / "scores" / "references.json").read_text() == store.json
    (tmp_path / "estimates" / "a.wav").unlink()
    with pytest.raises(ValueError, match=r"estimates: has b\.wav, but needs a\.wav, b\.wav"):
        museval.eval_dir(tmp_path / "references", tmp_path / "estimates")
    with pytest.raises(ValueError, match="contains no wav files"):
        museval.eval_dir(tmp_path, tmp_path / "estimates")


def test_estimates_of_a_database(tmp_path):
    song, estimates = track(nb_samples=2400)
    other, _ = track(seed=1)
    names = ("vocals", "drums")
    write(tmp_path / "estimates" / "test" / song.name, {name: estimates[name] for name in names})
    museval.eval_mus_dir([song, other], tmp_path / "estimates", tmp_path / "scores")
    expected = museval.eval_mus_track(song, {name: estimates[name] for name in names})
    (written,) = (tmp_path / "scores").rglob("*.json")
    assert written == tmp_path / "scores" / "test" / "Song 0.json"
    assert written.read_text() == expected.json


def test_pickles_of_museval_are_not_unpickled(tmp_path):
    pd.DataFrame({"score": [1.0]}).to_pickle(tmp_path / "a.pandas")  # as museval's stores are saved
    with pytest.raises(UserError, match=r"a\.pandas: a pickle of museval"):
        museval.EvalStore().load(tmp_path / "a.pandas")
