"""The page as a file: its text and tables, and that it is self-contained."""

import html.parser
import re
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from rnnsep.report.page import least
from rnnsep.report.wording import SeparationShown, headline, network, number, separating
from rnnsep.running.errors import UserError
from rnnsep.tables import sheets
from rnnsep.tables.outputs import aggregate
from rnnsep.tables.statistics import METRICS
from tests.networks import DEFAULT
from tests.report.conftest import ODD, make_run, write_run
from tests.tables.systems import SONG_METRICS, write

SMALL = {"names": ("A",), "rate": 8000, "seconds": 1.0}


class Page(html.parser.HTMLParser):
    """Tables as lists of rows, visible text, and all addresses that a browser would fetch."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.words, self.addresses, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag not in ("meta", "link", "img", "input", "br"):
            self.open.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href", "action", "xlink:href")]
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "script" in self.open or "style" in self.open:
            return
        data = data.replace("\N{NO-BREAK SPACE}", " ")
        self.words.append(data)
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += data


@pytest.fixture(scope="module")
def text(finished):
    return (finished / "index.html").read_text(encoding="utf-8")


def test_the_page_is_well_formed_and_small_fetches_nothing_and_names_no_path_or_date(text, finished):
    page = Page(text)
    assert page.open == []
    assert page.addresses
    assert all(address.startswith("data:") for address in page.addresses)
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|import\(", text)
    assert len(text.encode()) < 10_000_000
    assert str(finished) not in text
    assert not re.search(r"\b(19|20)\d\d-\d\d-\d\d\b", text)


def test_the_first_sentence_is_the_result(text, finished):
    summary = pd.read_csv(finished / "tables" / "summary.csv")
    sdr = summary[(summary["system"] == "RNN") & (summary["metric"] == "SDR")].set_index("target")["median"]
    sentence = next(words for words in Page(text).words if words.startswith("On 4 test songs, RNN"))
    assert f" median SDR of {sdr['vocals']:.2f} dB for vocals and {sdr['bass']:.2f} dB for bass; " in sentence
    songs = pd.read_csv(finished / "tables" / "songs.csv")
    songs = songs.pivot(index=["track", "target"], columns="system", values="SDR")
    above = (songs["RNN"] - songs["MIX"]).groupby("target").median().mean()
    below = (songs["IRM1"] - songs["RNN"]).groupby("target").median().mean()
    assert f"{above:.1f} dB above the mixture and {below:.1f} dB below the oracle mask IRM1." in sentence


def test_the_settings_of_the_run(text):
    words = " ".join(Page(text).words)
    for part in (
        "synthetic: vocals, bass", "3 × GRU of 256 units, unidirectional", "soft mask, temperature 1.25",
        "BSSEval v4, window 1 s, hop 1 s", "window 2048 (hann), hop 1024, mono, 44.1 kHz",
        "3 epochs, best epoch 2, from the weights of a <b> c6f1", "tensorflow 2.21.0",
    ):  # fmt: skip
        assert part in words


def test_tables(text, finished):
    page = Page(text)
    summary = pd.read_csv(finished / "tables" / "summary.csv").set_index(["metric", "system", "target"])
    for metric, rows in zip((*METRICS, *SONG_METRICS), page.tables[:6], strict=True):
        assert rows[0] == ["system", "vocals", "bass"]
        assert [row[0] for row in rows[1:]] == ["RNN", "MIX", "IRM1"]
        found = summary.loc[metric, "MIX", "bass"]
        shown = ["median", "low"] if metric in METRICS else ["mean", "median"]
        assert rows[2][2].split()[:2] == [number(found[column]) for column in shown]
    songs = page.tables[6]
    assert songs[0] == ["Song", "Source", *METRICS, *SONG_METRICS, "vs MIX", "vs IRM1", "frames", "NaN"]
    assert len(songs) == 1 + 4 * 2
    assert songs[1][:2] == ["A", "vocals"]
    assert [songs[1][column][0] for column in (8, 9)] == ["+", "−"]
    assert ODD in {row[0] for row in songs}
    assert sum("“Co”" in words for words in page.words) == 2 + 1  # two sources, one example


def test_musdb18_has_no_audio_and_is_compared_with_published_systems(tmp_path):
    root = make_run(tmp_path / "run", corpus="musdb18", sources=("vocals", "drums", "bass", "other"), **SMALL)
    text = write_run(root, tmp_path / "index.html")
    assert "audio/" not in text and "<audio" not in text
    page = Page(text)
    assert any("licence" in words for words in page.words)
    rows = {row[0]: row[1:] for row in page.tables[0]}
    assert rows["system"] == ["vocals", "drums", "bass", "other", "songs"]
    assert [cell.split()[0] for cell in rows["HEL1"]] == ["0.09", "0.08", "−0.33", "0.26", "50"]
    assert {"UHL1 †", "MIX", "MIX (SiSEC 2018) †"} <= set(rows)
    assert f"† {sheets.TWICE}" in page.words


LICENCE = "Share this page only if the licence of your songs allows it."
EXCERPTS = "scored on excerpts of seven seconds"


@pytest.mark.parametrize(
    ("corpus", "options", "present", "absent"),
    [
        ("musdb18-7s", {}, [EXCERPTS, "HEL1"], ["<audio"]),
        ("folder", {}, [LICENCE, "<audio"], ["HEL1", EXCERPTS]),
        # the song is of the test split, so that there are no examples
        ("musdb18", {"split": "valid"}, ["On 1 validation song, RNN reaches"], ["HEL1", "Excerpts of the validation"]),
        ("musdb18", {"version": "v3"}, ["BSS Eval v3, whole songs"], ["HEL1"]),
    ],
)
def test_corpora_and_scores_that_are_no_songs_of_musdb18_in_version_4(tmp_path, corpus, options, present, absent):
    text = write_run(make_run(tmp_path / "run", corpus=corpus, **SMALL), tmp_path / "index.html", **options)
    for part in present:
        assert part in text
    for part in absent:
        assert part not in text


def test_mir_1k_has_gnsdr_gsir_and_gsar(tmp_path):
    root = make_run(tmp_path / "run", corpus="mir-1k", names=("a", "b"), sources=("vocals", "accompaniment"), rate=8000)
    systems = [root / "scores" / system for system in ("RNN", "MIX", "IRM1")]
    for shift, system in enumerate(systems):
        for song, duration in (("a", 1.0), ("b", 3.0)):
            scores = {"SDR": [shift + duration], "SIR": [3.0], "SAR": [4.0], "NSDR": [shift + duration]}
            whole = {"uSDR": shift + 5.0, "SI-SDR": shift + 4.0}
            both = (dict.fromkeys(("vocals", "accompaniment"), one) for one in (scores, whole))
            write(system / "test", song, *both, duration)
    aggregate(systems, root / "tables", root / "metrics.json")
    text = write_run(root, tmp_path / "index.html", version="v3")
    assert "BSS Eval v3, whole songs" in text and "median over frames" not in text
    page = Page(text)
    # (1 * 1 + 3 * 3) / 4
    sentence = "On 2 test songs, RNN reaches a GNSDR of 2.50 dB for vocals and 2.50 dB for accompaniment; the oracle"
    assert any(words.startswith(sentence) for words in page.words)
    assert page.tables[0][0] == ["system", "target", "GNSDR", "GSIR", "GSAR"]
    assert page.tables[0][1] == ["RNN", "vocals", "2.50", "3.00", "4.00"]
    assert [rows[0][0] for rows in page.tables[1:8]] == ["system"] * 6 + ["Song"]
    assert page.tables[5][1] == ["RNN", "5.00 5.00", "5.00 5.00"]  # mean and median of uSDR


def test_missing_scores_are_dashes_and_a_missing_file_is_one_line(tmp_path):
    root = make_run(tmp_path / "run", names=("A", "B"), rate=8000)
    for name, columns in (("songs", ["SDR", "SIR"]), ("summary", ["median", "low", "high"])):
        table = pd.read_csv(root / "tables" / f"{name}.csv")
        table.loc[table["target"] == "bass", columns] = np.nan
        table.to_csv(root / "tables" / f"{name}.csv", index=False)
    page = Page(write_run(root, tmp_path / "index.html"))
    assert page.tables[0][1][2] == "—"
    assert "— dB for bass" in " ".join(page.words)
    for missing in ("tables/tests.csv", "models/history.tsv", "models/model.json", "corpus/corpus.json"):
        (root / missing).rename(root / "moved")
        with pytest.raises(UserError, match=rf"{missing}: [^\n]*dvc repro[^\n]*$"):
            write_run(root, tmp_path / "index.html")
        (root / "moved").rename(root / missing)


def test_words_and_numbers():
    songs = pd.DataFrame({"system": ["RNN", "MIX"], "track": "a", "target": "vocals", "SDR": [-1.0, 1.5]})
    summary = songs.assign(metric="SDR").rename(columns={"SDR": "median"})
    alone = "On 1 test song, RNN reaches a median SDR of −1.00 dB for vocals"
    assert headline(songs, summary, None, "test") == f"{alone}; on average 2.5 dB below the mixture."
    assert headline(songs[:1], summary[:1], None, "test") == f"{alone}."
    assert [number(value) for value in (-0.004, -1.5, 12.0, np.nan)] == ["0.00", "−1.50", "12.00", "—"]
    assert [number(value, signed=True) for value in (-1.5, 2.0, 0.0)] == ["−1.50", "+2.00", "0.00"]
    wiener = "soft mask and multichannel Wiener filter (one EM iteration)"
    assert separating(SeparationShown(filter="mask", temperature=1.0)) == "soft mask"
    assert separating(SeparationShown(filter="wiener", temperature=1.5)) == f"{wiener}, temperature 1.5"
    model = {"network": asdict(DEFAULT.network), "networks": 3, "enhancer": {}}
    assert network(model) == "3 × GRU of 256 units, unidirectional; ensemble of 3; enhancement network"


def test_the_smallest_possible_p_of_few_songs():
    assert [least(pd.DataFrame({"songs": counts})) for counts in ([4, 3], [6], [])] == [0.125, None, None]
