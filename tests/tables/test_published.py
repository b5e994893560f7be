"""The systems of SiSEC 2018."""

import pandas as pd

from rnnsep.tables import published, reading, sheets, statistics
from tests.tables.systems import SOURCES, row


def test_hel1_scored_below_the_mixture():
    summary = statistics.summarise(published.published_songs("sisec2018"))
    for target, sdr in {"vocals": 0.09, "drums": 0.08, "bass": -0.33, "other": 0.26}.items():
        hel1 = row(summary, system="HEL1", target=target, metric="SDR")
        assert round(hel1["median"], 2) == sdr
        assert hel1["songs"] == 50
        assert pd.isna(hel1["valid_frames"])
        assert hel1["high"] < row(summary, system="MIX", target=target, metric="SDR")["median"]


def test_published_scores_are_complete():
    songs = published.published_songs("sisec2018")
    assert songs["system"].nunique() == 31
    assert songs["track"].nunique() == 50
    assert songs["score"].notna().all()
    assert not songs.duplicated(["system", "track", "target", "metric"]).any()


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
