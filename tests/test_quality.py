"""benchmarks.quality: what the peer is trained on, and the table of differences. Its training needs torch and time."""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from benchmarks.quality import BATCH, Songs, differences

SOURCES = ("vocals", "drums")


class Stems:
    """A corpus of two songs in which each channel of each stem is a constant of its own."""

    sources = SOURCES

    def of_split(self, _: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(name=f"song {index}", index=index) for index in range(2)]

    def stem(self, song: SimpleNamespace, source: str) -> np.ndarray:
        level = 10.0 ** (2 * song.index + SOURCES.index(source))
        return np.full((50 + 10 * song.index, 2), [level, 3 * level])


def test_a_chunk_has_one_scaled_stem_of_each_source_and_begins_with_the_target() -> None:
    songs = Songs(Stems(), "train")
    ((mixture, own),) = songs.batches("vocals", 40, 1, np.random.default_rng(0))
    assert mixture.shape == own.shape == (BATCH, 2, 40)
    songs_drawn, swapped, gains = set(), set(), []
    for target, rest in zip(own[:, :, 0], (mixture - own)[:, :, 0], strict=True):
        for level, part in ((1.0, target), (10.0, rest)):
            song = int(part.min() > 30 * level)
            songs_drawn.add(song)
            swapped.add(bool(part[0] > part[1]))
            gains.append(part.min() / (level * 100**song))
            assert np.isclose(part.max() / part.min(), 3, rtol=1e-3)
    assert songs_drawn == {0, 1} and swapped == {True, False}
    assert min(gains) + 1e-3 >= 0.25 and max(gains) <= 1.25 + 1e-3


def test_the_table_has_the_differences_of_songs_and_of_their_means() -> None:
    songs, rng = [f"song {i}" for i in range(8)], np.random.default_rng(1)
    theirs = {(song, source): rng.normal(4, 2) for song in songs for source in SOURCES}
    gains = {"vocals": 1.0, "drums": -0.25}

    def table(system: str, scores: dict[tuple[str, str], float]) -> pd.DataFrame:
        rows = [(system, song, source, "SDR", 0, score) for (song, source), score in scores.items()]
        return pd.DataFrame(rows, columns=["system", "track", "target", "metric", "frame", "score"])

    ours = {(song, source): score + gains[source] for (song, source), score in theirs.items()}
    lines = differences(table("rnnsep", ours), table("openunmix", theirs)).splitlines()[2:]
    found = {cells[1].strip(): cells for cells in (line.split("|") for line in lines)}
    assert list(found) == ["vocals", "drums", "mean"]
    for source, gain in {**gains, "mean": 0.375}.items():
        assert found[source][4].strip() == f"{gain:.2f} ({gain:.2f} to {gain:.2f})"
        assert float(found[source][5]) < 0.01
    vocals = [theirs[song, "vocals"] for song in songs]
    assert found["vocals"][3].strip() == f"{np.median(vocals):.2f} ({np.mean(vocals):.2f})"
