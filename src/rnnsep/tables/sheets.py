"""Tables as text: Markdown for a terminal or README, LaTeX for a paper, CSV for other programs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from rnnsep.tables.statistics import GLOBAL, metrics_of, of_whole_songs, systems_of, targets_of

MISSING = "—"
MARK = "†"
TWICE = (
    "Vocals were scored in the two-source setting (about +0.2 dB), because the system also estimated the accompaniment."
)
UNEQUAL = "The medians are over different numbers of songs."


@dataclass(frozen=True)
class Sheet:
    """A table of text with a heading and notes. The first `nb_labels` columns are names, the others figures."""

    heading: str
    cells: pd.DataFrame
    nb_labels: int
    notes: tuple[str, ...] = ()


def summary_sheets(summary: pd.DataFrame, intervals: bool = False, targets: Sequence[str] | None = None) -> list[Sheet]:
    """A sheet per metric: a row per system, a column per target (default: all) and the number of songs.

    A cell is the median over songs, with its interval if `intervals`. For scores of whole songs, such as uSDR, it is
    the mean over songs, as in papers, and the median.
    """
    targets = targets_of(summary) if targets is None else targets
    marked = set(scored_twice(summary)) if "vocals" in targets else set()
    sheets = []
    for metric in metrics_of(summary):
        part = summary[(summary["metric"] == metric) & summary["target"].isin(targets)]
        cells = part.assign(figures=_figures(part, intervals)).pivot(index="system", columns="target", values="figures")
        cells = cells.reindex(index=systems_of(part), columns=list(targets)).fillna(MISSING)
        cells["songs"] = part.groupby("system")["songs"].max().astype(str)
        marks = set() if of_whole_songs(part) else marked
        cells.insert(0, "system", [f"{system} {MARK}" if system in marks else system for system in cells.index])
        notes = [f"{MARK} {TWICE}"] * bool(marks) + [UNEQUAL] * (cells["songs"].nunique() > 1)
        sheets.append(Sheet(_heading(part, metric, intervals), cells, 1, tuple(notes)))
    return sheets


def _figures(part: pd.DataFrame, intervals: bool) -> list[str]:
    if of_whole_songs(part):
        pairs = zip(part["mean"], part["median"], strict=True)
        return [MISSING if math.isnan(mean) else f"{number(mean)} ({number(median)})" for mean, median in pairs]
    medians = [number(median) for median in part["median"]]
    if not intervals:
        return medians
    return [
        median if math.isnan(low) else f"{median} ({number(low)} to {number(high)})"
        for median, low, high in zip(medians, part["low"], part["high"], strict=True)
    ]


def _heading(part: pd.DataFrame, metric: str, intervals: bool) -> str:
    if of_whole_songs(part):
        return f"{metric} (dB): mean over songs (median over songs)"
    one_frame = part["valid_frames"].fillna(0) == part["songs"]
    frames = "" if one_frame.all() else " of the median over frames"
    name = " (cSDR)" if metric == "SDR" and frames else ""
    return f"{metric} (dB): median over songs{frames}{name}{', 95 % bootstrap interval' if intervals else ''}"


def spread_sheet(table: pd.DataFrame, runs: Sequence[str]) -> Sheet:
    """A sheet of the mean and standard deviation over `runs` (see `statistics.spread`): a row per metric."""
    cells = table.assign(
        figures=[f"{number(mean)} ± {number(std)}" for mean, std in zip(table["mean"], table["std"], strict=True)]
    ).pivot(index="metric", columns="target", values="figures")
    cells = cells.reindex(index=metrics_of(table), columns=list(dict.fromkeys(table["target"]))).reset_index()
    heading = f"Mean and standard deviation (dB) over {len(runs)} runs: {', '.join(runs)}"
    return Sheet(heading, cells, 1)


def overall_sheet(table: pd.DataFrame) -> Sheet:
    """A sheet of the table of `statistics.overall`."""
    cells = table.assign(**{name: table[name].map(number) for name in GLOBAL.values()})
    return Sheet("BSS Eval v3 (dB): mean over songs, weighted by their length", cells, 2)


def detail_sheets(summary: pd.DataFrame) -> list[Sheet]:
    """A sheet per metric with the mean and quartiles over songs and the numbers of songs and frames."""
    sheets = []
    for metric in metrics_of(summary):
        cells = summary.loc[summary["metric"] == metric, ["target", "system"]]
        for column, name in (("mean", "mean"), ("q25", "25 %"), ("median", "50 %"), ("q75", "75 %")):
            cells[name] = summary[column].map(number)
        for column in ("songs", "valid_frames", "nan_frames"):
            numbers = summary[column].astype(object)
            cells[column.replace("_", " ").replace("nan", "NaN")] = numbers.where(numbers.notna(), MISSING)
        order = cells["target"].map(targets_of(summary).index).sort_values(kind="stable").index
        sheets.append(Sheet(f"{metric} (dB): mean and quartiles over songs", cells.loc[order].astype(str), 2))
    return sheets


def pair_sheets(tests: pd.DataFrame) -> list[Sheet]:
    """A sheet per metric of the tests between systems."""
    sheets = []
    for metric in metrics_of(tests):
        cells = tests[tests["metric"] == metric].drop(columns="metric")
        cells["difference"] = cells["difference"].map(number)
        for p in ("p", "p_holm"):
            cells[p] = ["<0.0001" if value < 1e-4 else f"{value:.2g}" for value in cells[p]]
        heading = (
            f"{metric} (dB): median over songs of system minus other; Wilcoxon signed-rank test,"
            " p corrected with Holm's method for each target"
        )
        sheets.append(Sheet(heading, cells.astype(str).rename(columns={"p_holm": "p (Holm)"}), 3))
    return sheets


def scored_twice(summary: pd.DataFrame) -> list[str]:
    """Systems whose vocals museval scored against the accompaniment only, unless this holds for all systems."""
    with_vocals = systems_of(summary[summary["target"] == "vocals"])
    with_accompaniment = set(summary.loc[summary["target"] == "accompaniment", "system"])
    marked = [system for system in with_vocals if system in with_accompaniment]
    return marked if len(marked) < len(with_vocals) else []


def number(value: float) -> str:
    """Two decimals; a dash for NaN; zero without a sign."""
    if math.isnan(value):
        return MISSING
    text = f"{value:.2f}"
    return "0.00" if text == "-0.00" else text


def markdown(sheets: Sequence[Sheet]) -> str:
    """Markdown tables with aligned columns."""
    parts = []
    for sheet in sheets:
        columns = []
        for index, name in enumerate(sheet.cells):
            cells = [_escape(cell, MARKDOWN) for cell in (str(name), *sheet.cells[name])]
            width = max(3, *map(len, cells))
            left = index < sheet.nb_labels
            cells.insert(1, "-" * width if left else "-" * (width - 1) + ":")
            columns.append([cell.ljust(width) if left else cell.rjust(width) for cell in cells])
        table = "\n".join(f"| {' | '.join(row)} |" for row in zip(*columns, strict=True))
        parts.append("\n\n".join([sheet.heading, table, *sheet.notes]))
    return "\n\n".join(parts) + "\n"


def latex(sheets: Sequence[Sheet]) -> str:
    """LaTeX tabulars for a document with the package booktabs."""
    parts = []
    for sheet in sheets:
        columns = []
        for index, name in enumerate(sheet.cells):
            escapes = LATEX if index < sheet.nb_labels else LATEX | {"-": "$-$"}
            columns.append([_escape(cell, escapes) for cell in (str(name), *sheet.cells[name])])
        header, *rows = (" & ".join(row) + r" \\" for row in zip(*columns, strict=True))
        form = "l" * sheet.nb_labels + "r" * (len(columns) - sheet.nb_labels)
        parts.append("\n".join([
            f"% {sheet.heading}",
            f"\\begin{{tabular}}{{{form}}}",
            "\\toprule",
            header,
            "\\midrule",
            *rows,
            "\\bottomrule",
            "\\end{tabular}",
            *(f"\\par {_escape(note, LATEX)}" for note in sheet.notes),
        ]))  # fmt: skip
    return "\n\n".join(parts) + "\n"


MARKDOWN = {"\\": "\\\\", "|": "\\|"}
LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "<": r"\textless{}", ">": r"\textgreater{}", MARK: r"$^\dagger$", MISSING: r"\textemdash{}",
}  # fmt: skip


def _escape(text: str, escapes: dict[str, str]) -> str:
    return "".join(escapes.get(character, character) for character in text)


def csv(table: pd.DataFrame) -> str:
    """CSV; scores have five decimals, as in museval's files, and p-values five significant digits."""
    table = table.copy()
    for column in table.select_dtypes("float"):
        form = "{:.4e}" if column in ("p", "p_holm") else "{:.5f}"
        table[column] = [None if math.isnan(value) else form.format(value) for value in table[column]]
    return table.to_csv(index=False, lineterminator="\n")
