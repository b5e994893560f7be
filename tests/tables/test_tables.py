"""Tables of scores against plain NumPy, SciPy and museval's own aggregation."""

import itertools
import json
import math
import shutil
import string
import subprocess
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wilcoxon

from rnnsep.running.errors import UserError
from rnnsep.signal import sigsep
from rnnsep.tables import tables

NAN = math.nan
SOURCES = ("vocals", "drums", "bass", "other")


def document(scores):
    """museval's JSON content of {target: {metric: [one for each frame]}}."""
    return {
        "museval_version": "0.4.1",
        "targets": [
            {
                "name": target,
                "frames": [
                    {"time": float(time), "duration": 1.0, "metrics": dict(zip(metrics, values, strict=True))}
                    for time, values in enumerate(zip(*metrics.values(), strict=True))
                ],
            }
            for target, metrics in scores.items()
        ],
    }


def write(folder, song, scores):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{song}.json"
    path.write_text(json.dumps(document(scores)), encoding="utf-8")
    return path


def random_system(folder, seed, nb_songs=4, nb_frames=7, targets=SOURCES, centre=0.0):
    """Scores of a system with some NaN frames; {(song, target, metric): scores}."""
    random = np.random.default_rng(seed)
    drawn = {}
    for song in (f"Song {index}" for index in range(nb_songs)):
        scores = {t: {m: random.normal(centre, 3, nb_frames).round(5) for m in tables.METRICS} for t in targets}
        for target, metric in itertools.product(targets, tables.METRICS):
            scores[target][metric][random.random(nb_frames) < 0.2] = NAN
            drawn[song, target, metric] = scores[target][metric]
        write(folder, song, {t: {m: list(v) for m, v in metrics.items()} for t, metrics in scores.items()})
    return drawn


@pytest.fixture
def three(tmp_path):
    folders = [tmp_path / name for name in ("RNN", "MIX", "IRM1")]
    for seed, folder in enumerate(folders):
        random_system(folder / "test", seed, centre=(4, 1, 7)[seed])
    return folders


def row(table, **keys):
    for column, value in keys.items():
        table = table[table[column] == value]
    (found,) = table.to_dict("records")
    return found


# Reading


def test_reads_every_frame(tmp_path):
    drawn = random_system(tmp_path / "RNN" / "test", seed=1)
    frames = tables.read_scores(tmp_path / "RNN")
    assert set(frames["system"]) == {"RNN"}
    assert len(frames) == sum(map(len, drawn.values()))
    for (song, target, metric), those in frames.groupby(["track", "target", "metric"]):
        np.testing.assert_array_equal(those["score"].to_numpy(), drawn[song, target, metric])
        assert list(those["frame"]) == list(range(len(those)))


def test_reads_files_beside_and_below(tmp_path):
    drawn = random_system(tmp_path / "flat", seed=1)
    assert len(tables.read_scores(tmp_path / "flat")) == sum(map(len, drawn.values()))


def test_songs_with_odd_names_keep_them_and_are_sorted(tmp_path):
    names = ["Zoë – “Lied” (feat. ß)", "a.b.c", "[brackets] & 100 %", "'quotes'", "日本語"]
    for name in names:
        write(tmp_path / "S", name, {"vocals": {"SDR": [1.0]}})
    songs = tables.song_scores(tables.read_scores(tmp_path / "S"))
    assert list(songs["track"]) == sorted(names)


def test_leftovers_of_killed_writers_are_no_songs(tmp_path):
    path = write(tmp_path / "S", "song", {"vocals": {"SDR": [1.0]}})
    path.with_name(".partial-77-0.json").write_text('{"targets": [')
    assert set(tables.read_scores(tmp_path / "S")["track"]) == {"song"}


def test_infinite_scores_are_missing_as_in_museval(tmp_path):
    write(tmp_path / "S", "song", {"vocals": {"SDR": [math.inf, -math.inf, NAN, 2.0]}})
    (song,) = tables.song_scores(tables.read_scores(tmp_path / "S")).to_dict("records")
    assert (song["score"], song["valid_frames"], song["nan_frames"]) == (2.0, 1, 3)


def good():
    return document({"vocals": {"SDR": [1.0, 2.0], "SIR": [3.0, 4.0]}, "bass": {"SDR": [1.0], "SIR": [2.0]}})


def broken(change):
    content = good()
    change(content)
    return json.dumps(content)


BROKEN = {
    "not valid JSON": '{"targets": [',
    "not valid JSON: Expecting value": "",
    "the file has no list of targets": "[1, 2]",
    "the file has no list of targets; these": broken(lambda c: c.update(targets={"vocals": 1})),
    "holds no targets": broken(lambda c: c.update(targets=[])),
    "a target has no name": broken(lambda c: c["targets"][0].pop("name")),
    "a target has no name; these": broken(lambda c: c["targets"][0].update(name=3)),
    "a target has no name; these are": broken(lambda c: c["targets"].append("vocals")),
    "has the target bass twice": broken(lambda c: c["targets"][0].update(name="bass")),
    "bass has no list of frames": broken(lambda c: c["targets"][1].pop("frames")),
    "bass has no frames": broken(lambda c: c["targets"][1].update(frames=[])),
    "frame 1 of vocals has no metrics": broken(lambda c: c["targets"][0]["frames"][1].pop("metrics")),
    "frame 1 of vocals has other metrics": broken(lambda c: c["targets"][0]["frames"][1]["metrics"].pop("SIR")),
    "SDR in frame 0 of vocals must be a number, not None": broken(
        lambda c: c["targets"][0]["frames"][0]["metrics"].update(SDR=None)
    ),
    "SDR in frame 0 of vocals must be a number, not '1'": broken(
        lambda c: c["targets"][0]["frames"][0]["metrics"].update(SDR="1")
    ),
    "SDR in frame 0 of vocals must be a number, not True": broken(
        lambda c: c["targets"][0]["frames"][0]["metrics"].update(SDR=True)
    ),
}


@pytest.mark.parametrize("message", BROKEN)
def test_a_broken_file_is_one_line_that_names_it(tmp_path, message):
    path = tmp_path / "S" / "Söng.json"
    path.parent.mkdir()
    path.write_text(BROKEN[message], encoding="utf-8")
    with pytest.raises(UserError) as caught:
        tables.read_scores(tmp_path / "S")
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_utf8(tmp_path):
    (tmp_path / "song.json").write_bytes(b'{"targets": "\xff"}')
    with pytest.raises(UserError, match="not valid JSON"):
        tables.read_scores(tmp_path)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.sampled_from(["name", "SDR", "vocals"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["name", "frames", "metrics", "targets", "SDR"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_what_is_read_is_valid_by_musevals_schema(data, tmp_path_factory):
    schema = json.loads((Path(sigsep.museval().__file__).parent / "musdb.schema.json").read_text())
    content = good()
    place, key = data.draw(
        st.sampled_from(
            [
                (content, "targets"),
                (content["targets"], 0),
                (content["targets"][0], "name"),
                (content["targets"][0], "frames"),
                (content["targets"][0]["frames"], 1),
                (content["targets"][0]["frames"][1], "metrics"),
                (content["targets"][0]["frames"][1]["metrics"], "SDR"),
            ]
        )
    )
    place[key] = data.draw(json_values)
    path = tmp_path_factory.mktemp("scores") / "song.json"
    path.write_text(json.dumps(content))
    try:
        tables.read_scores(path.parent)
    except UserError:
        return
    jsonschema.validate(content, schema)


def test_folders_without_scores(tmp_path, three):
    with pytest.raises(UserError, match="nowhere: no such folder"):
        tables.read_scores(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty: holds no scores"):
        tables.read_scores(tmp_path / "empty")
    with pytest.raises(UserError, match=r"it holds systems, give these: \S+/IRM1 \S+/MIX \S+/RNN$"):
        tables.read_scores(tmp_path)


def test_songs_with_other_targets_or_metrics(tmp_path):
    write(tmp_path / "S", "a", {"vocals": {"SDR": [1.0]}, "bass": {"SDR": [1.0]}})
    path = write(tmp_path / "S", "b", {"vocals": {"SDR": [1.0]}})
    with pytest.raises(UserError, match="b.json: has vocals: SDR, but a.json has bass: SDR; vocals: SDR"):
        tables.read_scores(tmp_path / "S")
    path.write_text(json.dumps(document({"bass": {"SDR": [1.0], "SIR": [1.0]}, "vocals": {"SDR": [1.0]}})))
    with pytest.raises(UserError, match="b.json: has bass: SDR, SIR; vocals: SDR, but"):
        tables.read_scores(tmp_path / "S")


def test_systems_without_a_common_target(tmp_path):
    write(tmp_path / "A", "a", {"vocals": {"SDR": [1.0]}})
    write(tmp_path / "B", "a", {"piano": {"SDR": [1.0]}})
    with pytest.raises(UserError, match=r"B: its targets \(piano\) are none of those of .*A \(vocals\)"):
        tables.read_systems([tmp_path / "A", tmp_path / "B"])


def test_folders_of_one_name_are_told_apart(tmp_path):
    folders = [tmp_path / run / "RNN" for run in ("one", "two")]
    for folder in folders:
        write(folder, "song", {"vocals": {"SDR": [1.0]}})
    frames = tables.read_systems([*folders, folders[0]])
    assert tables.systems_of(frames) == ["one/RNN", "two/RNN"]
    assert len(frames) == 2


# Aggregation

patterns = st.lists(
    st.lists(st.one_of(st.just(NAN), st.floats(-60, 60, width=32)), min_size=1, max_size=6), min_size=1, max_size=6
)


@settings(max_examples=60, deadline=None)
@given(patterns)
def test_medians_for_any_pattern_of_nan(songs):
    frames = pd.DataFrame(
        [("S", f"song {i}", "vocals", "SDR", f, v) for i, song in enumerate(songs) for f, v in enumerate(song)],
        columns=["system", "track", "target", "metric", "frame", "score"],
    )
    medians = [np.median(v) if len(v := [x for x in song if x == x]) else NAN for song in songs]
    scores = tables.song_scores(frames)
    np.testing.assert_allclose(scores["score"].to_numpy(), medians, rtol=0, atol=1e-12)
    (summary,) = tables.summarise(scores).to_dict("records")
    valid = [median for median in medians if median == median]
    assert summary["songs"] == len(valid)
    assert summary["valid_frames"] == sum(x == x for song in songs for x in song)
    assert summary["nan_frames"] == sum(x != x for song in songs for x in song)
    if valid:
        expected = [np.median(valid), np.mean(valid), *np.quantile(valid, [0.25, 0.75])]
        np.testing.assert_allclose([summary[c] for c in ("median", "mean", "q25", "q75")], expected, atol=1e-9)
    else:
        assert all(math.isnan(summary[column]) for column in ("median", "low", "high", "mean", "q25", "q75"))
    if len(valid) > 1:
        assert min(valid) <= summary["low"] <= summary["median"] <= summary["high"] <= max(valid)
    else:
        assert math.isnan(summary["low"])
        assert math.isnan(summary["high"])


def test_medians_are_musevals(three):
    museval = sigsep.museval()
    store = museval.MethodStore()
    for folder in three:
        store.add_eval_dir(folder)
    songs = tables.song_scores(tables.read_systems(three))
    theirs = store.agg_frames_scores()
    ours = songs.rename(columns={"system": "method"}).set_index(theirs.index.names)["score"]
    pd.testing.assert_series_equal(ours.sort_index(), theirs.sort_index(), check_exact=True)
    theirs = store.agg_frames_tracks_scores()
    ours = tables.summarise(songs).rename(columns={"system": "method"}).set_index(theirs.index.names)["median"]
    pd.testing.assert_series_equal(ours.sort_index(), theirs.sort_index(), check_names=False, check_exact=True)


def test_summary_keeps_systems_as_given_and_targets_in_the_fields_order(tmp_path):
    for name in ("Z", "A"):
        scores = {target: {m: [1.0] for m in ("SAR", "NSDR", "SDR")} for target in ("piano", "bass", "vocals")}
        write(tmp_path / name, "song", scores)
    summary = tables.summarise(tables.song_scores(tables.read_systems([tmp_path / "Z", tmp_path / "A"])))
    assert list(dict.fromkeys(summary["system"])) == ["Z", "A"]
    assert list(dict.fromkeys(summary["target"])) == ["vocals", "bass", "piano"]
    assert list(dict.fromkeys(summary["metric"])) == ["SDR", "SAR", "NSDR"]


def test_bootstrap_is_that_of_medians_of_samples():
    scores = np.array([3.0, NAN, -1.0, 8.0, 2.5, 0.0, 4.0])
    for values in (scores, scores[:-1]):
        valid = values[~np.isnan(values)]
        drawn = np.random.default_rng(5).integers(valid.size, size=(40_000, valid.size))
        expected = np.quantile(np.median(np.sort(valid)[drawn], axis=1), [0.025, 0.975])
        # both are samples of one discrete distribution, whose quantiles lie well inside a step here
        np.testing.assert_allclose(tables.interval(values), expected, atol=1e-12)
        assert tables.interval(values) == tables.interval(values[::-1])


def test_bootstrap_covers_the_true_median():
    random = np.random.default_rng(1)
    bounds = [tables.interval(random.normal(size=25)) for _ in range(400)]
    assert 0.91 < np.mean([low <= 0 <= high for low, high in bounds]) < 0.99


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_by_its_definition(p):
    ordered = sorted(p)
    for value, corrected in zip(p, tables.holm(np.array(p)), strict=True):
        expected = max((len(p) - k) * ordered[k] for k in range(ordered.index(value) + ordered.count(value)))
        assert corrected == pytest.approx(min(1.0, expected))


def test_holm_published_example():
    # Holm's own step-down on 0.01, 0.04, 0.03, 0.005: 4 x 0.005, 3 x 0.01, 2 x 0.03, then 0.04 raised to 0.06
    np.testing.assert_allclose(tables.holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])


def test_tests_are_scipys_on_common_songs(tmp_path):
    random_system(tmp_path / "A", seed=1, nb_songs=12, centre=2.0)
    random_system(tmp_path / "B", seed=2, nb_songs=9)
    random_system(tmp_path / "C", seed=3, nb_songs=12, targets=("vocals", "bass"))
    songs = tables.song_scores(tables.read_systems([tmp_path / name for name in "ABC"]))
    tests = tables.compare(songs)
    assert len(tests) == 4 * (2 * 3 + 2 * 1)
    for found in tests.to_dict("records"):
        those = songs[(songs["target"] == found["target"]) & (songs["metric"] == found["metric"])]
        a, b = (those[those["system"] == found[key]].set_index("track")["score"] for key in ("system", "other"))
        difference = np.array([a[track] - b[track] for track in a.index if track in b.index])
        difference = difference[~np.isnan(difference)]
        assert found["songs"] == len(difference)
        assert found["difference"] == pytest.approx(np.median(difference))
        assert found["p"] == pytest.approx(wilcoxon(difference).pvalue)
    for _, group in tests.groupby(["target", "metric"]):
        np.testing.assert_allclose(group["p_holm"], tables.holm(group["p"].to_numpy()))
    assert set(tables.compare(songs, of=["B"]).apply(lambda r: {r.system, r.other} >= {"B"}, axis=1)) == {True}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(*[st.one_of(st.just(NAN), st.integers(-3, 3).map(float))] * 2), min_size=1, max_size=12))
def test_tests_for_ties_zeros_and_missing_songs(pairs):
    songs = pd.DataFrame(
        [(s, f"song {i}", "vocals", "SDR", v) for i, pair in enumerate(pairs) for s, v in zip("AB", pair, strict=True)],
        columns=["system", "track", "target", "metric", "score"],
    )
    valid = [pair for pair in pairs if pair[0] == pair[0] and pair[1] == pair[1]]
    tests = tables.compare(songs).to_dict("records")
    assert len(tests) == bool(valid)
    for found in tests:
        assert found["songs"] == len(valid)
        assert 0 <= found["p"] <= 1
        if all(a == b for a, b in valid):
            assert found["p"] == 1


# The published systems


def test_hel1_scored_below_the_mixture():
    summary = tables.summarise(tables.published("sisec2018"))
    for target, sdr in {"vocals": 0.09, "drums": 0.08, "bass": -0.33, "other": 0.26}.items():
        hel1 = row(summary, system="HEL1", target=target, metric="SDR")
        assert round(hel1["median"], 2) == sdr
        assert hel1["songs"] == 50
        assert pd.isna(hel1["valid_frames"])
        assert hel1["high"] < row(summary, system="MIX", target=target, metric="SDR")["median"]
    (line,) = [line for line in tables.markdown(tables.summary_sheets(summary)).splitlines() if "HEL1" in line][:1]
    assert [cell.strip() for cell in line.strip("|").split("|")] == ["HEL1", "0.09", "0.08", "-0.33", "0.26", "—", "50"]


def test_published_scores_are_whole():
    songs = tables.published("sisec2018")
    assert songs["system"].nunique() == 31
    assert songs["track"].nunique() == 50
    assert songs["score"].notna().all()
    assert not songs.duplicated(["system", "track", "target", "metric"]).any()
    with pytest.raises(UserError, match="there are sisec2018"):
        tables.published("sisec2016")


def test_published_beside_own(three):
    own = tables.song_scores(tables.read_systems(three))
    songs = tables.beside(own, "sisec2018")
    systems = tables.systems_of(songs)
    assert systems[:3] == ["RNN", "MIX", "IRM1"]
    assert {"HEL1", "MIX (SiSEC 2018)", "IRM1 (SiSEC 2018)"} < set(systems)
    assert len(systems) == 34
    pd.testing.assert_frame_equal(songs.head(len(own)), own)


def test_systems_with_an_accompaniment_estimate_are_footnoted(three):
    songs = tables.beside(tables.song_scores(tables.read_systems(three)), "sisec2018")
    songs = songs[songs["metric"] == "SDR"]
    (sheet,) = tables.summary_sheets(tables.summarise(songs), targets=SOURCES)
    names = set(sheet.cells["system"])
    assert {"RNN", "HEL1", "RGT1", "RGT2", "STL2", "UHL1 †", "MIX (SiSEC 2018) †"} < names
    assert sum(name.endswith("†") for name in names) == 27
    assert sheet.notes == (f"† {tables.TWICE}", tables.UNEQUAL)
    (sheet,) = tables.summary_sheets(tables.summarise(songs), targets=("drums", "bass"))
    assert not any("†" in text for text in [*sheet.cells["system"], *sheet.notes])
    two = songs[songs["target"].isin(["vocals", "accompaniment"]) & songs["system"].isin(["2DFT", "REP1"])]
    (sheet,) = tables.summary_sheets(tables.summarise(two))
    assert sheet.notes == ()  # all of them are alike


# Writing


def small_sheet(*names):
    cells = pd.DataFrame({"system": names, "a_b": ["-1.00"] * len(names), "songs": ["3"] * len(names)})
    return tables.Sheet("SDR (dB)", cells, 1, ("† a note & more",))


def test_markdown_is_aligned_and_escaped():
    text = tables.markdown([small_sheet("RNN", "a|b\\c", "Ä")])
    assert text == (
        "SDR (dB)\n\n"
        "| system  |   a_b | songs |\n"
        "| ------- | ----: | ----: |\n"
        "| RNN     | -1.00 |     3 |\n"
        "| a\\|b\\\\c | -1.00 |     3 |\n"
        "| Ä       | -1.00 |     3 |\n\n"
        "† a note & more\n"
    )


def test_latex_is_booktabs_and_escaped():
    text = tables.latex([small_sheet("RNN-5", "A & B_1 †"), small_sheet("x")])
    assert text.startswith(
        "% SDR (dB)\n\\begin{tabular}{lrr}\n\\toprule\nsystem & a\\_b & songs \\\\\n\\midrule\n"
        "RNN-5 & $-$1.00 & 3 \\\\\nA \\& B\\_1 $^\\dagger$ & $-$1.00 & 3 \\\\\n\\bottomrule\n\\end{tabular}\n"
        "\\par $^\\dagger$ a note \\& more\n\n% SDR"
    )


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(tmp_path, three):
    songs = tables.beside(tables.song_scores(tables.read_systems(three)), "sisec2018")
    songs["system"] = songs["system"].replace("RNN", r"R\N & {N}_1 #2 ~ ^ 50% $ <|>")
    summary = tables.latex(tables.summary_sheets(tables.summarise(songs[songs["metric"] == "SDR"]), intervals=True))
    tests = tables.latex(tables.pair_sheets(tables.compare(songs[songs["metric"] == "SAR"], of=["MIX"])[:20]))
    document = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n%s\n\\end{document}\n"
    (tmp_path / "paper.tex").write_text(document % (summary + tests), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "paper.pdf").exists()


@given(st.text(string.printable))
def test_no_special_character_stays_bare_in_latex(text):
    bare = tables._escape(text, tables.LATEX)
    for command in sorted(tables.LATEX.values(), key=len, reverse=True):
        bare = bare.replace(command, "")
    assert not set(bare) & set(tables.LATEX)


def test_missing_scores_are_never_zero(tmp_path):
    write(tmp_path / "S", "a", {"vocals": {"SDR": [NAN, NAN]}, "bass": {"SDR": [-0.001, NAN]}})
    write(tmp_path / "S", "b", {"vocals": {"SDR": [NAN]}, "bass": {"SDR": [-0.002]}})
    summary = tables.aggregate([tmp_path / "S"], tmp_path / "tables", tmp_path / "metrics.json")
    assert "| S      |      — | 0.00 |     2 |" in tables.markdown(tables.summary_sheets(summary))
    assert r"S & \textemdash{} & 0.00 & 2 \\" in tables.latex(tables.summary_sheets(summary))
    assert (tmp_path / "tables" / "summary.csv").read_text().splitlines()[1] == "S,vocals,SDR,,,,,,,0,0,3"
    lines = (tmp_path / "tables" / "songs.csv").read_text().splitlines()
    assert lines[1:3] == ["S,a,vocals,,0,2", "S,a,bass,-0.00100,1,1"]
    assert json.loads((tmp_path / "metrics.json").read_text()) == {
        "SDR": {"vocals": None, "bass": -0.0015},
        "songs": 2,
        "frames": {"valid": 2, "nan": 4},
    }


def test_intervals_are_printed_where_there_are_any(three, tmp_path):
    summary = tables.summarise(tables.song_scores(tables.read_systems(three)))
    found = row(summary, system="RNN", target="bass", metric="SIR")
    text = f"{found['median']:.2f} ({found['low']:.2f} to {found['high']:.2f})"
    assert text in tables.markdown(tables.summary_sheets(summary, intervals=True))
    assert "(" not in tables.markdown(tables.summary_sheets(summary)).replace("(dB)", "")
    write(tmp_path / "one", "song", {"vocals": {"SDR": [1.0]}})
    one = tables.summarise(tables.song_scores(tables.read_scores(tmp_path / "one")))
    assert "|   1.00 |     1 |" in tables.markdown(tables.summary_sheets(one, intervals=True))


# The stage


def test_aggregate_writes_the_metrics_of_the_first_system(three, tmp_path):
    tables.aggregate(three, tmp_path / "tables", tmp_path / "metrics.json")
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert list(metrics) == [*tables.METRICS, "SDR_over_MIX", "SDR_below_IRM1", "songs", "frames"]
    frames = tables.read_systems(three)
    wide = frames.pivot(index=["system", "track", "target", "frame"], columns="metric", values="score")
    medians = wide.groupby(["system", "track", "target"]).median()
    for target in SOURCES:
        sdr = {name: medians.xs((name, target), level=("system", "target"))["SDR"] for name in ("RNN", "MIX", "IRM1")}
        assert metrics["SDR"][target] == round(sdr["RNN"].median(), 5)
        assert metrics["SDR_over_MIX"][target] == round((sdr["RNN"] - sdr["MIX"]).median(), 5)
        assert metrics["SDR_below_IRM1"][target] == round((sdr["IRM1"] - sdr["RNN"]).median(), 5)
    nan = int(wide.loc["RNN"].isna().any(axis=1).sum())
    assert metrics["frames"] == {"valid": len(wide.loc["RNN"]) - nan, "nan": nan}
    assert metrics["songs"] == 4


def test_tables_read_back_as_they_were(three, tmp_path):
    summary = tables.aggregate(three, tmp_path / "tables", tmp_path / "metrics.json")
    back = pd.read_csv(tmp_path / "tables" / "summary.csv")
    pd.testing.assert_frame_equal(back, summary, check_dtype=False, rtol=0, atol=5.1e-6)
    songs = pd.read_csv(tmp_path / "tables" / "songs.csv")
    assert list(songs) == ["system", "track", "target", *tables.METRICS, "valid_frames", "nan_frames"]
    assert len(songs) == 3 * 4 * 4
    pairs = pd.read_csv(tmp_path / "tables" / "tests.csv")
    assert len(pairs) == 3 * 4 * 4
    assert (pairs["p_holm"] >= pairs["p"]).all()


def test_same_scores_same_bytes(three, tmp_path):
    outs = []
    for name in ("one", "two"):
        tables.aggregate(three, tmp_path / name / "tables", tmp_path / name / "metrics.json")
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        outs.append({path.relative_to(tmp_path / name): path.read_bytes() for path in files})
    assert outs[0] == outs[1]
    assert {path.name for path in outs[0]} == {
        "metrics.json", "songs.csv", "summary.csv", "summary.md", "summary.tex", "tests.csv", "tests.md",
    }  # fmt: skip
    assert not any(str(tmp_path).encode() in content for content in outs[0].values())
