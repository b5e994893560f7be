"""The result and the settings of a run in words."""

import json
import math
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal

import pandas as pd

from rnnsep.network.model import words
from rnnsep.params import leaves
from rnnsep.signal.corpus import Corpus, EvaluationParams
from rnnsep.tables import sheets, statistics

MINUS = "\N{MINUS SIGN}"
LIBRARIES = ("rnnsep", "scipy", "pandas", "museval")
CORPORA = {
    "synthetic": "synthetic songs",
    "musdb18-7s": "MUSDB18-7s",
    "musdb18": "MUSDB18",
    "musdb18-hq": "MUSDB18-HQ",
    "mir-1k": "MIR-1K",
    "folder": "own songs",
}
FILTERS = {"mask": "soft mask", "wiener": "soft mask and multichannel Wiener filter (one EM iteration)"}
SPLITS = {"train": "training", "valid": "validation", "test": "test"}
MEANING = {
    "SDR": "source to distortion ratio: all errors together",
    "ISR": "source image to spatial distortion ratio: errors in level, spectrum and panning",
    "SIR": "source to interference ratio: remains of the other sources",
    "SAR": "source to artefacts ratio: artefacts that belong to no source",
    "NSDR": "normalised SDR: SDR minus the SDR of the mixture",
    "uSDR": "utterance-level SDR: energy of the source over energy of the error, in the whole song",
    "SI-SDR": "scale-invariant SDR: as uSDR, but the level of the estimate does not count",
}


@dataclass(frozen=True, kw_only=True)
class SeparationShown:
    """The keys of section `separation` that the page shows."""

    filter: Literal["mask", "wiener"]
    temperature: float


def number(value: float, signed: bool = False) -> str:
    """Two decimals with a minus sign (not a hyphen), or a dash if the value is not finite."""
    if not math.isfinite(value):
        return sheets.MISSING
    return ("+" if signed and value > 0 else "") + typographic(sheets.number(value))


def typographic(text: str) -> str:
    """`text` with minus signs instead of hyphens."""
    return text.replace("-", MINUS)


def headline(songs: pd.DataFrame, summary: pd.DataFrame, means: pd.DataFrame | None, split: str) -> str:
    """The result in one sentence: GNSDR if the run has it (`means`, see `statistics.overall`), else median SDR."""
    system, metric = summary["system"].iloc[0], statistics.metrics_of(summary)[0]
    nb_songs = int(songs.loc[songs["system"] == system, "track"].nunique())
    start = f"On {nb_songs} {SPLITS.get(split, split)} song{'s' * (nb_songs != 1)}, {system} reaches"
    if means is not None:
        own, ceiling = (means[means["system"] == name] for name in (system, "IRM1"))
        text = f"{start} a GNSDR of {_scores(own['target'], own['GNSDR'])}"
        oracle = f"; the oracle mask IRM1 reaches {_listed(_decibels(ceiling['GNSDR']))}" if len(ceiling) else ""
        return f"{text}{oracle}."
    own = summary[(summary["system"] == system) & (summary["metric"] == metric)]
    text = f"{start} a median {metric} of {_scores(own['target'], own['median'])}"
    distances = []
    for other, what in (("MIX", "the mixture"), ("IRM1", "the oracle mask IRM1")):
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
    """Score of `system` minus score of `other` of each song and target, in the column `distance` (dB)."""
    keys = ["track", "target"]
    pair = [songs[songs["system"] == name].set_index(keys)[metric] for name in (system, other)]
    return (pair[0] - pair[1]).rename("distance").reset_index()


def meanings(metrics: list[str], version: str) -> list[tuple[str, str]]:
    """The meaning of each metric in words, without unknown metrics."""
    notes = {"SDR": "; cSDR: median over frames of the SDR"} if version == "v4" else {}
    return [(metric, MEANING[metric] + notes.get(metric, "")) for metric in metrics if metric in MEANING]


def facts(
    corpus: Corpus,
    model: dict[str, Any],
    history: pd.DataFrame,
    separation: SeparationShown,
    evaluation: EvaluationParams,
) -> list[tuple[str, str]]:
    """Names and values of the settings of a run."""
    counts = [
        f"{len(songs)} {name} ({sum(song.nb_samples / song.rate for song in songs) / 60:.1f} min)"
        for split, name in SPLITS.items()
        if (songs := corpus.of_split(split))
    ]
    stft, provenance = model["stft"], model.get("provenance", {})
    best = f", best epoch {provenance['best_epoch']}" if "best_epoch" in provenance else ""
    start = f", from the weights of {provenance['start']}" if "start" in provenance else ""
    frames = f"BSSEval v4, window {evaluation.window:g} s, hop {evaluation.hop:g} s"
    libraries = {name: provenance[name] for name in ("tensorflow", "keras", "numpy") if name in provenance}
    libraries |= {name: version(name) for name in LIBRARIES}
    return [
        ("Corpus", f"{corpus.name}: {', '.join(corpus.sources)}"),
        ("Songs", _listed(counts)),
        ("Network", network(model)),
        (
            "STFT",
            f"window {stft['window']} ({stft['taper']}), hop {stft['hop']}, {stft['channels']},"
            f" {stft['sample_rate'] / 1000:g} kHz",
        ),
        ("Training", f"{len(history)} epoch{'s' * (len(history) != 1)}{best}{start}"),
        ("Separation", separating(separation)),
        ("Scores", frames if evaluation.version == "v4" else f"BSS Eval {evaluation.version}, whole songs"),
        ("Versions", ", ".join(f"{name} {which}" for name, which in libraries.items())),
    ]


def separating(shown: SeparationShown) -> str:
    """The post-filter and the temperature in words."""
    temperature = "" if shown.temperature == 1 else f", temperature {shown.temperature:g}"
    return f"{FILTERS.get(shown.filter, shown.filter)}{temperature}"


def network(model: dict[str, Any]) -> str:
    """The networks of a model in words."""
    text = words(model["network"])
    text += "" if model["networks"] == 1 else f"; ensemble of {model['networks']}"
    return text + ("; enhancement network" if "enhancer" in model else "")


def settings(model: dict[str, Any]) -> list[tuple[str, str]]:
    """All values in model.json with their dotted keys."""
    return [(key, json.dumps(value)) for key, value in leaves(model).items()]
