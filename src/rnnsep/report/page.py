"""The page of a run, reports/index.html: one file that needs no network."""

import io
import json
import math
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd

from rnnsep.report import figures
from rnnsep.report.examples import Example, examples
from rnnsep.running import files
from rnnsep.running.errors import UserError
from rnnsep.scoring import tables
from rnnsep.signal.songs import Corpus

MINUS, LIBRARIES = "\N{MINUS SIGN}", ("rnnsep", "scipy", "pandas", "musdb", "museval")
MEANING = {
    "SDR": "signal to distortion ratio: how near the estimate is to the source, all errors counted",
    "ISR": "image to spatial distortion ratio: how well its level, spectrum and place between the channels are kept",
    "SIR": "signal to interference ratio: how little of the other sources is left in it",
    "SAR": "signal to artefacts ratio: how little was added that is in none of the sources",
}


def write_page(page: Path, corpus: Path, estimates: Path, scores: Path, models: Path) -> None:
    """Write the page of a run to the file `page`.

    Reads corpus.json and the test songs of `corpus`, `estimates`/<song>/<source>.wav, the tables that
    `tables.aggregate` wrote to the folder `scores`, and history.tsv and model.json of `models`. The first system of
    the tables is the one that the page is about. Raises `UserError` where one of these files is missing.
    """
    songs, summary, pairs = (_read(scores / f"{name}.csv") for name in ("songs", "summary", "tests"))
    history = _read(models / "history.tsv", "\t")
    model = json.loads(_text(models / "model.json"))
    about = Corpus.read(corpus)
    system, metrics = str(summary["system"].iloc[0]), tables.metrics_of(summary)
    own = songs[songs["system"] == system]
    means = own.groupby("track")[metrics[0]].mean()
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rnnsep.report", "."), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"number": number, "typographic": typographic}
    text = environment.get_template("page.html.j2").render(
        corpus=about.name,
        headline=headline(songs, summary),
        facts=facts(about, model, history),
        settings=settings(model),
        sheets=sheets(summary, about.name),
        meaning=[(metric, MEANING[metric]) for metric in metrics if metric in MEANING],
        excerpts=about.name == "musdb18-7s",
        boxes=boxes(songs, metrics, tables.targets_of(summary)),
        curves=figures.learning_curves(history, model.get("provenance", {}).get("best_epoch")),
        songs=song_rows(songs, metrics),
        metrics=metrics,
        references=[name for name in ("MIX", "IRM1") if name != system and name in set(songs["system"])],
        pairs=list(zip(tables.metrics_of(pairs), tables.pair_sheets(pairs), strict=True)),
        noise=int(figures.NOISE),
        system=system,
        examples=[(example, players(example)) for example in examples(about, estimates, means)],
    )
    files.write_text(page, text)


def _read(path: Path, separator: str = ",") -> pd.DataFrame:
    names = dict.fromkeys(("system", "other", "track", "target", "metric"), str)
    return pd.read_csv(io.StringIO(_text(path)), sep=separator, dtype=names, keep_default_na=False, na_values=[""])


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; dvc repro makes it") from None


def number(value: float, signed: bool = False) -> str:
    """Two decimals with a true minus, or a dash where there is no number."""
    if not math.isfinite(value):
        return tables.MISSING
    return ("+" if signed and value > 0 else "") + typographic(tables.number(value))


def typographic(text: str) -> str:
    """Text of a figure with true minus signs."""
    return text.replace("-", MINUS)


def headline(songs: pd.DataFrame, summary: pd.DataFrame) -> str:
    """The result in one sentence."""
    system, metric = summary["system"].iloc[0], tables.metrics_of(summary)[0]
    own = summary[(summary["system"] == system) & (summary["metric"] == metric)]
    scores = [f"{number(median)} dB for {target}" for target, median in zip(own["target"], own["median"], strict=True)]
    nb_songs = int(songs.loc[songs["system"] == system, "track"].nunique())
    text = f"On {nb_songs} test song{'s' * (nb_songs != 1)} {system} reaches a median {metric} of {_listed(scores)}"
    distances = []
    for other, what in (("MIX", "the unprocessed mixture"), ("IRM1", "the ideal ratio mask")):
        gain = distance(songs, str(system), other, metric).groupby("target")["distance"].median().mean()
        if math.isfinite(gain):
            distances.append(f"{abs(gain):.1f} dB {'above' if gain >= 0 else 'below'} {what}")
    return f"{text}; on average {_listed(distances)}." if distances else f"{text}."


def _listed(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


def distance(songs: pd.DataFrame, system: str, other: str, metric: str) -> pd.DataFrame:
    """Scores of `system` minus those of `other` for each song and target, in the column `distance` (dB)."""
    keys = ["track", "target"]
    pair = [songs[songs["system"] == name].set_index(keys)[metric] for name in (system, other)]
    return (pair[0] - pair[1]).rename("distance").reset_index()


def facts(corpus: Corpus, model: dict[str, Any], history: pd.DataFrame) -> list[tuple[str, str]]:
    """What was run, as names and values."""
    counts = {split: sum(song.split == split for song in corpus.songs) for split in ("train", "valid", "test")}
    minutes = {
        split: sum(song.nb_samples / song.rate for song in corpus.songs if song.split == split) / 60 for split in counts
    }
    words = {"train": "training", "valid": "validation", "test": "test"}
    rnn, stft = model["rnn"], model["stft"]
    direction = "bidirectional" if rnn.get("bidirectional") else "causal"
    best = model.get("provenance", {}).get("best_epoch")
    rows = [
        ("Corpus", f"{corpus.name}: {', '.join(corpus.sources)}"),
        ("Songs", _listed([f"{counts[s]} {words[s]} ({minutes[s]:.1f} min)" for s in counts if counts[s]])),
        ("Network", f"{rnn['layers']} × {str(rnn['cell']).upper()} of {rnn['units']} units, {direction}"),
        (
            "Spectrogram",
            f"{stft['window']} / {stft['hop']} samples, {stft['taper']}, {stft['channels']},"
            f" {stft['sample_rate'] / 1000:g} kHz",
        ),
        ("Training", f"{len(history)} epochs" + ("" if best is None else f", the weights of epoch {best} kept")),
    ]
    provenance = model.get("provenance", {})
    libraries = {name: provenance[name] for name in ("tensorflow", "keras", "numpy") if name in provenance}
    libraries |= {name: version(name) for name in LIBRARIES}
    return [*rows, ("Versions", ", ".join(f"{name} {which}" for name, which in libraries.items()))]


def settings(model: dict[str, Any]) -> list[tuple[str, str]]:
    """All that model.json says, with dotted keys."""

    def leaves(content: dict[str, Any], prefix: str) -> list[tuple[str, str]]:
        return [
            leaf
            for key, value in content.items()
            for leaf in (
                leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, json.dumps(value))]
            )
        ]

    return leaves(model, "")


def sheets(summary: pd.DataFrame, corpus: str) -> list[tables.Sheet]:
    """The summary's sheets, for MUSDB18 with the published systems below.

    The number of songs is left out where it is the same for all.
    """
    targets = tables.targets_of(summary)
    if corpus.startswith("musdb18"):
        published = tables.published("sisec2018", taken=tables.systems_of(summary))
        summary = pd.concat([summary, tables.summarise(published)], ignore_index=True)
    plain = tables.summary_sheets(summary, True, targets)
    return [
        replace(sheet, cells=sheet.cells.drop(columns="songs")) if sheet.cells["songs"].nunique() == 1 else sheet
        for sheet in plain
    ]


def boxes(songs: pd.DataFrame, metrics: list[str], targets: list[str]) -> list[tuple[str, list[str]]]:
    """Box plots of each metric, one SVG for each target, on one scale."""
    systems, plots = tables.systems_of(songs), []
    for metric in metrics:
        scores = songs.loc[songs[metric].abs() < figures.NOISE, metric]
        if len(scores):
            low, high = math.floor(scores.min()), math.ceil(scores.max())
            extent = (float(low), float(max(high, low + 1)))
            plots.append((metric, [figures.box_plot(songs, metric, target, systems, extent) for target in targets]))
    return plots


def song_rows(songs: pd.DataFrame, metrics: list[str]) -> list[dict[str, Any]]:
    """A row for each song and target of the first system, with its distances to MIX and IRM1."""
    system = str(songs["system"].iloc[0])
    own = songs[songs["system"] == system].copy()
    for other in ("MIX", "IRM1"):
        gaps = distance(songs, system, other, metrics[0]).set_index(["track", "target"])["distance"]
        own[other] = gaps.reindex(pd.MultiIndex.from_frame(own[["track", "target"]])).to_numpy()
    return [
        {
            "track": row["track"],
            "target": row["target"],
            "scores": [row[metric] for metric in metrics],
            "gaps": {other: row[other] for other in ("MIX", "IRM1")},
            "frames": [int(row["valid_frames"]), int(row["nan_frames"])],
        }
        for row in own.replace({np.nan: math.nan}).to_dict("records")
    ]


def players(example: Example) -> list[tuple[str, list[Any]]]:
    """The tracks of an example by source, in order."""
    sources = dict.fromkeys(track.source for track in example.tracks)
    return [(source, [track for track in example.tracks if track.source == source]) for source in sources]
