"""Songs of a user's own: what comes out for every kind of file."""

import os
import shutil
import signal
import subprocess
import sys
import time
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rnnsep.app import arrays, cli, songs
from rnnsep.app.arrays import separate
from rnnsep.app.models import ModelFiles, find_model
from rnnsep.app.songs import Options, separate_files, with_residual
from rnnsep.corpora.synthetic.render import render
from rnnsep.network import packaged
from rnnsep.network.model import Model, load_model, save_model
from rnnsep.params import changed
from rnnsep.running.errors import UserError
from rnnsep.signal import writing
from rnnsep.signal.audio import AudioFile
from rnnsep.signal.stft import StftParams
from rnnsep.signal.streams import Decoded, open_audio
from rnnsep.signal.writing import write_wav
from tests.networks import SMALL, random_network

OPTIONS = Options(
    sources=(), filter="mask", temperature=1.0, format="wav", subtype="PCM_16", residual=False, overwrite=False
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network that was never trained, in files."""
    folder = tmp_path_factory.mktemp("trained") / "models"
    params = changed(SMALL, {"rnn.layers": 1, "rnn.units": 4, "input.bandwidth": 3000.0})
    stft = StftParams(sample_rate=8000, window=64, hop=32, channels="mono", taper="hann")
    network = random_network(params, 3, stft)
    save_model(folder, Model(("vocals", "drums", "rest"), stft, (network,)), {})
    return folder


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNSEP_WORKERS", "1")


def music(seconds: float, rate: int, nb_channels: int, seed: int = 0) -> NDArray[np.float32]:
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate))[:, None] / rate
    tones = np.sin(2 * np.pi * (220 * time * (1 + np.arange(nb_channels)) + random.uniform(0, 1, nb_channels)))
    return (0.3 * tones + 0.05 * random.normal(size=tones.shape)).astype(np.float32)


def encode(path: Path, codec: str, audio: NDArray[np.float32], rate: int, layout: str = "stereo") -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        # (nb_samples, nb_channels) -> planes (nb_channels, nb_samples)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(audio.T), format="fltp", layout=layout)
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a user's folder may hold."""
    root = tmp_path_factory.mktemp("songs") / "Überraschungen"
    (root / "album" / "disc 1").mkdir(parents=True)
    (root / ".hidden").mkdir()
    encode(root / "song.mp3", "libmp3lame", music(1.5, 44100, 2), 44100)
    encode(root / "album" / "song.m4a", "aac", music(3.2, 48000, 2), 48000)
    soundfile.write(root / "mono.wav", music(1, 22050, 1), 22050)
    soundfile.write(root / "album" / "disc 1" / "fine.flac", music(0.5, 96000, 2), 96000, subtype="PCM_24")
    soundfile.write(root / "surround.wav", music(0.5, 48000, 6), 48000)
    soundfile.write(root / "one sample.wav", music(1, 1, 2), 44100)
    (root / "text.mp3").write_text("These are words.\n" * 100)
    (root / "empty.wav").write_bytes(b"")
    (root / "cover.jpg").write_bytes(b"no song")
    (root / ".hidden" / "mono.wav").write_bytes((root / "mono.wav").read_bytes())
    return root


SHAPES = {
    "song": (44100, 66150, 2),
    "album/song": (48000, 153600, 2),
    "mono": (22050, 22050, 1),
    "album/disc 1/fine": (96000, 48000, 2),
    "surround": (48000, 24000, 6),
    "one sample": (44100, 1, 2),
}


def listed(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_a_folder_of_everything(folder: Path, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    arguments = ["separate", str(folder), "-o", str(out), "--model", str(models)]
    assert cli.main(arguments) == 1
    said = capsys.readouterr()
    assert listed(out) == sorted(f"{song}/{source}.wav" for song in SHAPES for source in ("vocals", "drums", "rest"))
    for song, (rate, nb_samples, nb_channels) in SHAPES.items():
        total = np.zeros((nb_samples, nb_channels))
        for source in ("vocals", "drums", "rest"):
            with AudioFile(out / song / f"{source}.wav") as file:
                # mp3 and m4a end with their last whole block of samples, and mp3 starts with a silent one
                assert (file.rate, file.nb_channels) == (rate, nb_channels)
                assert abs(file.nb_samples - nb_samples) < (3000 if "song" in song else 1)
                total = total[: file.nb_samples] + np.asarray(file)[: nb_samples or None]
        assert np.abs(total).max() > 0.01 or song == "one sample"
    assert f"{folder / 'mono.wav'}: written in {out / 'mono'}" in said.out.splitlines()
    assert "cover" not in said.out + said.err
    errors = said.err.splitlines()
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
    ("form", "subtype"), [("wav", "PCM_16"), ("wav", "PCM_24"), ("flac", "PCM_16"), ("flac", "PCM_24")]
)
@pytest.mark.parametrize("sources", [(), ("vocals",), ("rest", "drums")])
def test_with_the_residual_all_files_sum_to_the_song_to_the_last_bit(
    models: Path, tmp_path: Path, form: str, subtype: str, sources: tuple[str, ...]
) -> None:
    """Also for a song that leaves no headroom, and is of another rate than the model's."""
    song = np.clip(8 * music(0.7, 11025, 2), -1, 1)
    soundfile.write(tmp_path / "loud.wav", song, 11025, subtype=subtype)
    options = replace(OPTIONS, sources=sources, filter="wiener", format=form, subtype=subtype, residual=True)  # type: ignore[arg-type]
    (outcome,) = separate_files([tmp_path / "loud.wav"], tmp_path / "out", models, options)
    assert outcome.state == "written", outcome.message
    names = [path.stem for path in sorted((tmp_path / "out" / "loud").iterdir())]
    assert names == sorted([*(sources or ("vocals", "drums", "rest")), "residual"])
    total = sum(soundfile.read(outcome.folder / f"{name}.{form}", dtype="int32")[0].astype(int) for name in names)
    np.testing.assert_array_equal(total, soundfile.read(tmp_path / "loud.wav", dtype="int32")[0])
    assert {soundfile.info(outcome.folder / f"{name}.{form}").subtype for name in names} == {subtype}


def test_the_residual_of_a_compressed_song_is_what_its_decoder_gives(
    folder: Path, models: Path, tmp_path: Path
) -> None:
    options = replace(OPTIONS, sources=("drums",), subtype="PCM_24", residual=True)
    separate_files([folder / "song.mp3"], tmp_path, models, options)
    total = sum(np.asarray(AudioFile(tmp_path / "song" / f"{name}.wav")) for name in ("drums", "residual"))
    mixture = open_audio(folder / "song.mp3")
    np.testing.assert_array_equal(total, np.rint(mixture[:] * 2**23) / 2**23)


@settings(max_examples=200, deadline=None)
@given(
    bits=st.sampled_from([16, 24]),
    nb_sources=st.integers(1, 5),
    seed=st.integers(0, 10**6),
    loud=st.booleans(),
)
def test_residual_sums_exactly_and_fits_the_format(bits: int, nb_sources: int, seed: int, loud: bool) -> None:
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1
    random = np.random.default_rng(seed)
    mixture = random.integers(low, high, (50, 2), np.int32, endpoint=True)
    estimates = random.integers(low, high, (nb_sources, 50, 2), np.int32, endpoint=True)
    if loud:
        estimates[:] = random.choice([low, high], estimates.shape)
    before = estimates.copy()
    parts = with_residual(mixture, estimates, bits)
    assert parts.shape == (nb_sources + 1, 50, 2)
    assert parts.min() >= low
    assert parts.max() <= high
    np.testing.assert_array_equal(parts.sum(axis=0, dtype=np.int64), mixture)
    np.testing.assert_array_equal(estimates, before)
    fits = np.abs(mixture - before.sum(axis=0, dtype=np.int64)) < high
    np.testing.assert_array_equal(parts[:-1, fits], before[:, fits])  # estimates change only where they must


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_files_and_arrays_agree(models: Path, tmp_path: Path, temperature: float) -> None:
    song = music(1, 8000, 2)
    write_wav(tmp_path / "song.wav", [song], 8000, "FLOAT")
    options = replace(OPTIONS, sources=("drums",), temperature=temperature, subtype="FLOAT")
    separate_files([tmp_path / "song.wav"], tmp_path / "out", models, options)
    estimates = separate(song, 8000, models, temperature=temperature)
    assert list(estimates) == ["vocals", "drums", "rest"]
    if temperature != 1:
        assert np.abs(estimates["drums"] - separate(song, 8000, models)["drums"]).max() > 1e-4
    written = np.asarray(AudioFile(tmp_path / "out/song/drums.wav"))
    np.testing.assert_allclose(written, estimates["drums"], atol=1e-6)
    loaded = separate(song, 8000, load_model(models), temperature=temperature)
    np.testing.assert_allclose(loaded["rest"], estimates["rest"], atol=1e-6)


@pytest.mark.parametrize("options", [{"temperature": 0.0}, {"filter": "wine"}])
def test_impossible_options_are_refused_before_a_model_is_looked_for(tmp_path: Path, options: dict[str, Any]) -> None:
    (key,) = options
    with pytest.raises(UserError, match=f"^{key}: must be"):
        separate(music(0.1, 8000, 1), 8000, tmp_path / "nowhere", **options)


@pytest.mark.parametrize(("nb_samples", "rate"), [(1, 44100), (999, 8000), (30000, 22050)])
def test_arrays_of_one_dimension(models: Path, nb_samples: int, rate: int) -> None:
    song = music(nb_samples / rate, rate, 1)[:, 0].astype(np.float64)
    estimates = separate(song, rate, models)
    assert {estimate.shape for estimate in estimates.values()} == {(nb_samples,)}
    np.testing.assert_array_equal(estimates["vocals"], separate(song[:, None], rate, models)["vocals"][:, 0])


@pytest.mark.parametrize(
    "audio",
    [np.zeros((2, 1000)), np.zeros(0), np.zeros((1, 2, 3)), np.array([0.1, np.nan]), np.zeros(10, np.int16)],
)
def test_arrays_of_another_form_are_refused(models: Path, audio: NDArray[np.generic]) -> None:
    with pytest.raises(ValueError, match="audio must be"):
        separate(audio, 44100, models)


def test_the_model_is_the_users_own_or_the_first_packaged_one_and_is_named(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, rank in {"small": 2, "large": 1}.items():
        folder = tmp_path / "package" / name
        shutil.copytree(models, folder)
        (folder / "README.md").write_text(f"---\nrank: {rank}\nlicence: MIT\ndata: noise\n---\n# {name}\n")
    monkeypatch.setattr(packaged, "PACKAGED", tmp_path / "package")
    soundfile.write("song.wav", music(0.1, 8000, 1), 8000)
    assert cli.main(["separate", "song.wav", "-o", "out"]) == 0
    assert capsys.readouterr().err == "rnnsep: separating with the model large (trained on noise; MIT)\n"
    assert cli.main(["separate", "song.wav", "-o", "out", "--model", "small"]) == 0
    assert capsys.readouterr().err == "rnnsep: separating with the model small (trained on noise; MIT)\n"
    shutil.copytree(models, tmp_path / "models")
    assert cli.main(["separate", "song.wav", "-o", "out"]) == 0
    said = capsys.readouterr()
    assert said.err == "rnnsep: separating with the model models\n"
    assert ": kept in " in said.out  # since all have the same files
    assert cli.main(["separate", "song.wav", "-o", "out", "--model", "tiny"]) == 1
    assert "tiny: no model; give a folder with model.json, or one of large, small" in capsys.readouterr().err
    assert cli.main(["models"]) == 0
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == ["large", "small"]


def test_a_model_is_loaded_once_for_many_arrays_and_again_if_its_files_change(models: Path, tmp_path: Path) -> None:
    folder, other = tmp_path / "models", load_model(models)
    shutil.copytree(models, folder)
    audio = music(0.1, 8000, 2)

    def vocals(model: Path | Model) -> NDArray[np.float32]:
        return separate(audio, 8000, model)["vocals"]

    first = vocals(folder)
    before = arrays._loaded.cache_info().misses
    np.testing.assert_array_equal(vocals(folder), first)
    assert arrays._loaded.cache_info().misses == before
    (network,) = other.networks
    for weight in network.weights:
        weight.assign(weight + 0.1)
    save_model(folder, other, {})
    assert not np.array_equal(vocals(folder), first)
    np.testing.assert_array_equal(vocals(folder), vocals(other))


def errors(index: int, model: str | None) -> dict[str, tuple[float, float]]:
    """Squared errors of estimates of a synthetic song, and of the mixture in their place."""
    song = render(seed=1, index=index, seconds=6.0)  # packaged models were trained on songs of seed 0 or real ones
    mixture = song.pop("mixture") / 32768
    return {
        source: (
            float(np.sum(np.square(estimate - song[source] / 32768))),
            float(np.sum(np.square(mixture / len(song) - song[source] / 32768))),
        )
        for source, estimate in separate(mixture, 44100, model=model).items()
    }


def test_the_packaged_model_of_synthetic_songs_separates_every_source_of_one_it_has_not_heard() -> None:
    for source, (error, without) in errors(0, "synthetic").items():
        assert error < 0.6 * without, source


def test_the_default_model_separates_songs_it_has_not_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_model(None) == packaged.cards()[0].folder
    error, without = np.sum([pair for index in range(4) for pair in errors(index, None).values()], axis=0)
    assert error < 0.6 * without


def test_the_digest_of_a_model_covers_all_its_networks(models: Path, tmp_path: Path) -> None:
    shutil.copytree(models, tmp_path / "models")
    digests = {ModelFiles.read(models).digest, ModelFiles.read(tmp_path / "models").digest}
    assert len(digests) == 1
    for weights in (b"one", b"two"):
        (tmp_path / "models" / "weights.npz").write_bytes(weights)
        digests.add(ModelFiles.read(tmp_path / "models").digest)
    assert len(digests) == 3


def test_files_made_with_other_options_are_not_replaced(models: Path, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name, seed in (("song.wav", 0), ("b/song.wav", 1)):
        soundfile.write(tmp_path / name, music(0.2, 8000, 1, seed), 8000)
    out = tmp_path / "out"

    def attempt(path: str, **changes: object) -> songs.Outcome:
        options = Options(**{**vars(OPTIONS), **changes})  # type: ignore[arg-type]
        (outcome,) = separate_files([tmp_path / path], out, models, options)
        return outcome

    assert attempt("song.wav", sources=("vocals",)).state == "written"
    before = (out / "song" / "vocals.wav").read_bytes()
    for path, changes in (
        ("b/song.wav", {}),
        ("song.wav", {"subtype": "PCM_24"}),
        ("song.wav", {"residual": True}),
        ("song.wav", {"temperature": 1.5}),
    ):
        outcome = attempt(path, **changes)
        assert outcome.message == (
            f"{out / 'song' / 'vocals.wav'}: is of another song or other options; --overwrite replaces it"
        )
    assert listed(out) == ["song/vocals.wav"]
    assert attempt("song.wav").state == "written"  # the other sources
    assert attempt("song.wav", sources=("drums",)).state == "kept"
    assert (out / "song" / "vocals.wav").read_bytes() == before
    assert attempt("b/song.wav", overwrite=True).state == "written"
    assert (out / "song" / "vocals.wav").read_bytes() != before
    (out / "song" / "rest.wav").write_bytes(b"a user's own")
    assert attempt("b/song.wav").state == "failed"
    assert (out / "song" / "rest.wav").read_bytes() == b"a user's own"


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_the_same_song_gives_the_same_bytes(models: Path, tmp_path: Path, subtype: str) -> None:
    soundfile.write(tmp_path / "song.wav", music(0.3, 8000, 2), 8000)
    options = replace(OPTIONS, subtype=subtype)  # type: ignore[arg-type]
    separate_files([tmp_path / "song.wav"], tmp_path / "a", models, options)
    separate_files([tmp_path / "song.wav"], tmp_path / "b", models, options)
    for path in (tmp_path / "a").rglob("*.wav"):
        data = path.read_bytes()
        assert data == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()
        assert str(tmp_path).encode() not in data


def test_its_own_outputs_are_no_songs(models: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "song.wav", music(0.1, 8000, 1), 8000)
    for state in ("written", "kept"):
        outcomes = separate_files([tmp_path], tmp_path, models, OPTIONS)
        assert [(outcome.path.name, outcome.state) for outcome in outcomes] == [("song.wav", state)]


def test_a_truncated_song_is_separated_as_far_as_it_goes(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(tmp_path / "song.wav", music(1, 8000, 1), 8000)
    path = tmp_path / "song.wav"
    path.write_bytes(path.read_bytes()[: 44 + 2 * 6000])
    arguments = ["separate", str(path), "-o", str(tmp_path / "out"), "--model", str(models), "--residual"]
    assert cli.main(arguments) == 0
    assert (
        capsys.readouterr().err.splitlines()[-1]
        == f"rnnsep: warning: {path}: damaged or truncated: 0.25 s of audio are lost"
    )
    total = sum(np.asarray(AudioFile(one)) for one in (tmp_path / "out" / "song").iterdir())
    np.testing.assert_array_equal(total, np.frombuffer(path.read_bytes()[44:], "<i2")[:, None] / 32768)


@pytest.mark.parametrize("interrupts", [1, 3])
def test_an_interrupt_stops_at_once_says_what_is_finished_and_a_repeat_resumes(
    models: Path, tmp_path: Path, interrupts: int
) -> None:
    for name in "abc":
        soundfile.write(tmp_path / f"{name}.wav", music(0.2 if name == "a" else 600, 8000, 1), 8000)
    arguments = [str(tmp_path), "-o", str(tmp_path / "out"), "--model", str(models)]
    code = "import sys; from rnnsep.app.cli import main; sys.exit(main())"
    with subprocess.Popen(
        [sys.executable, "-c", code, "separate", *arguments],
        env=os.environ | {"RNNSEP_WORKERS": "2"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        while not list((tmp_path / "out").glob("a/*.wav")) or not list(tmp_path.glob("out/[bc]/.partial-*")):
            time.sleep(0.05)
        for _ in range(interrupts):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.02)
        _, said = process.communicate(timeout=30)
    assert process.returncode in (130, -signal.SIGINT)
    assert said.count("rnnsep: interrupted; separate: ") == 1
    assert " of 3 finished; run again to resume\n" in said and "Traceback" not in said
    assert all(path.parent.name == "a" for path in (tmp_path / "out").rglob("*.wav"))


def test_estimates_above_full_scale_are_reported_or_kept_in_float(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    song = 3 / 0.35 * music(0.2, 8000, 1)
    soundfile.write(tmp_path / "song.wav", song, 8000, subtype="FLOAT")
    arguments = ["separate", str(tmp_path / "song.wav"), "--model", str(models), "-o"]
    assert cli.main([*arguments, str(tmp_path / "whole")]) == 0
    said = capsys.readouterr().err
    assert "warning" in said and "above full scale and clipped: vocals (+" in said and "use --subtype FLOAT" in said
    assert cli.main([*arguments, str(tmp_path / "float"), "--subtype", "FLOAT"]) == 0
    assert capsys.readouterr().err == ""
    parts = [soundfile.read(path)[0] for path in (tmp_path / "float" / "song").glob("*.wav")]
    np.testing.assert_allclose(sum(parts), song[:, 0], atol=1e-4)


def test_a_model_is_named_only_where_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["separate", "-o", "out", "song.wav", "--temperature", "0"]) == 1
    assert capsys.readouterr().err == "rnnsep: temperature: must be from 0.1 to 10, not 0.0\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.mp3"], "nowhere.mp3: no such file or folder"),
        (["void"], "void: holds no audio file"),
        (["song.wav", "--source", "voice"], "MODELS: separates vocals, drums, rest, but not voice"),
        (["song.wav", "--model", "void"], "void: no model; give a folder with model.json, or one of "),
        (["song.wav", "--temperature", "0"], "temperature: must be from 0.1 to 10, not 0.0"),
        (["song.wav", "--temperature", "nan"], "temperature: must be a number, not nan"),
        (["song.wav", "--format", "flac", "--subtype", "FLOAT"], "FLAC has no floating point; use"),
        (["song.wav", "--residual", "--subtype", "FLOAT"], "--residual is exact to the last bit"),
        (["nine.wav", "--format", "flac"], "nine.wav: FLAC holds at most 8 channels, not 9; use --format wav"),
        (["song.wav", "-o", "song.wav"], "song.wav/song: Not a directory"),
        (["slow.wav"], "slow.wav: the rate is 50 Hz; 100 to 1000000 Hz can be separated"),
        (["nan.wav"], "nan.wav: NaN or infinity, first at sample 3; fix or remove the song"),
    ],
)
def test_errors_of_the_user_are_one_line(
    models: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "void").mkdir()
    soundfile.write("song.wav", music(0.1, 8000, 1), 8000)
    soundfile.write("nine.wav", music(0.1, 8000, 9), 8000)
    soundfile.write("slow.wav", music(1, 50, 1), 50)
    soundfile.write("nan.wav", np.array([0, 0, 0, np.nan, 0]), 8000, subtype="FLOAT")
    given = ["separate", "-o", "out", "--model", str(models), *arguments]
    assert cli.main(given) == 1
    first, *_ = capsys.readouterr().err.splitlines()
    assert first.startswith(f"rnnsep: {message}".replace("MODELS", str(models)))
    assert not any(path.is_file() for path in (tmp_path / "out").rglob("*"))


@settings(max_examples=30, deadline=None)
@given(slices=st.lists(st.tuples(st.integers(0, 70000), st.integers(0, 70000)), min_size=1, max_size=8))
def test_decoded_audio_reads_like_an_array(folder: Path, slices: list[tuple[int, int]]) -> None:
    audio = open_audio(folder / "song.mp3")
    assert isinstance(audio, Decoded)
    whole = copy(audio)[:]
    assert whole.shape == audio.shape
    for start, stop in slices:
        np.testing.assert_array_equal(audio[start:stop], whole[start:stop])


def test_decoded_audio_is_never_held_whole(tmp_path: Path) -> None:
    encode(tmp_path / "song.mp3", "libmp3lame", music(10, 44100, 1), 44100, "mono")
    audio = open_audio(tmp_path / "song.mp3")
    assert isinstance(audio, Decoded)
    held = []
    for start in range(0, audio.shape[0], 5000):
        audio[start : start + 10000]
        held.append(len(audio._held))
    assert max(held) < audio.shape[0] / 3


def test_blocks_of_a_long_song_are_joined(
    models: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks much shorter than the song, from a compressed file, with the residual: nothing is lost or cut."""
    monkeypatch.setattr(arrays, "BLOCK", 1.0)
    options = replace(OPTIONS, subtype="PCM_24", residual=True)
    (outcome,) = separate_files([folder / "album" / "song.m4a"], tmp_path, models, options)
    total = sum(np.asarray(AudioFile(path)) for path in sorted(outcome.folder.iterdir()))
    np.testing.assert_array_equal(total, np.rint(open_audio(folder / "album" / "song.m4a")[:] * 2**23) / 2**23)


def test_a_song_of_more_than_4_gb_gets_a_header_that_can_tell(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "LARGEST_WAV", 100)
    soundfile.write(tmp_path / "song.wav", music(0.1, 8000, 1), 8000)
    for state in ("written", "kept"):
        (outcome,) = separate_files([tmp_path / "song.wav"], tmp_path / "out", models, OPTIONS)
        assert outcome.state == state
    with AudioFile(tmp_path / "out" / "song" / "vocals.wav") as file:
        assert (soundfile.info(file.path).format, file.nb_samples) == ("RF64", 800)


def test_a_kept_song_needs_no_tensorflow(models: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "song.wav", music(0.1, 8000, 1), 8000)
    separate_files([tmp_path / "song.wav"], tmp_path / "out", models, OPTIONS)
    arguments = ["separate", str(tmp_path / "song.wav"), "-o", str(tmp_path / "out"), "--model", str(models)]
    code = (
        f"import sys; from rnnsep.app import cli\nassert cli.main({arguments}) == 0\n"
        "assert 'tensorflow' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ": kept in " in done.stdout


def test_a_model_that_cannot_be_loaded(models: Path, tmp_path: Path) -> None:
    broken = tmp_path / "models"
    broken.mkdir()
    (broken / "model.json").write_bytes((models / "model.json").read_bytes())
    (broken / "weights.npz").write_bytes(b"nothing")
    soundfile.write(tmp_path / "song.wav", music(0.1, 8000, 1), 8000)
    (outcome,) = separate_files([tmp_path / "song.wav"], tmp_path / "out", broken, OPTIONS)
    assert outcome.message.startswith(f"{broken / 'weights.npz'}: not the weights of this network")
    (broken / "model.json").write_text("{}")
    with pytest.raises(UserError, match=r"model\.json: not the description of a model"):
        separate_files([tmp_path / "song.wav"], tmp_path / "out", broken, OPTIONS)


def test_an_array_is_separated_by_the_model_that_is_there_now(models: Path, tmp_path: Path) -> None:
    shutil.copytree(models, tmp_path / "models")
    before = separate(np.ones(100), 8000, tmp_path / "models")
    other = load_model(models)
    save_model(tmp_path / "models", Model(("a", "b", "c"), other.stft, other.networks), {})
    assert list(separate(np.ones(100), 8000, tmp_path / "models")) != list(before)
