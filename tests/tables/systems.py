"""Score files of made-up systems."""

import itertools
import json
import math

import numpy as np

from rnnsep.tables.statistics import METRICS

NAN = math.nan
SOURCES = ("vocals", "drums", "bass", "other")
SONG_METRICS = ("uSDR", "SI-SDR")


def document(scores, songs=None, duration=1.0):
    """The content of museval's JSON for {target: {metric: scores of the frames}}.

    `songs`: {target: {metric: score of the song}}.
    """
    return {
        "museval_version": "0.4.1",
        "targets": [
            {
                "name": target,
                "frames": [
                    {"time": float(time), "duration": duration, "metrics": dict(zip(metrics, values, strict=True))}
                    for time, values in enumerate(zip(*metrics.values(), strict=True))
                ],
                **({"metrics": songs[target]} if songs else {}),
            }
            for target, metrics in scores.items()
        ],
    }


def write(folder, song, scores, songs=None, duration=1.0):
    """Write the scores of a song (see `document`); the file's path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{song}.json"
    path.write_text(json.dumps(document(scores, songs, duration)), encoding="utf-8")
    return path


def random_system(folder, seed, nb_songs=4, nb_frames=7, targets=SOURCES, centre=0.0):
    """Write random scores with some NaN frames; {(song, target, metric): scores of the frames or the song}."""
    random = np.random.default_rng(seed)
    drawn = {}
    for song in (f"Song {index}" for index in range(nb_songs)):
        scores = {t: {m: random.normal(centre, 3, nb_frames).round(5) for m in METRICS} for t in targets}
        for target, metric in itertools.product(targets, METRICS):
            scores[target][metric][random.random(nb_frames) < 0.2] = NAN
            drawn[song, target, metric] = scores[target][metric]
        songs = {t: {m: round(random.normal(centre, 3), 5) for m in SONG_METRICS} for t in targets}
        drawn |= {(song, t, m): [score] for t, metrics in songs.items() for m, score in metrics.items()}
        write(folder, song, {t: {m: list(v) for m, v in metrics.items()} for t, metrics in scores.items()}, songs)
    return drawn


def row(table, **keys):
    """The only row of `table` with these values."""
    for column, value in keys.items():
        table = table[table[column] == value]
    (found,) = table.to_dict("records")
    return found
