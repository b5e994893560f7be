"""Tables as Markdown, LaTeX and CSV."""

import string

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from rnnsep.tables import published, reading, sheets, statistics
from tests.tables.systems import NAN, SOURCES, row, write


def small_sheet(*names):
    cells = pd.DataFrame({"system": names, "a_b": ["-1.00"] * len(names), "songs": ["3"] * len(names)})
    return sheets.Sheet("SDR (dB)", cells, 1, ("† a note & more",))


def test_markdown_is_aligned_and_escaped():
    text = sheets.markdown([small_sheet("RNN", "a|b\\c", "Ä")])
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
    text = sheets.latex([small_sheet("RNN-5", "A & B_1 †"), small_sheet("x")])
    assert text.startswith(
        "% SDR (dB)\n\\begin{tabular}{lrr}\n\\toprule\nsystem & a\\_b & songs \\\\\n\\midrule\n"
        "RNN-5 & $-$1.00 & 3 \\\\\nA \\& B\\_1 $^\\dagger$ & $-$1.00 & 3 \\\\\n\\bottomrule\n\\end{tabular}\n"
        "\\par $^\\dagger$ a note \\& more\n\n% SDR"
    )


@given(st.text(string.printable))
def test_every_special_character_is_escaped_in_latex(text):
    bare = sheets._escape(text, sheets.LATEX)
    for command in sorted(sheets.LATEX.values(), key=len, reverse=True):
        bare = bare.replace(command, "")
    assert not set(bare) & set(sheets.LATEX)


def test_missing_scores_are_never_zero(tmp_path):
    write(tmp_path / "S", "a", {"vocals": {"SDR": [NAN, NAN]}, "bass": {"SDR": [-0.001, NAN]}})
    write(tmp_path / "S", "b", {"vocals": {"SDR": [NAN]}, "bass": {"SDR": [-0.002]}})
    songs = statistics.song_medians(reading.read_scores(tmp_path / "S"))
    summary = statistics.summarise(songs)
    assert "| S      |      — | 0.00 |     2 |" in sheets.markdown(sheets.summary_sheets(summary))
    assert r"S & \textemdash{} & 0.00 & 2 \\" in sheets.latex(sheets.summary_sheets(summary))
    assert sheets.csv(summary).splitlines()[1] == "S,vocals,SDR,,,,,,,0,0,3"
    assert sheets.csv(statistics.by_song(songs)).splitlines()[1:3] == ["S,a,vocals,,0,2", "S,a,bass,-0.00100,1,1"]


def test_scores_of_songs_are_printed_as_mean_and_median(three):
    summary = statistics.summarise(statistics.song_medians(reading.read_systems(three)))
    found = row(summary, system="RNN", target="bass", metric="uSDR")
    framewise = row(summary, system="RNN", target="bass", metric="SIR")
    assert found["mean"] != found["median"]
    for intervals in (False, True):
        sir, _, usdr, _ = sheets.summary_sheets(summary, intervals)[2:]
        assert usdr.heading == "uSDR (dB): mean over songs (median over songs)"
        assert usdr.cells.set_index("system").loc["RNN", "bass"] == f"{found['mean']:.2f} ({found['median']:.2f})"
        text = "{median:.2f} ({low:.2f} to {high:.2f})" if intervals else "{median:.2f}"
        assert sir.cells.set_index("system").loc["RNN", "bass"] == text.format(**framewise)


def test_headings_name_csdr_and_scores_of_whole_songs(tmp_path):
    write(tmp_path / "v4", "a", {"vocals": {"SDR": [1.0, 2.0], "SIR": [1.0, 2.0]}}, {"vocals": {"new metric": 1.0}})
    write(tmp_path / "v3", "a", {"vocals": {"SDR": [1.0], "NSDR": [1.0]}})
    headings = {}
    for name in ("v4", "v3"):
        summary = statistics.summarise(statistics.song_medians(reading.read_scores(tmp_path / name)))
        headings[name] = [sheet.heading for sheet in sheets.summary_sheets(summary)]
    assert headings["v4"] == [
        "SDR (dB): median over songs of the median over frames (cSDR)",
        "SIR (dB): median over songs of the median over frames",
        "new metric (dB): mean over songs (median over songs)",
    ]
    assert headings["v3"] == ["SDR (dB): median over songs", "NSDR (dB): median over songs"]


def test_systems_with_an_accompaniment_estimate_are_footnoted(three):
    songs = published.with_published(statistics.song_medians(reading.read_systems(three)), "sisec2018")
    songs = songs[songs["metric"] == "SDR"]
    (sheet,) = sheets.summary_sheets(statistics.summarise(songs), targets=SOURCES)
    names = set(sheet.cells["system"])
    assert {"RNN", "HEL1", "RGT1", "RGT2", "STL2", "UHL1 †", "MIX (SiSEC 2018) †"} < names
    assert sum(name.endswith("†") for name in names) == 27
    assert sheet.notes == (f"† {sheets.TWICE}", sheets.UNEQUAL)
    (sheet,) = sheets.summary_sheets(statistics.summarise(songs), targets=("drums", "bass"))
    assert not any("†" in text for text in [*sheet.cells["system"], *sheet.notes])
    two = songs[songs["target"].isin(["vocals", "accompaniment"]) & songs["system"].isin(["2DFT", "REP1"])]
    (sheet,) = sheets.summary_sheets(statistics.summarise(two))
    assert sheet.notes == ()  # holds for all systems
