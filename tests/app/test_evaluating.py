"""`rnnsep evaluate` and `rnnsep.evaluate`: the pipeline's scores for any folders and arrays."""

import errno
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

import rnnsep
from rnnsep.app import cli
from rnnsep.running import files
from rnnsep.running.errors import UserError
from rnnsep.scoring.evaluation import score_estimates
from rnnsep.signal.audio import AudioFile
from rnnsep.signal.corpus import EvaluationParams
from rnnsep.tables.reading import score_files
from tests.sound import write_corpus

SOURCES = ("vocals", "drums")
RATE = 8000


def sound(seed, nb_samples=2 * RATE, nb_channels=2):
    return (0.1 * np.random.default_rng(seed).normal(size=(nb_samples, nb_channels))).astype(np.float32)


def write(path, audio, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio, rate, **({"subtype": "FLOAT"} if path.suffix == ".wav" else {}))


@pytest.fixture
def folders(tmp_path):
    """References of two songs, and estimates that are the references with noise."""
    for index, name in enumerate(("a", "b")):
        for k, source in enumerate(SOURCES):
            reference = sound(10 * index + k)
            for root, audio in (("references", reference), ("estimates", reference + 0.3 * sound(99))):
                write(tmp_path / root / name / f"{source}.wav", audio)
    return tmp_path / "references", tmp_path / "estimates"


def evaluate(folders, scores, *options):
    return cli.main(["evaluate", *map(str, folders), "-o", str(scores), *options])


@pytest.mark.parametrize("version", ["v4", "v3", "v2"])
def test_scores_are_those_of_the_pipeline(folders, tmp_path, version):
    assert evaluate(folders, tmp_path / "scores", "--version", version) == 0
    songs = {}
    for name in ("a", "b"):
        stems = {source: soundfile.read(folders[0] / name / f"{source}.wav")[0] for source in SOURCES}
        songs[f"test/{name}"] = RATE, stems | {"mixture": sum(stems.values())}
    write_corpus(tmp_path / "corpus", SOURCES, songs, "FLOAT")
    params = EvaluationParams(engine="fast", window=1.0, hop=1.0, version=version, split="test")
    score_estimates(tmp_path / "corpus", folders[1], tmp_path / "pipeline", params)
    for name in ("a", "b"):
        own, other = ((tmp_path / folder / "test" / f"{name}.json").read_text() for folder in ("scores", "pipeline"))
        assert own == other


def scored(path):
    """Each target's SDR in frames, of a file of scores."""
    targets = json.loads(path.read_text())["targets"]
    return {target["name"]: [frame["metrics"]["SDR"] for frame in target["frames"]] for target in targets}


AUDIO, SURROUND = sound(1), sound(1, nb_channels=3)
LATE = np.concatenate((np.zeros((700, 2)), sound(11)[:-700]))
NAN = np.where(np.arange(len(AUDIO))[:, None] == 5, np.float32(np.nan), AUDIO)
DRUMS, OWN = Path("estimates/b/drums.wav"), Path("references/b/drums.wav")


def low_passed():
    spectrum = np.fft.rfft(sound(11, 8 * RATE), axis=0)
    spectrum[len(spectrum) // 2 :] = 0
    for path in (OWN, DRUMS):
        write(path, np.fft.irfft(spectrum, axis=0).astype(np.float32))
        write(path.with_stem("vocals"), sound(10, 8 * RATE))


def crowded():
    for index in range(40):
        shutil.copy(OWN, OWN.with_stem(f"song {index}"))


def repeated():
    shutil.copy(DRUMS, DRUMS.with_stem("vocals"))
    for root, song in itertools.product(("references", "estimates"), "ab"):
        write(Path(root) / song / "bass.wav", sound(5))


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (lambda: shutil.rmtree("estimates/b"), 1, "b: no estimates of this song"),
        (lambda: shutil.copytree("estimates/a", "estimates/c"), 1, "c: no such song among the references"),
        (lambda: shutil.copytree("estimates/b", "estimates/mdx/b"), 1, "b: several estimates of this song"),
        (DRUMS.unlink, 1, "b: no estimate of drums; found vocals; --targets scores some sources only"),
        (lambda: write(DRUMS.with_stem("bass"), AUDIO), 0, "b: no reference of bass; not scored"),
        (lambda: write(DRUMS, AUDIO[:9000]), 0, "b: drums.wav: 9000 samples, the reference 16000; it is padded"),
        (lambda: write(DRUMS, AUDIO[:, :1]), 0, "b: drums.wav: mono, the reference has 2 channels; it is the same"),
        (lambda: write(DRUMS, AUDIO, 16000), 1, "16000 Hz, but the reference has 8000 Hz; resample it"),
        (lambda: write(DRUMS, NAN), 1, "NaN or infinity, first at sample 5"),
        (lambda: write(OWN, 0 * AUDIO), 0, "b: drums is silent; all scores of the song by BSSEval are NaN"),
        (lambda: write(DRUMS, 0 * AUDIO), 0, "b: the estimate of drums is silent; all scores of the song by BSSEval"),
        (lambda: write(OWN, AUDIO, 16000), 1, "b: files differ in rate: vocals 8000 Hz, drums 16000 Hz; resample them"),
        (lambda: write(OWN, SURROUND), 1, "b: files differ in channels: vocals 2, drums 3; convert them"),
        (lambda: write(OWN, AUDIO[:9000]), 0, "b: drums.wav: 9000 samples, another reference 16000; it is padded"),
        (lambda: write(OWN, AUDIO[:, :1]), 0, "b: drums.wav: mono, another reference has 2 channels; it is the same"),
        (lambda: [path.unlink() for path in (OWN, DRUMS)], 0, "b: vocals is the only reference; SIR is infinite"),
        (crowded, 1, "references/b: holds 42 files; expected a folder per song, a file per source"),
        (repeated, 0, "b: the estimates of drums, vocals are the same"),
        (lambda: write(DRUMS.with_suffix(".flac"), AUDIO), 1, "drums is there more than once (drums.flac, drums.wav)"),
        (lambda: write(OWN.with_suffix("") / "kick.wav", AUDIO), 1, "more than once (drums/kick.wav, drums.wav)"),
        (lambda: write(DRUMS, LATE), 0, "b: drums.wav: begins 700 samples (87.5 ms) late; --align removes the delay"),
        (low_passed, 0, "b: drums: nothing above"),
    ],
)
def test_a_fault_is_one_line_and_others_are_scored(folders, tmp_path, capsys, monkeypatch, change, code, message):
    monkeypatch.chdir(tmp_path)
    change()
    assert evaluate(folders, tmp_path / "scores") == code
    lines = doubts(capsys)
    assert len(lines) == 1
    assert message in lines[0]
    assert (tmp_path / "scores/test/a.json").exists()
    assert evaluate(folders, tmp_path / "scores") == code  # kept songs keep their warnings
    assert lines == doubts(capsys)


def test_scores_are_those_of_the_files_that_are_there(folders, tmp_path, capsys):
    references, estimates = folders
    scores = tmp_path / "scores"
    other = shutil.copytree(estimates, tmp_path / "other")
    write(other / "a/drums.wav", sound(0))
    shutil.rmtree(other / "b")
    assert evaluate(folders, scores, "--songs", "a") == 0
    assert not (scores / "test/b.json").exists()
    first, made = scored(scores / "test/a.json"), (scores / "test/a.json").stat().st_mtime_ns
    assert evaluate(folders, scores) == 0
    assert (scores / "test/a.json").stat().st_mtime_ns == made
    assert evaluate(folders, scores, "--window", "0.5") == 1
    assert "made with other options" in capsys.readouterr().err
    assert evaluate((references, other), scores) == 1
    assert scored(scores / "test/a.json") != first
    assert not (scores / "test/b.json").exists()  # of other estimates
    assert "| other  |" in capsys.readouterr().out
    assert evaluate(folders, scores) == 0
    assert scored(scores / "test/a.json") == first
    (scores / "test/.made-from-a.json").unlink()
    assert evaluate(folders, scores) == 1
    assert "a.json: is not by rnnsep evaluate" in capsys.readouterr().err


def test_equal_names_in_two_subsets(folders, tmp_path):
    """Songs a and b become 001 of train, test and valid."""
    plain = tmp_path / "plain"
    assert evaluate(folders, plain) == 0
    sides = [tmp_path / "subsets" / root.name for root in folders]
    for root, side in zip(folders, sides, strict=True):
        for subset, song in (("train", "a"), ("valid", "b"), ("test", "b")):
            shutil.copytree(root / song, side / subset / "001")
    assert evaluate((sides[0], sides[1]), tmp_path / "train", "--subset", "train") == 0
    assert evaluate((sides[0], sides[1]), tmp_path / "all") == 0
    for scores, subset, song in (("train", "train", "a"), ("train", "valid", "b"), ("all", "test", "b")):
        assert scored(tmp_path / scores / subset / "001.json") == scored(plain / "test" / f"{song}.json")
    flat = tmp_path / "flat"
    shutil.copytree(folders[1] / "a", flat / "001")
    assert evaluate((sides[0], flat), tmp_path / "ambiguous") == 1
    assert not list((tmp_path / "ambiguous").rglob("001.json"))


def test_targets_change_no_score(folders, tmp_path, capsys):
    assert evaluate(folders, tmp_path / "all") == 0
    whole = json.loads((tmp_path / "all/test/a.json").read_text())["targets"]
    assert evaluate(folders, tmp_path / "one", "--targets", "vocals") == 0
    (folders[1] / "a/drums.wav").unlink()
    assert evaluate(folders, tmp_path / "alone", "--targets", "vocals", "--songs", "a") == 0
    for name in ("one", "alone"):
        targets = json.loads((tmp_path / name / "test/a.json").read_text())["targets"]
        assert targets == [target for target in whole if target["name"] == "vocals"]
    for option, known in (("--targets", "drums, vocals"), ("--songs", "a, b")):
        assert evaluate(folders, tmp_path / "none", option, "vocal") == 1
        assert f"{option} vocal: {folders[0]} has none of this name; there are {known}" in capsys.readouterr().err


def doubts(capsys):
    """The lines on stderr but for progress and the summary."""
    lines = capsys.readouterr().err.splitlines()
    return [line for line in lines if line.startswith("rnnsep:") and "could not be scored" not in line]


def rearranged(root, place):
    """The songs of `root` in another layout: `place` has fields for song and source."""
    target = root.parent / f"{root.name} rearranged"
    for path in root.rglob("*.wav"):
        new = target / place.format(song=path.parent.name, source=path.stem)
        new.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, new)
    return target


@pytest.mark.parametrize(
    ("references", "estimates"),
    [
        ("{song}/{source}.wav", "htdemucs/{song}/{source}.wav"),
        ("{song}/{source}.wav", "{song}_{source}.wav"),
        ("{song}/{source}.wav", "{song}/{song}_{source}.wav"),
        ("{song}/{source}.wav", "1_{song}_({source})_model.wav"),
        ("{song}/{source}.wav", "{song}.stem/{source}.WAV"),
        ("{song}/{source}.wav", "{song}_umxl/{source}.wav"),
        ("{song}/{source}.wav", "{source}/{song}.wav"),
        ("{song}/{source}.wav", "{song}/{source}/part.wav"),
        ("Sources/Test/{song}/{source}.wav", "test/{song}/{source}.wav"),
        ("{song} - {source}.wav", "{song}/{source}.wav"),
        ("...{song} [live]/{source}.wav", "...{song} [live]/{source}.wav"),
        ("Beyonc\u00e9 {song}/{source}.wav", "Beyonce\u0301 {song}/{source}.wav"),
    ],
)
def test_layouts(folders, tmp_path, references, estimates):
    assert evaluate(folders, tmp_path / "plain") == 0
    one, other = rearranged(folders[0], references), rearranged(folders[1], estimates)
    assert evaluate((one, other), tmp_path / "scores", "--songs", "*") == 0
    found = score_files(tmp_path / "scores" / "test")
    for path, name in zip(found, ("a", "b"), strict=True):
        assert scored(path) == scored(tmp_path / "plain" / "test" / f"{name}.json")
    assert evaluate((one, other), tmp_path / "one song", "--songs", found[0].stem) == 0
    assert len(score_files(tmp_path / "one song" / "test")) == 1


def test_links_have_their_own_name(folders, tmp_path):
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "b").symlink_to(folders[0] / "a")
    shutil.rmtree(folders[1] / "a")
    assert evaluate((tmp_path / "links", folders[1]), tmp_path / "scores", "--songs", "b") == 0
    assert scored(tmp_path / "scores/test/b.json")["drums"][0] < 0  # a is not b


def test_other_and_accompaniment_depend_on_the_other_sources(folders, tmp_path, capsys):
    four = {"vocals": sound(0), "drums": sound(1), "bass": sound(2), "other": sound(3)}
    estimated = {name: audio + 0.2 * sound(50 + index) for index, (name, audio) in enumerate(four.items())}
    rest = {"accompaniment": four["drums"] + four["bass"] + four["other"]}
    no_vocals = {"no_vocals": estimated["drums"] + estimated["bass"] + estimated["other"]}
    shares = {"other": 0.25, "guitar": 0.25, "piano": 0.5}
    six, six_estimated = (side | {n: g * side["other"] for n, g in shares.items()} for side in (four, estimated))
    vocals = {"vocals": four["vocals"]}, {"vocals": estimated["vocals"]}
    expected = scored_songs(tmp_path / "4", four, estimated)
    assert scored_songs(tmp_path / "6e", four, six_estimated) == pytest.approx(expected, abs=1e-4)
    assert scored_songs(tmp_path / "6r", six, estimated) == pytest.approx(expected, abs=1e-4)
    assert capsys.readouterr().err.count("is the sum of other, guitar, piano") == 2
    two = scored_songs(tmp_path / "2", vocals[0] | rest, vocals[1] | no_vocals)
    assert scored_songs(tmp_path / "2e", vocals[0] | rest, estimated) == pytest.approx(two, abs=1e-4)
    both = {"vocals": expected["vocals"], "accompaniment": two["accompaniment"]}
    for name, own in (("4a", four), ("5a", four | rest)):
        found = scored_songs(tmp_path / name, own, vocals[1] | no_vocals, "--accompaniment")
        assert found == pytest.approx(both, abs=1e-4)
    (folders[0] / "a/drums.wav").unlink()
    assert evaluate(folders, tmp_path / "alone", "--songs", "a", "--accompaniment") == 1
    assert "--accompaniment needs references of the vocals and of other sources" in capsys.readouterr().err


def scored_songs(folder, references, estimates, *options):
    """The SDR and SIR of the first frame by target, of a song with these sources."""
    for root, side in (("references", references), ("estimates", estimates)):
        for name, audio in side.items():
            write(folder / root / "song" / f"{name}.wav", audio)
    assert evaluate((folder / "references", folder / "estimates"), folder / "scores", *options) == 0
    targets = json.loads((folder / "scores/test/song.json").read_text())["targets"]
    return {target["name"]: target["frames"][0]["metrics"]["SDR"] for target in targets}


@pytest.mark.parametrize("late", [1105, -300, 0])
def test_delays_are_removed_on_request(folders, tmp_path, capsys, late):
    assert evaluate(folders, tmp_path / "plain") == 0
    for path in folders[1].rglob("*.wav"):
        audio = soundfile.read(path, dtype="float32")[0]
        write(path, np.concatenate((np.zeros((max(late, 0), 2), np.float32), audio))[max(-late, 0) :])
    assert evaluate(folders, tmp_path / "aligned", "--align") == 0
    assert capsys.readouterr().err.count(f"begins {abs(late)} samples") == 2 * bool(late)
    for name in ("a", "b"):  # but the first or last frame, where samples are missing
        plain, aligned = (scored(tmp_path / scores / f"test/{name}.json") for scores in ("plain", "aligned"))
        for source in SOURCES:
            assert aligned[source][1] == pytest.approx(plain[source][1], abs=1e-4)


def test_songs_are_read_in_parts(folders, tmp_path, monkeypatch):
    """So memory does not grow with the song."""
    for root in folders:
        for source in SOURCES:
            write(root / "long" / f"{source}.wav", sound(len(source), 60 * RATE))
    read = []
    original = AudioFile.__getitem__

    def recorded(file, part):
        read.append(len(range(*part.indices(file.nb_samples))))
        return original(file, part)

    monkeypatch.setattr(AudioFile, "__getitem__", recorded)
    assert evaluate(folders, tmp_path / "scores", "--songs", "long") == 0
    assert max(read) <= 1 << 17


def test_compressed_references_are_read_once_and_leave_nothing(folders, tmp_path):
    for path in folders[0].rglob("*.wav"):
        write(path.with_suffix(".ogg"), soundfile.read(path, dtype="float32")[0], RATE)
        path.unlink()
    assert evaluate(folders, tmp_path / "scores") == 0
    names = {path.name for path in (tmp_path / "scores/test").iterdir()}
    assert names == {f"{prefix}{song}.json" for prefix in ("", ".made-from-") for song in ("a", "b")}


def test_what_cannot_be_written_is_one_line_and_leaves_no_scores(folders, tmp_path, capsys, monkeypatch):
    (tmp_path / "file").touch()
    for place in ("file", "file/scores", "/proc/scores"):
        assert evaluate(folders, tmp_path / place) == 1
        assert len(doubts(capsys)) == 1

    def full(path, text):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(files, "write_text", full)
    assert evaluate(folders, tmp_path / "scores") == 1
    assert "No space left on device" in capsys.readouterr().err
    assert not list(tmp_path.glob("scores/test/*.json"))


def test_arrays_and_folders_give_the_same(folders):
    arrays = [{s: soundfile.read(root / "a" / f"{s}.wav")[0] for s in SOURCES} for root in folders]
    scores = rnnsep.evaluate(*arrays, rate=RATE)
    other = rnnsep.evaluate(folders[0] / "a", folders[1] / "a")
    key = ["target", "metric", "frame"]
    one, two = (each.frames.sort_values(key)["score"].to_numpy() for each in (scores, other))
    np.testing.assert_allclose(one, two, atol=1e-4)
    medians = scores.medians.set_index(["target", "metric"])["score"]
    frames = scores.frames.query("target == 'vocals' and metric == 'SDR'")["score"]
    assert medians["vocals", "SDR"] == pytest.approx(frames.median())
    error = arrays[0]["drums"] - arrays[1]["drums"]
    usdr = 10 * np.log10(np.sum(arrays[0]["drums"] ** 2) / np.sum(error**2))
    assert medians["drums", "uSDR"] == pytest.approx(usdr, abs=1e-4)


def test_impossible_arrays_are_errors():
    with pytest.raises(ValueError, match=r"vocals: .* but is \(2, 16000\); transpose it"):
        rnnsep.evaluate({"vocals": sound(0).T, "drums": sound(1).T}, {"vocals": sound(2).T, "drums": sound(3).T}, RATE)
    with pytest.warns(UserWarning, match="200 samples are so few that filters fit any estimate"):
        rnnsep.evaluate(*[{name: sound(k)[:200] for k, name in enumerate(SOURCES)}] * 2, RATE)
    with pytest.raises(UserError, match="no estimate of drums"):
        rnnsep.evaluate({"vocals": sound(0), "drums": sound(1)}, {"vocals": sound(2)}, RATE)
    with pytest.raises(UserError, match="give one rate"):
        rnnsep.evaluate({"vocals": sound(0)}, {"vocals": sound(1)})
