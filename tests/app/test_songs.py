"""Songs of a user's own: what comes out for every kind of file."""

import os
import re
import shutil
import signal
import time
from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

import rnnsep
from rnnsep.app import arrays, cli
from rnnsep.app.songs import Options, separate_files
from rnnsep.corpora.synthetic.render import render
from rnnsep.network import packaged
from rnnsep.network.model import load_model, save_model
from rnnsep.signal.audio import AudioFile
from rnnsep.signal.streams import Decoded, open_audio
from tests import processes
from tests.corpora.test_collect import contents
from tests.networks import random_network, save_small
from tests.sound import encode

SOURCES = ("vocals", "drums", "rest")
OPTIONS = Options(
    sources=(), filter="mask", temperature=1.0, format="wav", subtype="PCM_16", residual=False, overwrite=False
)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return save_small(tmp_path_factory.mktemp("trained") / "models", SOURCES)


def music(seconds, rate, nb_channels, seed=0):
    random = np.random.default_rng(seed)
    at = np.arange(round(seconds * rate))[:, None] / rate
    tones = np.sin(2 * np.pi * (220 * at * (1 + np.arange(nb_channels)) + random.uniform(0, 1, nb_channels)))
    return (0.3 * tones + 0.05 * random.normal(size=tones.shape)).astype(np.float32)


def total(folder):
    return np.asarray(sum(np.asarray(AudioFile(path), np.float64) for path in sorted(folder.iterdir())))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What a user's folder may hold."""
    root = tmp_path_factory.mktemp("songs") / "Überraschungen"
    (root / "album" / "disc 1").mkdir(parents=True)
    encode(root / "song.mp3", music(1.5, 44100, 2), codec="libmp3lame")
    encode(root / "album" / "song.m4a", music(3.2, 48000, 2), codec="aac", rate=48000)
    soundfile.write(root / "mono.wav", music(1, 22050, 1), 22050)
    soundfile.write(root / "album" / "disc 1" / "fine.flac", music(0.5, 96000, 2), 96000, subtype="PCM_24")
    soundfile.write(root / "surround.wav", music(0.5, 48000, 6), 48000)
    soundfile.write(root / "one sample.wav", music(1, 1, 2), 44100)
    (root / "text.mp3").write_text("These are words.\n" * 100)
    (root / "empty.wav").write_bytes(b"")
    (root / "cover.jpg").write_bytes(b"no song")
    return root


def messages(said):
    """Lines of standard error that are no progress."""
    return [line for line in said.splitlines() if line.startswith("rnnsep: ")]


SHAPES = {
    "song": (44100, 66150, 2),
    "album/song": (48000, 153600, 2),
    "mono": (22050, 22050, 1),
    "album/disc 1/fine": (96000, 48000, 2),
    "surround": (48000, 24000, 6),
    "one sample": (44100, 1, 2),
}


def test_a_folder_of_everything(folder, models, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["separate", str(folder), "-o", str(out), "--model", str(models)]
    assert cli.main(arguments) == 1
    said = capsys.readouterr()
    assert sorted(contents(out)) == sorted(f"{song}/{source}.wav" for song in SHAPES for source in SOURCES)
    for song, (rate, nb_samples, nb_channels) in SHAPES.items():
        for source in SOURCES:
            with AudioFile(out / song / f"{source}.wav") as file:
                assert (file.rate, file.nb_channels) == (rate, nb_channels)
                # mp3 and m4a end with their last whole block of samples, and mp3 starts with a silent one
                assert abs(file.nb_samples - nb_samples) < (3000 if "song" in song else 1)
        assert np.abs(total(out / song)).max() > 0.01 or song == "one sample"
    assert f"{folder / 'mono.wav'}: written in {out / 'mono'}" in said.out.splitlines()
    assert "cover" not in said.out + said.err
    errors = messages(said.err)
    assert errors[0] == f"rnnsep: {folder / 'empty.wav'}: empty file"
    assert errors[1].startswith(f"rnnsep: {folder / 'text.mp3'}: ")
    assert errors[2:] == ["rnnsep: 2 of 8 inputs could not be separated"]

    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert cli.main(arguments) == 1
    assert capsys.readouterr().out.count(": kept in ") == len(SHAPES)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    assert cli.main([*arguments, "--overwrite"]) == 1
    assert all(path.stat().st_mtime_ns > before[path] for path in out.rglob("*.wav"))


@pytest.mark.parametrize(
    ("form", "subtype", "sources", "step"),
    [
        ("wav", "PCM_16", (), 2**-15),
        ("flac", "PCM_24", ("rest", "drums"), 2**-23),
        ("wav", "FLOAT", ("vocals",), 2**-23),
    ],
)
def test_with_the_residual_all_files_sum_to_the_song(models, tmp_path, form, subtype, sources, step):
    """Also of another rate than the model's; each file is rounded."""
    song = music(0.7, 11025, 2)
    soundfile.write(tmp_path / "song.wav", song, 11025, subtype="FLOAT")
    options = replace(OPTIONS, sources=sources, filter="wiener", format=form, subtype=subtype, residual=True)
    (outcome,) = separate_files([tmp_path / "song.wav"], tmp_path / "out", models, options)
    assert outcome.state == "written", outcome.message
    assert sorted(contents(outcome.folder)) == sorted(f"{name}.{form}" for name in (*(sources or SOURCES), "residual"))
    np.testing.assert_allclose(total(outcome.folder), song, rtol=0, atol=3 * step)
    assert {soundfile.info(path).subtype for path in outcome.folder.iterdir()} == {subtype}


def test_files_and_arrays_agree(models, tmp_path):
    song = music(1, 8000, 2)
    soundfile.write(tmp_path / "song.wav", song, 8000, subtype="FLOAT")
    options = replace(OPTIONS, sources=("drums",), temperature=2.0, subtype="FLOAT")
    separate_files([tmp_path / "song.wav"], tmp_path / "out", models, options)
    estimates = rnnsep.separate(song, 8000, models, temperature=2.0)
    assert tuple(estimates) == SOURCES
    assert np.abs(estimates["drums"] - rnnsep.separate(song, 8000, models)["drums"]).max() > 1e-4
    np.testing.assert_array_equal(np.asarray(AudioFile(tmp_path / "out/song/drums.wav")), estimates["drums"])
    loaded = rnnsep.separate(song, 8000, load_model(models), temperature=2.0)
    np.testing.assert_array_equal(loaded["rest"], estimates["rest"])
    for nb_samples, rate in ((1, 44100), (999, 8000)):
        mono = music(nb_samples / rate, rate, 1).astype(np.float64)
        one, two = rnnsep.separate(mono[:, 0], rate, models), rnnsep.separate(mono, rate, models)
        np.testing.assert_array_equal(one["vocals"], two["vocals"][:, 0])


def test_arrays_of_another_form_are_refused(models):
    for audio, rate, message in (
        (np.zeros((2, 1000)), 44100, r"\(2, 1000\): transpose it"),
        (np.zeros(0), 44100, "must be floats"),
        (np.zeros(10, np.int16), 44100, "must be floats"),
        (np.array([0.1, np.nan]), 44100, "NaN"),
        (np.array([1e39, 0]), 44100, "beyond float32"),
        (np.zeros(10), 0, "the rate must be"),
    ):
        with pytest.raises(ValueError, match=message):
            rnnsep.separate(audio, rate, models)


def test_the_model_is_the_users_own_or_the_first_packaged_one_and_is_named(models, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, rank in {"small": 2, "large": 1}.items():
        folder = tmp_path / "package" / name
        shutil.copytree(models, folder)
        (folder / "README.md").write_text(f"---\nrank: {rank}\nlicence: MIT\ndata: noise\n---\n# {name}\n")
    monkeypatch.setattr(packaged, "PACKAGED", tmp_path / "package")
    soundfile.write("song.wav", music(0.1, 8000, 1), 8000)
    shutil.copytree(models, "others")
    for model, named in (
        ([], "rnnsep: separating with the model large (trained on noise; MIT)"),
        (["--model", "small"], "rnnsep: separating with the model small (trained on noise; MIT)"),
        (["--model", "others"], None),
    ):
        assert cli.main(["separate", "song.wav", "-o", "out", *model]) == 0
        assert messages(capsys.readouterr().err) == [named] * (named is not None)
    shutil.copytree(models, "models")
    assert cli.main(["separate", "song.wav", "-o", "out"]) == 0
    said = capsys.readouterr()
    assert messages(said.err) == ["rnnsep: separating with the model models"]
    assert ": kept in " in said.out  # since all have the same files
    assert cli.main(["models"]) == 0
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == ["large", "small"]


def test_a_model_is_loaded_once_for_many_arrays_and_again_if_its_files_change(models, tmp_path):
    folder, audio = tmp_path / "models", music(0.1, 8000, 2)
    shutil.copytree(models, folder)
    first = rnnsep.separate(audio, 8000, folder)["vocals"]
    before = arrays.loaded.cache_info().misses
    np.testing.assert_array_equal(rnnsep.separate(audio, 8000, folder)["vocals"], first)
    assert arrays.loaded.cache_info().misses == before
    loaded = load_model(models)
    other = random_network(loaded.networks[0].architecture.params, 3, loaded.stft, seed=1)
    save_model(folder, replace(loaded, networks=(other,)), {})
    second = rnnsep.separate(audio, 8000, folder)["vocals"]
    assert not np.array_equal(second, first)
    np.testing.assert_array_equal(second, rnnsep.separate(audio, 8000, load_model(folder))["vocals"])


def test_packaged_models_separate_a_song_that_they_have_not_heard(tmp_path):
    """They were trained on songs of seed 0 or real ones."""
    song = {name: stem / 32768 for name, stem in render(seed=1, index=1, seconds=6.0).items()}
    mixture = song.pop("mixture")
    without = sum(float(np.sum(np.square(mixture / len(song) - stem))) for stem in song.values())
    for card in packaged.cards():
        estimates = rnnsep.separate(mixture, 44100, card.folder)
        error = sum(float(np.sum(np.square(estimate - song[name]))) for name, estimate in estimates.items())
        assert error < 0.7 * without


def test_files_made_with_other_options_are_not_replaced(models, tmp_path):
    (tmp_path / "b").mkdir()
    for name, seed in (("song.wav", 0), ("b/song.wav", 1)):
        soundfile.write(tmp_path / name, music(0.2, 8000, 1, seed), 8000)
    out = tmp_path / "out"

    def attempt(path, **changes):
        options = Options(**{**vars(OPTIONS), **changes})
        (outcome,) = separate_files([tmp_path / path], out, models, options)
        return outcome

    assert attempt("song.wav", sources=("vocals",)).state == "written"
    target = out / "song" / "vocals.wav"
    before = target.read_bytes()
    for path, changes in (("b/song.wav", {}), ("song.wav", {"subtype": "PCM_24"}), ("song.wav", {"temperature": 1.5})):
        outcome = attempt(path, **changes)
        assert outcome.message == f"{target}: is of another song or other options; --overwrite replaces it"
    assert sorted(contents(out)) == ["song/vocals.wav"]
    assert attempt("song.wav").state == "written"  # the other sources
    assert attempt("song.wav", sources=("drums",)).state == "kept"
    assert target.read_bytes() == before
    assert attempt("b/song.wav", overwrite=True).state == "written"
    assert target.read_bytes() != before
    target.write_bytes(b"a user's own")
    assert attempt("b/song.wav").state == "failed"
    assert target.read_bytes() == b"a user's own"


def test_bytes_depend_on_the_song_only_and_outputs_are_no_songs(models, tmp_path, monkeypatch):
    for seed, name in enumerate("ab"):
        soundfile.write(tmp_path / f"{name}.wav", music(0.3, 8000, 2, seed), 8000)
    options = replace(OPTIONS, subtype="FLOAT")
    separate_files([tmp_path / "b.wav"], tmp_path / "one", models, options)
    monkeypatch.setenv("RNNSEP_WORKERS", "2")
    for state in ("written", "kept"):
        outcomes = separate_files([tmp_path], tmp_path, models, options)
        assert [(outcome.path.name, outcome.state) for outcome in outcomes] == [("a.wav", state), ("b.wav", state)]
    for path in (tmp_path / "one").rglob("*.wav"):
        data = path.read_bytes()
        assert data == (tmp_path / path.relative_to(tmp_path / "one")).read_bytes()
        assert str(tmp_path).encode() not in data


def test_an_interrupt_stops_at_once_and_says_what_is_finished(models, tmp_path):
    """However often the key is pressed."""
    for name in "abc":
        soundfile.write(tmp_path / f"{name}.wav", music(0.2 if name == "a" else 300, 8000, 1), 8000)
    arguments = [str(tmp_path), "-o", str(tmp_path / "out"), "--model", str(models)]
    code = "import sys; from rnnsep.app.cli import main; sys.exit(main())"
    with processes.start("-c", code, "separate", *arguments, RNNSEP_WORKERS="2") as process:
        while len(list(tmp_path.glob("out/a/[!.]*.wav"))) < 3 or not list(tmp_path.glob("out/[bc]/.partial-*")):
            time.sleep(0.02)
        for _ in range(3):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.02)
        _, said = process.communicate(timeout=30)
    assert process.returncode in (130, -signal.SIGINT)
    (message,) = messages(said)
    assert re.fullmatch("rnnsep: interrupted; separate: [01] of 3 finished; run again to resume", message)
    assert "Traceback" not in said
    assert sorted(contents(tmp_path / "out")) == ["a/drums.wav", "a/rest.wav", "a/vocals.wav"]


def test_estimates_above_full_scale_are_reported_or_kept_in_float(models, tmp_path, capsys):
    song = 3 / 0.35 * music(0.2, 8000, 1)
    soundfile.write(tmp_path / "song.wav", song, 8000, subtype="FLOAT")
    arguments = ["separate", str(tmp_path / "song.wav"), "--model", str(models), "-o"]
    assert cli.main([*arguments, str(tmp_path / "whole")]) == 0
    said = capsys.readouterr().err
    assert "warning" in said and "above full scale and clipped: vocals (+" in said and "use --subtype FLOAT" in said
    assert cli.main([*arguments, str(tmp_path / "float"), "--subtype", "FLOAT"]) == 0
    assert messages(capsys.readouterr().err) == []
    np.testing.assert_allclose(total(tmp_path / "float" / "song"), song, atol=1e-4)


def test_errors_of_the_user_are_one_line(models, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "void").mkdir()
    shutil.copytree(models, "broken")
    Path("broken/weights.npz").write_text("{}")
    soundfile.write("song.wav", music(0.1, 8000, 1), 8000)
    soundfile.write("nine.wav", music(0.1, 8000, 9), 8000)
    soundfile.write("slow.wav", music(1, 50, 1), 50)
    soundfile.write("nan.wav", np.array([0, 0, 0, np.nan, 0]), 8000, subtype="FLOAT")
    for arguments, message in (
        ("nowhere.mp3", "nowhere.mp3: no such file or folder"),
        ("void", "void: holds no audio file"),
        ("song.wav --source voice", f"{models}: separates vocals, drums, rest, but not voice"),
        ("song.wav --model void", "void: no model; give a folder with model.json, or one of "),
        ("song.wav --model broken", "broken/weights.npz: not the weights of "),
        ("song.wav --temperature 0", "temperature: must be from 0.1 to 10, not 0.0"),
        ("song.wav --format flac --subtype FLOAT", "FLAC has no floating point; use"),
        ("nine.wav --format flac", "nine.wav: FLAC holds at most 8 channels, not 9; use --format wav"),
        ("song.wav -o song.wav", "song.wav/song: Not a directory"),
        ("slow.wav", "slow.wav: the rate is 50 Hz; 100 to 1000000 Hz can be separated"),
        ("nan.wav", "nan.wav: NaN or infinity, first at sample 3; fix or remove the song"),
    ):
        assert cli.main(["separate", "-o", "out", "--model", str(models), *arguments.split()]) == 1
        first, *_ = messages(capsys.readouterr().err)
        assert first.startswith(f"rnnsep: {message}")
        assert not any(path.is_file() for path in (tmp_path / "out").rglob("*"))


@settings(max_examples=30)
@given(slices=st.lists(st.tuples(st.integers(0, 70000), st.integers(0, 70000)), min_size=1, max_size=8))
def test_decoded_audio_reads_like_an_array(folder, slices):
    audio = open_audio(folder / "song.mp3")
    assert isinstance(audio, Decoded)
    whole = copy(audio)[:]
    assert whole.shape == audio.shape
    for start, stop in slices:
        np.testing.assert_array_equal(audio[start:stop], whole[start:stop])


def test_blocks_of_a_long_compressed_song_are_joined(models, folder, tmp_path, monkeypatch):
    """Blocks much shorter than the song, with the residual: nothing is lost or cut."""
    monkeypatch.setattr(arrays, "BLOCK", 1.0)
    options = replace(OPTIONS, subtype="PCM_24", residual=True)
    (outcome,) = separate_files([folder / "album" / "song.m4a"], tmp_path, models, options)
    song = open_audio(folder / "album" / "song.m4a")[:]
    np.testing.assert_allclose(total(outcome.folder), song, rtol=0, atol=2**-21)
