"""The systems of SiSEC 2018."""

from rnnsep.tables import published, reading, sheets, statistics
from tests.tables.systems import SOURCES


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
