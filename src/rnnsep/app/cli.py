"""The command line. Each subcommand imports what it needs when it runs, so that `--help` is quick."""

import argparse
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rnnsep import __version__
from rnnsep.running.errors import UserError, one_line

PATIENCE = 5.0  # s
Run = Callable[[argparse.Namespace], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `rnnsep` with these arguments and return its exit code: 1 for an error in the user's input."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files need not be UTF-8
    options = parser().parse_args(arguments)
    try:
        with _one_interrupt():
            options.run(options)
            sys.stdout.flush()
    except UserError as error:
        print(f"rnnsep: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader, for example head, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ImportError as error:
        print(f"rnnsep: {one_line(str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as interrupt:
        print(f"rnnsep: interrupted; {interrupt}{'; ' * bool(interrupt.args)}run again to resume", file=sys.stderr)
        return 130
    return 0


@contextmanager
def _one_interrupt() -> Iterator[None]:
    """Ctrl-C that is pressed again within `PATIENCE` counts once: the first one ends all work in less."""
    before, last = signal.getsignal(signal.SIGINT), -PATIENCE

    def interrupt(*_: object) -> None:
        nonlocal last
        if time.monotonic() - last > PATIENCE:
            last = time.monotonic()
            raise KeyboardInterrupt

    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, interrupt)
    yield
    signal.signal(signal.SIGINT, before)  # not after an interrupt, which ends the process


def parser() -> argparse.ArgumentParser:
    """The parser; each subcommand sets `run` to a function of the parsed options."""
    root = argparse.ArgumentParser(
        prog="rnnsep", description="Recurrent music source separation as a reproducible experiment pipeline."
    )
    root.add_argument("--version", action="version", version=f"rnnsep {__version__}")
    commands = root.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(run: Run, help: str, description: str, example: str) -> Callable[..., argparse.Action]:  # noqa: A002
        made = commands.add_parser(run.__name__, help=help, description=description, epilog=f"example: {example}")
        made.set_defaults(run=run)
        return made.add_argument

    path: dict[str, Any] = {"type": Path}
    flag: dict[str, Any] = {"action": "store_true"}
    repeatable: dict[str, Any] = {"metavar": "NAME", "action": "append", "default": []}

    # fmt: off
    add = command(
        separate, "separate your own songs",
        "Separate songs into DIR/<song>/<source>.wav. Finished songs are kept.",
        "rnnsep separate song.mp3 album/ -o separated --source vocals --residual",
    )
    add("inputs", metavar="INPUT", nargs="+", **path, help="an audio or video file, or a folder of them")
    add("-o", "--output", metavar="DIR", required=True, **path, help="folder for the sources")
    add("--source", **repeatable, help="only this source, e.g. vocals; repeatable")
    add("--residual", **flag,
        help="also write the rest of the song, for example the accompaniment")
    add("--model", metavar="MODEL",
        help="folder of a trained model, or name of a packaged one, see rnnsep models (default: models, else the first"
        " packaged one)")
    add("--filter", choices=["mask", "wiener"], default="mask",
        help="post-filter, as separation.filter in params.yaml (default: mask)")
    add("--temperature", metavar="T", type=float, default=1.0,
        help="as separation.temperature in params.yaml: above 1 for softer masks (default: 1)")
    add("--format", choices=["wav", "flac"], default="wav", help="file format (default: wav)")
    add("--subtype", choices=["PCM_16", "PCM_24", "FLOAT"], default="PCM_16",
        help="sample format: 16 or 24 bits, or floating point (default: PCM_16)")
    add("--overwrite", **flag, help="replace existing files")

    command(
        models, "list the packaged models",
        "List the packaged models: name, training data, licence, and the folder with the model card.",
        "rnnsep separate song.mp3 -o separated --model synthetic",
    )

    add = command(
        evaluate, "score estimates against references",
        "Score the songs below ESTIMATES against those below REFERENCES: BSSEval with museval's numbers, uSDR and"
        " SI-SDR. A song is a folder with one file per source, anywhere below, or a .stem.mp4 of MUSDB18. Writes"
        " museval's JSON, one file per song, and prints the table. Scores are kept while their files are the same.",
        "rnnsep evaluate musdb18 my-estimates -o scores --subset test",
    )
    add("references", metavar="REFERENCES", **path, help="folder of songs, a song, or a musdb root")
    add("estimates", metavar="ESTIMATES", **path, help="folder of estimates, with the same names")
    add("-o", "--output", metavar="SCORES", required=True, **path, help="folder for the scores")
    add("--subset", choices=["train", "valid", "test"],
        help="only this subset; train includes valid, which are musdb's validation songs for MUSDB18")
    add("--songs", **repeatable, help="only this song; may be a pattern; repeatable")
    add("--targets", **repeatable, help="only this source, e.g. vocals; repeatable")
    add("--window", "--win", metavar="S", type=float, default=1.0, help="frame length (default: 1 s)")
    add("--hop", metavar="S", type=float, default=1.0, help="hop of the frames (default: 1 s)")
    add("--version", "-m", "--mode", choices=["v4", "v3", "v2"], default="v4",
        help="BSSEval v4, framewise, or BSS Eval v3 of whole songs, or v2 with gains only (default: v4)")
    add("--accompaniment", **flag,
        help="also score everything but the vocals, in a setting of its own, so that vocals are not scored twice")
    add("--align", **flag, help="remove constant delays of estimates, as MP3 has them")

    add = command(
        scores, "print the scores of systems as a table",
        "Print the scores of systems in dB: the median over songs of the median over frames (for the SDR also"
        " called cSDR); for uSDR and SI-SDR, which are scores of whole songs, the mean (and median) over songs.",
        "rnnsep scores data/scores/RNN data/scores/MIX --against sisec2018 --metric SDR",
    )
    add("folders", metavar="DIR", nargs="*", **path,
        help="a system's museval files: DIR/test/<song>.json or DIR/<song>.json; the folder names the system")
    add("--against", metavar="NAME", help="add published systems: sisec2018 (on the test songs of MUSDB18)")
    add("--metric", **repeatable, help="only this metric, such as SDR; repeatable")
    add("--format", choices=["md", "csv", "latex"], default="md",
        help="Markdown (the default), CSV with all figures, or LaTeX for booktabs")
    add("--intervals", **flag, help="add 95 %% bootstrap intervals over songs (always in CSV)")
    add("--tests", **flag, help="print Wilcoxon's signed-rank tests between systems instead, p corrected after Holm")
    add("--spread", **flag,
        help="print the mean and standard deviation over the folders, which are runs of one system with other seeds"
        " or folds")

    add = command(
        preset, "list, print or run presets of published systems",
        "Print what a preset changes in params.yaml, as arguments of dvc exp run, or run it.",
        "dvc exp run $(rnnsep preset huang2014-drnn2-disc) -S corpus.path=mir-1k",
    )
    add("name", metavar="NAME", nargs="?", help="the preset, see --list")
    add("--list", **flag, help="list all presets")
    add("--run", dest="start", **flag, help="call dvc exp run with it")
    add("-S", dest="changes", **repeatable | {"metavar": "KEY=VALUE"},
        help="change another parameter, or override one of the preset; repeatable")
    # fmt: on
    return root


def separate(options: argparse.Namespace) -> None:
    """Separate the songs and print the outcome for each."""
    from rnnsep.app.songs import Options, separate_files
    from rnnsep.network.packaged import described, find_model

    names = ("filter", "temperature", "format", "subtype", "residual", "overwrite")
    chosen = Options(sources=tuple(options.source), **{name: getattr(options, name) for name in names})
    model = find_model(options.model)
    if model != Path(options.model or ""):  # not the folder that was given
        print(f"rnnsep: separating with the model {described(model)}", file=sys.stderr)
    outcomes = separate_files(options.inputs, options.output, model, chosen)
    for outcome in outcomes:
        if outcome.state == "failed":
            print(f"rnnsep: {one_line(outcome.message)}", file=sys.stderr)
        else:
            print(one_line(f"{outcome.path}: {outcome.state} in {outcome.folder}"))
            if outcome.message:
                print(f"rnnsep: warning: {one_line(outcome.message)}", file=sys.stderr)
    failed = sum(outcome.state == "failed" for outcome in outcomes)
    if failed:
        raise UserError(f"{failed} of {len(outcomes)} inputs could not be separated")


def models(_: argparse.Namespace) -> None:
    """Print the packaged models, one per line."""
    from rnnsep.network.packaged import cards

    for card in cards():
        print(f"{card.name}: trained on {card.data}; {card.licence}; {card.folder}")


def evaluate(options: argparse.Namespace) -> None:
    """Score the estimates and print the table."""
    from rnnsep.app.evaluating import evaluate_folders, evaluation_params, table
    from rnnsep.app.sources import Options

    params = evaluation_params(options.window, options.hop, options.version)
    names = ("subset", "accompaniment", "align")
    given = {name: getattr(options, name) for name in names}
    chosen = Options(songs=tuple(options.songs), targets=tuple(options.targets), **given)
    outcomes = evaluate_folders(options.references, options.estimates, options.output, params, chosen)
    for outcome in outcomes:
        for message in outcome.messages:
            kind = "" if outcome.state == "failed" else "warning: "
            print(f"rnnsep: {kind}{one_line(message)}", file=sys.stderr)
    print(table(outcomes, options.estimates.resolve().name), end="")
    failed = sum(outcome.state == "failed" for outcome in outcomes)
    if failed:
        raise UserError(f"{failed} of {len(outcomes)} songs could not be scored")


def scores(options: argparse.Namespace) -> None:
    """Print the table of systems."""
    from rnnsep.tables import published, reading, sheets, statistics

    if options.folders:
        own = statistics.song_medians(reading.read_systems(options.folders))
        songs = published.with_published(own, options.against) if options.against else own
    elif options.against:
        own = songs = published.published_songs(options.against)
    else:
        raise UserError("give a folder with scores, or --against sisec2018")
    known = statistics.metrics_of(songs)
    for metric in options.metric:
        if metric not in known:
            raise UserError(f"no scores for the metric {metric}; there are {', '.join(known)}")
    songs = songs[songs["metric"].isin(options.metric or known)]
    if options.tests:
        table = statistics.compare(songs, statistics.systems_of(own))
        if table.empty:
            raise UserError("--tests needs at least two systems with songs in common")
        pages = sheets.pair_sheets(table)
    elif options.spread:
        runs = statistics.systems_of(songs)
        if len(runs) < 2 or options.against:
            raise UserError("--spread needs the folders of at least two runs, and no --against")
        table = statistics.spread(statistics.summarise(songs))
        pages = [sheets.spread_sheet(table, runs)]
    else:
        table = statistics.summarise(songs)
        pages = sheets.summary_sheets(table, options.intervals, statistics.targets_of(own))
    form = {"md": sheets.markdown, "latex": sheets.latex}
    print(sheets.csv(table) if options.format == "csv" else form[options.format](pages), end="")


def preset(options: argparse.Namespace) -> None:
    """Print or run a preset."""
    import subprocess

    from rnnsep.params import read_yaml
    from rnnsep.presets import catalogue
    from rnnsep.running.packages import require

    if options.list:
        width = max(map(len, catalogue.names()))
        for name in catalogue.names():
            print(f"{name:{width}}  {catalogue.about(name)}")
        return
    if options.name is None:
        raise UserError("give the name of a preset, or --list")
    changes = catalogue.changes(options.name) | catalogue.assignments(options.changes)
    if Path("params.yaml").is_file():
        changes = catalogue.differing(changes, read_yaml(Path("params.yaml")))
    arguments = [catalogue.assignment(key, value) for key, value in changes.items()]
    if not options.start:
        print("\n".join(f"-S {argument}" for argument in arguments))
        return
    require("dvc")
    flags = [part for argument in arguments for part in ("-S", argument)]
    code = subprocess.run([sys.executable, "-m", "dvc", "exp", "run", *flags], check=False).returncode
    if code:
        raise SystemExit(code)
