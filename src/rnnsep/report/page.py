"""The page of a run, reports/index.html: one file that needs no network."""

import io
import json
import math
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import jinja2
import numpy as np
import pandas as pd

from rnnsep.report import figures
from rnnsep.report.examples import Example, examples
from rnnsep.running import files
from rnnsep.running.errors import UserError
from rnnsep.signal.corpus import Corpus
from rnnsep.tables import overall, tables

MINUS, LIBRARIES = "\N{MINUS SIGN}", ("rnnsep", "scipy", "pandas", "musdb", "museval")
CORPORA = {
    "synthetic": "synthetic songs",
    "musdb18-7s": "MUSDB18-7s",
    "musdb18": "MUSDB18",
    "musdb18-hq": "MUSDB18-HQ",
    "mir-1k": "MIR-1K",
    "folder": "songs of a folder",
}
CELLS = {"gru": "GRU", "lstm": "LSTM", "vanilla": "plain recurrent"}
AFTER_MASKS = {"mask": "", "wiener": ", then one EM iteration of the multichannel Wiener filter"}
SPLITS = {"train": "training", "valid": "validation", "test": "test"}
MEANING = {
    "SDR": "signal to distortion ratio: how near the estimate is to the source, all errors counted",
    "ISR": "image to spatial distortion ratio: how well its level, spectrum and place between the channels are kept",
    "SIR": "signal to interference ratio: how little of the other sources is left in it",
    "SAR": "signal to artefacts ratio: how little was added that is in none of the sources",
    "NSDR": "normalised SDR: how far it is above that of the mixture",
}


@dataclass(frozen=True)
class SeparationShown:
    """What the page says of section `separation`."""

    filter: Literal["mask", "wiener"]
    temperature: float


@dataclass(frozen=True)
class EvaluationShown:
    """What the page says of section `evaluation`; `window` and `hop` in s."""

    window: float
    hop: float
    version: Literal["v4", "v3"]
    split: Literal["test", "valid"]


def write_page(
    page: Path,
    corpus: Path,
    estimates: Path,
    scores: Path,
    models: Path,
    separation: SeparationShown,
    evaluation: EvaluationShown,
) -> None:
    """Write the page of a run to the file `page`.

    Reads corpus.json and the scored songs of `corpus`, `estimates`/<song>/<source>.wav, the tables that
    `tables.aggregate` and `overall.write_overall` wrote to the folder `scores`, and history.tsv and model.json of
    `models`. The first system of the tables is the one that the page is about. Raises `UserError` where one of these
    files is missing.
    """
    songs, summary, pairs = (_read(scores / f"{name}.csv") for name in ("songs", "summary", "tests"))
    history = _read(models / "history.tsv", "\t")
    model = json.loads(_text(models / "model.json"))
    about = Corpus.read(corpus)
    means = _read(scores / "overall.csv") if (scores / "overall.csv").exists() else None
    system, metrics = str(summary["system"].iloc[0]), tables.metrics_of(summary)
    compared = about.name.startswith("musdb18") and evaluation.version == "v4" and evaluation.split == "test"
    own = songs[songs["system"] == system]
    ranking = own.groupby("track")[metrics[0]].mean()
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rnnsep.report", "."), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"number": number, "typographic": typographic}
    text = environment.get_template("page.html.j2").render(
        corpus=CORPORA.get(about.name, about.name),
        headline=headline(songs, summary, means, evaluation.split),
        synthetic=about.name == "synthetic",
        facts=facts(about, model, history, separation, evaluation),
        settings=settings(model),
        sheets=sheets(summary, means, compared),
        meaning=[(metric, MEANING[metric]) for metric in metrics if metric in MEANING],
        whole=evaluation.version == "v3",
        compared=compared,
        excerpts=about.name == "musdb18-7s",
        split=SPLITS[evaluation.split],
        boxes=boxes(songs, metrics, tables.targets_of(summary)),
        curves=figures.learning_curves(history, model.get("provenance", {}).get("best_epoch")),
        songs=song_rows(songs, metrics),
        metrics=metrics,
        references=[name for name in ("MIX", "IRM1") if name != system and name in set(songs["system"])],
        pairs=list(zip(tables.metrics_of(pairs), tables.pair_sheets(pairs), strict=True)),
        least=least(pairs),
        noise=int(figures.NOISE),
        system=system,
        examples=[(example, players(example)) for example in examples(about, estimates, ranking, evaluation.split)],
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


def headline(songs: pd.DataFrame, summary: pd.DataFrame, means: pd.DataFrame | None, split: str) -> str:
    """The result in one sentence: GNSDR where there is a table of such means over songs, else medians."""
    system, metric = summary["system"].iloc[0], tables.metrics_of(summary)[0]
    nb_songs = int(songs.loc[songs["system"] == system, "track"].nunique())
    start = f"On {nb_songs} {SPLITS[split]} song{'s' * (nb_songs != 1)} {system} reaches"
    if means is not None:
        own, ceiling = (means[means["system"] == name] for name in (system, "IRM1"))
        text = f"{start} a GNSDR of {_scores(own['target'], own['GNSDR'])}"
        return f"{text}; the ideal ratio mask {_listed(_decibels(ceiling['GNSDR']))}." if len(ceiling) else f"{text}."
    own = summary[(summary["system"] == system) & (summary["metric"] == metric)]
    text = f"{start} a median {metric} of {_scores(own['target'], own['median'])}"
    distances = []
    for other, what in (("MIX", "the unprocessed mixture"), ("IRM1", "the ideal ratio mask")):
        gain = distance(songs, str(system), other, metric).groupby("target")["distance"].median().mean()
        if math.isfinite(gain):
            distances.append(f"{abs(gain):.1f} dB {'above' if gain >= 0 else 'below'} {what}")
    return f"{text}; on average {_listed(distances)}." if distances else f"{text}."


def _scores(targets: pd.Series, values: pd.Series) -> str:
    return _listed([f"{score} for {target}" for target, score in zip(targets, _decibels(values), strict=True)])


def _decibels(values: pd.Series) -> list[str]:
    return [f"{number(value)} dB" for value in values]


def _listed(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


def distance(songs: pd.DataFrame, system: str, other: str, metric: str) -> pd.DataFrame:
    """Scores of `system` minus those of `other` for each song and target, in the column `distance` (dB)."""
    keys = ["track", "target"]
    pair = [songs[songs["system"] == name].set_index(keys)[metric] for name in (system, other)]
    return (pair[0] - pair[1]).rename("distance").reset_index()


def facts(
    corpus: Corpus,
    model: dict[str, Any],
    history: pd.DataFrame,
    separation: SeparationShown,
    evaluation: EvaluationShown,
) -> list[tuple[str, str]]:
    """What was run, as names and values."""
    songs = {split: corpus.of_split(split) for split in SPLITS}
    counts = [
        f"{len(those)} {SPLITS[split]} ({sum(song.nb_samples / song.rate for song in those) / 60:.1f} min)"
        for split, those in songs.items()
        if those
    ]
    stft, provenance = model["stft"], model.get("provenance", {})
    kept = f", the weights of epoch {provenance['best_epoch']} kept" if "best_epoch" in provenance else ""
    frames = f"BSSEval v4, frames of {evaluation.window:g} s every {evaluation.hop:g} s"
    libraries = {name: provenance[name] for name in ("tensorflow", "keras", "numpy") if name in provenance}
    libraries |= {name: version(name) for name in LIBRARIES}
    return [
        ("Corpus", f"{corpus.name}: {', '.join(corpus.sources)}"),
        ("Songs", _listed(counts)),
        ("Network", network(model)),
        (
            "Spectrogram",
            f"{stft['window']} / {stft['hop']} samples, {stft['taper']}, {stft['channels']},"
            f" {stft['sample_rate'] / 1000:g} kHz",
        ),
        ("Training", f"{len(history)} epoch{'s' * (len(history) != 1)}{kept}"),
        ("Separation", separating(separation)),
        ("Scores", frames if evaluation.version == "v4" else "BSS Eval v3 of whole songs"),
        ("Versions", ", ".join(f"{name} {which}" for name, which in libraries.items())),
    ]


def separating(shown: SeparationShown) -> str:
    """How masks become estimates, in a few words."""
    temperature = "" if shown.temperature == 1 else f", of temperature {shown.temperature:g}"
    return f"soft masks{temperature}{AFTER_MASKS[shown.filter]}"


def network(model: dict[str, Any]) -> str:
    """The hidden layers of a model in words, and what becomes of several networks."""
    text = hidden_layers(model["rnn"])
    if "blended" in model:
        text += f", with {hidden_layers(model['blended'])}"
    text += "" if model.get("networks", 1) == 1 else f", {model['networks']} networks averaged"
    return text + (", and a second network that enhances all sources" if "enhancer" in model else "")


def hidden_layers(rnn: dict[str, Any]) -> str:
    """The hidden layers of one network in words."""
    layers, units, cell = rnn["layers"], rnn["units"], CELLS[rnn["cell"]]
    recurrent = rnn.get("recurrent") or list(range(1, layers + 1))
    direction = "bidirectional" if rnn.get("bidirectional") else "unidirectional"
    if rnn.get("bands"):
        text = f"band-split, {rnn['bands']} bands, {layers} × {cell} of {units} units, {direction}"
    elif recurrent == [0]:
        text = f"{layers} dense layers of {units} units"
    elif len(recurrent) == layers:
        text = f"{layers} × {cell} of {units} units, {direction}"
    else:
        which = " and ".join(map(str, recurrent))
        text = f"{layers} layers of {units} units, {which} {cell}, {direction}, the others dense"
    return text if rnn.get("shared", True) else f"{text}, one for each source"


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


def sheets(summary: pd.DataFrame, means: pd.DataFrame | None, compared: bool) -> list[tables.Sheet]:
    """The sheet of the means over songs, if there is one, then the summary's, `compared` with published systems.

    The number of songs is left out where it is the same for all.
    """
    targets = tables.targets_of(summary)
    if compared:
        published = tables.published("sisec2018", taken=tables.systems_of(summary))
        summary = pd.concat([summary, tables.summarise(published)], ignore_index=True)
    found = [] if means is None else [overall.sheet(means)]
    for metric, sheet in zip(tables.metrics_of(summary), tables.summary_sheets(summary, True, targets), strict=True):
        cells = sheet.cells.drop(columns="songs") if sheet.cells["songs"].nunique() == 1 else sheet.cells
        noisy = (summary.loc[summary["metric"] == metric, "median"].abs() > figures.NOISE).any()
        notes = (*sheet.notes, f"Beyond {figures.NOISE:g} dB there is only rounding noise.") if noisy else sheet.notes
        found.append(replace(sheet, cells=cells, notes=notes))
    return found


def least(pairs: pd.DataFrame) -> float | None:
    """The smallest p that Wilcoxon's test can give with so few songs, None where it is not above 0.05."""
    p = 2.0 ** (1 - int(pairs["songs"].max())) if len(pairs) else 0.0
    return p if p > 0.05 else None


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
