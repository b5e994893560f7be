"""The table of all hypotheses, as CSV and as Markdown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from experiments.hel1.fingerprint import QUANTITIES, SOURCES, Array, Songs, agreement, distance, published
from experiments.hel1.hypotheses import Hypothesis


@dataclass(frozen=True)
class Row:
    """A system with its runs. Numbers are means over runs; `distances` and `spreads` have one value per run (dB)."""

    name: str
    about: str
    group: str
    medians: Array
    iqr: Array
    distances: list[float] = field(default_factory=list)
    spreads: list[float] = field(default_factory=list)
    agreements: list[float] = field(default_factory=list)


def reference_rows(mix: Songs, irm1: Songs) -> list[Row]:
    """HEL1 as published, on all of its songs and on those of `mix`; MIX and IRM1 here.

    The last rows, IRM1 here and as published from its own published scores, say what the excerpts and songs change.
    """
    hel1 = published()
    same, theirs = hel1.common(mix), published("IRM1").common(mix)
    return [
        Row("HEL1", "as published, 50 songs", "published", hel1.medians(), hel1.spreads()),
        *([_row("HEL1, these songs", "as published", "published", [same])] if same.names else []),
        _row("MIX", "the mixture divided by 4", "baselines", [mix]),
        _row("IRM1", "ideal ratio mask", "baselines", [irm1]),
        _row("IRM1, from its own published scores", "ideal ratio mask", "baselines", [irm1], "IRM1"),
        *([_row("IRM1, these songs", "as published", "published", [theirs], "IRM1")] if theirs.names else []),
    ]


def row(hypothesis: Hypothesis, runs: Iterable[Songs]) -> Row:
    """The row of a hypothesis."""
    return _row(hypothesis.name, hypothesis.about, hypothesis.group, list(runs))


def _row(name: str, about: str, group: str, runs: list[Songs], system: str = "HEL1") -> Row:
    """A row whose distances are from the published scores of `system`."""
    reference = published(system)
    medians, iqr = [run.medians() for run in runs], [run.spreads() for run in runs]
    return Row(
        name,
        about,
        group,
        sum(medians[1:], medians[0]) / len(runs),
        sum(iqr[1:], iqr[0]) / len(runs),
        [distance(one, reference.medians()) for one in medians],
        [distance(one, reference.spreads()) for one in iqr],
        [agreement(one, reference) for one in runs],
    )


def csv(rows: Iterable[Row]) -> str:
    """One line per row: the 16 medians, the 16 interquartile ranges, and the distances' mean, lowest and highest."""
    lines = []
    for one in rows:
        line: dict[str, object] = {"name": one.name, "about": one.about, "group": one.group}
        for prefix, numbers in (("", one.medians), ("IQR ", one.iqr)):
            labels = [f"{prefix}{quantity} {source}" for quantity in QUANTITIES for source in SOURCES]
            line |= dict(zip(labels, numbers.ravel().tolist(), strict=True))
        line["runs"] = max(1, len(one.distances))
        for name, values in (("distance", one.distances), ("spread", one.spreads), ("agreement", one.agreements)):
            for function in (np.mean, np.min, np.max):
                line[f"{name} {function.__name__}"] = function(values) if values else None
        lines.append(line)
    return pd.DataFrame(lines).to_csv(index=False, float_format="%.4f", lineterminator="\n")


def mean(values: Sequence[float]) -> float:
    """Mean of the values that are numbers; NaN if none is."""
    valid = [value for value in values if np.isfinite(value)]
    return sum(valid) / len(valid) if valid else float("nan")


def markdown(rows: Iterable[Row], error: Array) -> str:
    """
    A row per system: medians of vocals, drums, bass and other, distances and, for several runs, their range.

    `error` are the distances that HEL1 has on as many of its own songs (see `fingerprint.sampling_error`), which make
    the second row.
    """
    header = ["hypothesis", *QUANTITIES, "distance", "spread", "agreement"]
    lines = [f"| {' | '.join(header)} |", f"|---|{'---:|' * (len(header) - 1)}"]
    for one in rows:
        cells = [f"`{one.name}`: {one.about}" if one.group not in ("published", "baselines") else
                 f"{one.name}: {one.about}"]  # fmt: skip
        cells += [" ".join(f"{value:.1f}" for value in values) for values in one.medians]
        cells += [_range(one.distances), _range(one.spreads), _range(one.agreements)]
        lines.append(f"| {' | '.join(cells)} |")
        if one.name == "HEL1":
            middle, high = np.quantile(error, [0.5, 0.95], axis=0)
            limits = [f"{a:.2f} (95 %: {b:.2f})" for a, b in zip(middle, high, strict=True)]
            lines.append(f"| HEL1: drawn at random, as many songs as here | | | | | {' | '.join(limits)} | |")
    return "\n".join(lines) + "\n"


def _range(values: list[float]) -> str:
    valid = [value for value in values if np.isfinite(value)]
    if not valid:
        return "" if not values else "—"
    text = f"{mean(valid):.2f}"
    return text if len(valid) == 1 else f"{text} ({min(valid):.2f} to {max(valid):.2f})"
