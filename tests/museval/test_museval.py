"""rnnsep.museval against museval: the same calls give the same scores, texts and tables."""

import os
import subprocess
import sys
import types
from contextlib import nullcontext
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
import soundfile

import rnnsep.museval.cli
from rnnsep import museval
from rnnsep.running.errors import UserError
from rnnsep.signal import sigsep

RATE = 2000
TAPS = 24
TARGETS = ["vocals", "accompaniment", "drums", "bass", "other"]


@pytest.fixture(scope="module", autouse=True)
def linalg():
    """museval 0.4.1 looks for NumPy's LinAlgError where it was."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np.linalg, "linalg", np.linalg, raising=False)
        yield


@pytest.fixture(scope="module")
def original():
    return sigsep.museval()


def signals(seed=0, nb_sources=2, nb_samples=3000, nb_channels=2):
    rng = np.random.default_rng(seed)
    references = rng.standard_normal((nb_sources, nb_samples, nb_channels))
    return references, references + 0.3 * references[::-1] + 0.2 * rng.standard_normal(references.shape)


def track(seed=0, nb_samples=5000):
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


@pytest.mark.parametrize("sources", [False, True])
@pytest.mark.parametrize("framewise", [False, True])
@pytest.mark.parametrize("permutation", [False, True])
@pytest.mark.parametrize("nb_channels", [1, 2, 3])
def test_bss_eval(original, sources, framewise, permutation, nb_channels):
    references, estimates = signals(nb_channels, 3, nb_channels=nb_channels)
    estimates = estimates[[1, 2, 0]]
    references[0, 2000:2700] = 0  # and a silent frame
    arguments = (references, estimates, 700, 650.5, permutation, TAPS, framewise, sources)
    assert_equal(museval.metrics.bss_eval(*arguments), original.metrics.bss_eval(*arguments))


@pytest.mark.parametrize("window", [800, 2999.5, 3000, np.inf])
def test_windows(original, window):
    arguments = (*signals(), window, 800, False, TAPS)
    assert_equal(museval.metrics.bss_eval(*arguments), original.metrics.bss_eval(*arguments))


@pytest.mark.parametrize("name", ["bss_eval_sources", "bss_eval_images"])
def test_whole_signals(original, name):
    references, estimates = (audio[:, :, 0] for audio in signals(nb_samples=2000))
    ours, theirs = (getattr(module.metrics, name)(references, estimates[::-1]) for module in (museval, original))
    assert_equal(ours, theirs)
    np.testing.assert_array_equal(ours[-1], [[1], [0]])


@pytest.mark.parametrize("name", ["bss_eval_sources_framewise", "bss_eval_images_framewise"])
def test_frames(original, name):
    arguments = (*(audio[:, :, 0] for audio in signals()), 1500, 1400)
    assert_equal(getattr(museval.metrics, name)(*arguments), getattr(original.metrics, name)(*arguments))


@pytest.mark.parametrize(
    ("references", "estimates"),
    [
        (np.ones((2, 50)), np.ones((2, 51))),
        (np.ones((2, 50, 2, 1)), np.ones((2, 50, 2, 1))),
        (np.ones((2, 50)), np.eye(2)[:, [0] * 50]),
        (np.eye(2)[:, [0] * 50], np.ones((2, 50))),
        (np.ones((101, 50)), np.ones((101, 50))),
    ],
)
def test_the_same_errors(original, references, estimates):
    for module in (museval, original):
        with pytest.raises(ValueError, match="shape|dimensions|axes|silent|sources"):
            module.metrics.bss_eval(references, estimates, filters_len=4)


def test_empty_arrays():
    with pytest.warns(UserWarning, match="empty"):
        assert [len(one) for one in museval.metrics.bss_eval(np.array([]), np.array([]))] == [0] * 5


@pytest.mark.parametrize("mode", ["v4", "v3"])
@pytest.mark.parametrize("difference", [-400, 0, 400])
def test_evaluate(original, mode, difference):
    references, _ = signals(nb_samples=2400, nb_channels=1)
    _, estimates = signals(nb_samples=2400 + difference, nb_channels=1)
    arguments = (list(references), list(estimates), 1200, 1200, mode)
    assert_equal(museval.evaluate(*arguments), original.evaluate(*arguments))
    for ours, theirs in zip(*(m.pad_or_truncate(references, estimates) for m in (museval, original)), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_evaluate_scores_silence_nan_and_rejects_what_it_cannot_score():
    references, estimates = signals()
    with pytest.raises(ValueError, match="mode 'v5'"):
        museval.evaluate(references, estimates, mode="v5")
    with pytest.raises(ValueError, match="differ in length"):
        museval.evaluate(references, estimates[:, :-1], padding=False)
    estimates[0] = 0
    assert np.isnan(museval.evaluate(references, estimates, 1000, 1000)).all()
    estimates[0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        museval.evaluate(references, estimates)


@pytest.mark.parametrize(
    "names", [TARGETS, ["vocals", "accompaniment"], ["bass", "vocals"], ["drums", "accompaniment"], ["other"]]
)
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
        tables.append(
            [
                system.agg_frames_scores(),
                system.agg_frames_tracks_scores(),
                methods.agg_frames_scores(),
                methods.agg_frames_tracks_scores(),
            ]
        )
        assert repr(system).count("\n") == 4
        tables[-1].append(pd.Series(repr(system).splitlines()))
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


def test_folders_are_paired_by_name(original, tmp_path, capsys):
    references, estimates = (dict(zip(("a", "b"), audio[:, :, :1], strict=True)) for audio in signals())
    write(tmp_path / "references", references)
    write(tmp_path / "estimates", dict(reversed(estimates.items())))
    store = museval.eval_dir(tmp_path / "references", tmp_path / "estimates", tmp_path / "scores")
    expected = museval.evaluate(list(references.values()), list(estimates.values()), RATE, RATE)[0]
    found = [[float(frame["metrics"]["SDR"]) for frame in target["frames"]] for target in store.scores["targets"]]
    np.testing.assert_allclose(found, expected, rtol=0, atol=5.1e-6)
    assert [target["name"] for target in store.scores["targets"]] == ["a.wav", "b.wav"]
    assert (tmp_path / "scores" / "references.json").read_text() == store.json
    rnnsep.museval.cli.bsseval([str(tmp_path / "references"), str(tmp_path / "estimates")])
    assert repr(store) in capsys.readouterr().out
    (tmp_path / "estimates" / "a.wav").unlink()
    with pytest.raises(ValueError, match=r"estimates: has b\.wav, but needs a\.wav, b\.wav"):
        museval.eval_dir(tmp_path / "references", tmp_path / "estimates")
    with pytest.raises(ValueError, match="contains no wav files"):
        museval.eval_dir(tmp_path, tmp_path / "estimates")


def test_command_line_for_musdb(original, tmp_path):
    references, estimates = signals(nb_sources=2, nb_samples=2400, nb_channels=1)
    names = ("vocals", "drums")
    for song in ("one", "two"):
        mixture = {"mixture": references.sum(axis=0)}
        write(tmp_path / "musdb" / "test" / song, mixture | dict(zip(names, references, strict=True)))
    write(tmp_path / "estimates" / "test" / "one", dict(zip(names, estimates, strict=True)))
    arguments = [str(tmp_path / "estimates"), "--musdb", str(tmp_path / "musdb"), "--is-wav"]
    rnnsep.museval.cli.museval([*arguments, "-o", str(tmp_path / "scores")])
    song = sigsep.musdb().DB(root=str(tmp_path / "musdb"), is_wav=True)[0]
    expected = museval.eval_mus_track(song, dict(zip(names, estimates, strict=True)))
    written = list((tmp_path / "scores").rglob("*.json"))
    assert written == [tmp_path / "scores" / "test" / "one.json"]
    assert written[0].read_text() == expected.json
    rnnsep.museval.cli.museval(arguments)
    assert (tmp_path / "estimates" / "test" / "one.json").exists()


def test_neither_tensorflow_nor_museval_is_imported() -> None:
    code = (
        "import sys; from rnnsep import museval; museval.evaluate, museval.TrackStore, museval.metrics.bss_eval;"
        "assert not {'tensorflow', 'museval', 'musdb'} & sys.modules.keys()"
    )
    source = str(Path(rnnsep.__file__).parents[1])
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": source}, check=True)


def test_pickles_of_museval_are_not_unpickled(tmp_path):
    pd.DataFrame({"score": [1.0]}).to_pickle(tmp_path / "a.pandas")  # as museval's stores are saved
    with pytest.raises(UserError, match=r"a\.pandas: a pickle of museval"):
        museval.EvalStore().load(tmp_path / "a.pandas")
