"""The command line. Each subcommand imports what it needs when it runs, so that `--help` is quick."""

import argparse
import io
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from rnnsep import __version__
from rnnsep.running.errors import UserError, one_line


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `rnnsep` with these arguments and return its exit code: 1 for an error in the user's input."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files need not be UTF-8
    options = parser().parse_args(arguments)
    try:
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
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing is left to be interrupted
        print(f"rnnsep: interrupted; {interrupt}{'; ' * bool(interrupt.args)}run again to resume", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """The parser; each subcommand sets `run` to a function of the parsed options."""
    root = argparse.ArgumentParser(
        prog="rnnsep", description="Recurrent music source separation as a reproducible experiment pipeline."
    )
    root.add_argument("--version", action="version", version=f"rnnsep {__version__}")
    commands = root.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_separate(commands)
    add_models(commands)
    add_evaluate(commands)
    add_scores(commands)
    add_preset(commands)
    return root


def add_separate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand `separate`."""
    command = commands.add_parser(
        "separate",
        help="separate your own songs",
        description="Separate songs into DIR/<song>/<source>.wav. Finished songs are kept.",
        epilog="example: rnnsep separate song.mp3 album/ -o separated --source vocals --residual",
    )
    command.add_argument(
        "inputs", metavar="INPUT", nargs="+", type=Path, help="an audio or video file, or a folder of them"
    )
    command.add_argument("-o", "--output", metavar="DIR", type=Path, required=True, help="folder for the sources")
    command.add_argument(
        "--source", metavar="NAME", action="append", default=[],
        help="only this source, e.g. vocals; repeatable",
    )  # fmt: skip
    command.add_argument(
        "--residual", action="store_true",
        help="also write the rest of the song, so that all files sum to the song to the last bit",
    )  # fmt: skip
    command.add_argument(
        "--model", metavar="MODEL",
        help="folder of a trained model, or name of a packaged one, see rnnsep models (default: models, else the first"
        " packaged one)",
    )  # fmt: skip
    command.add_argument(
        "--filter", choices=["mask", "wiener"], default="mask",
        help="post-filter, as separation.filter in params.yaml (default: mask)",
    )  # fmt: skip
    command.add_argument(
        "--temperature", metavar="T", type=float, default=1.0,
        help="as separation.temperature in params.yaml: above 1 for softer masks (default: 1)",
    )  # fmt: skip
    command.add_argument("--format", choices=["wav", "flac"], default="wav", help="file format (default: wav)")
    command.add_argument(
        "--subtype", choices=["PCM_16", "PCM_24", "FLOAT"], default="PCM_16",
        help="sample format: 16 or 24 bits, or floating point (default: PCM_16)",
    )  # fmt: skip
    command.add_argument("--overwrite", action="store_true", help="replace existing files")
    command.set_defaults(run=separate)


def separate(options: argparse.Namespace) -> None:
    """Separate the songs and print the outcome for each."""
    from rnnsep.app.songs import Options, separate_files
    from rnnsep.network.packaged import described, find_model

    chosen = Options(
        sources=tuple(options.source),
        filter=options.filter,
        temperature=options.temperature,
        format=options.format,
        subtype=options.subtype,
        residual=options.residual,
        overwrite=options.overwrite,
    )
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


def add_models(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand `models`."""
    command = commands.add_parser(
        "models",
        help="list the packaged models",
        description="List the packaged models: name, training data, licence, and the folder with the model card.",
        epilog="example: rnnsep separate song.mp3 -o separated --model synthetic",
    )
    command.set_defaults(run=models)


def models(_: argparse.Namespace) -> None:
    """Print the packaged models, one per line."""
    from rnnsep.network.packaged import cards

    for card in cards():
        print(f"{card.name}: trained on {card.data}; {card.licence}; {card.folder}")


def add_evaluate(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand `evaluate`."""
    command = commands.add_parser(
        "evaluate",
        help="score estimates against references",
        description=(
            "Score the songs below ESTIMATES against those below REFERENCES: BSSEval with museval's numbers, uSDR and"
            " SI-SDR. A song is a folder with one file per source, anywhere below, or a .stem.mp4 of MUSDB18. Writes"
            " museval's JSON, one file per song, and prints the table. Scores are kept while their files are the same."
        ),
        epilog="example: rnnsep evaluate musdb18 my-estimates -o scores --subset test",
    )
    command.add_argument("references", metavar="REFERENCES", type=Path, help="folder of songs, a song, or a musdb root")
    command.add_argument("estimates", metavar="ESTIMATES", type=Path, help="folder of estimates, with the same names")
    command.add_argument("-o", "--output", metavar="SCORES", type=Path, required=True, help="folder for the scores")
    command.add_argument("--subset", choices=["train", "test"], help="only this subset")
    command.add_argument("--split", choices=["train", "valid", "test"], help="only this split (musdb's for MUSDB18)")
    command.add_argument(
        "--songs", metavar="NAME", action="append", default=[], help="only this song; may be a pattern; repeatable"
    )
    command.add_argument(
        "--targets", metavar="NAME", action="append", default=[], help="only this source, e.g. vocals; repeatable"
    )
    command.add_argument("--window", "--win", metavar="S", type=float, default=1.0, help="frame length (default: 1 s)")
    command.add_argument("--hop", metavar="S", type=float, default=1.0, help="hop of the frames (default: 1 s)")
    command.add_argument(
        "--version", "-m", "--mode", choices=["v4", "v3", "v2"], default="v4",
        help="BSSEval v4, framewise, or BSS Eval v3 of whole songs, or v2 with gains only (default: v4)",
    )  # fmt: skip
    command.add_argument(
        "--accompaniment", action="store_true",
        help="also score everything but the vocals, in a setting of its own, so that vocals are not scored twice",
    )  # fmt: skip
    command.add_argument("--align", action="store_true", help="remove constant delays of estimates, as MP3 has them")
    command.set_defaults(run=evaluate)


def evaluate(options: argparse.Namespace) -> None:
    """Score the estimates and print the table."""
    from rnnsep.app.evaluating import evaluate_folders, evaluation_params, table
    from rnnsep.app.sources import Options

    params = evaluation_params(options.window, options.hop, options.version)
    chosen = Options(
        subset=options.subset,
        split=options.split,
        songs=tuple(options.songs),
        targets=tuple(options.targets),
        accompaniment=options.accompaniment,
        align=options.align,
    )
    outcomes = evaluate_folders(options.references, options.estimates, options.output, params, chosen)
    for outcome in outcomes:
        for message in outcome.messages:
            kind = "" if outcome.state == "failed" else "warning: "
            print(f"rnnsep: {kind}{one_line(message)}", file=sys.stderr)
    print(table(outcomes, options.estimates.resolve().name), end="")
    failed = sum(outcome.state == "failed" for outcome in outcomes)
    if failed:
        raise UserError(f"{failed} of {len(outcomes)} songs could not be scored")


def add_scores(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand `scores`."""
    command = commands.add_parser(
        "scores",
        help="print the scores of systems as a table",
        description=(
            "Print the scores of systems in dB: the median over songs of the median over frames (for the SDR also"
            " called cSDR); for uSDR and SI-SDR, which are scores of whole songs, the mean (and median) over songs."
        ),
        epilog="example: rnnsep scores data/scores/RNN data/scores/MIX --against sisec2018 --metric SDR",
    )
    command.add_argument(
        "folders", metavar="DIR", nargs="*", type=Path,
        help="a system's museval files: DIR/test/<song>.json or DIR/<song>.json; the folder names the system",
    )  # fmt: skip
    command.add_argument(
        "--against", metavar="NAME", help="add published systems: sisec2018 (on the test songs of MUSDB18)"
    )
    command.add_argument(
        "--metric", metavar="NAME", action="append", help="only this metric, such as SDR; may be repeated"
    )
    command.add_argument(
        "--format", choices=["md", "csv", "latex"], default="md",
        help="Markdown (the default), CSV with all figures, or LaTeX for booktabs",
    )  # fmt: skip
    command.add_argument(
        "--intervals", action="store_true", help="add 95 %% bootstrap intervals over songs (always in CSV)"
    )
    command.add_argument(
        "--tests", action="store_true",
        help="print Wilcoxon's signed-rank tests between systems instead, p corrected after Holm",
    )  # fmt: skip
    command.add_argument(
        "--spread", action="store_true",
        help="print the mean and standard deviation over the folders, which are runs of one system with other seeds"
        " or folds",
    )  # fmt: skip
    command.set_defaults(run=scores)


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
    for metric in options.metric or []:
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


def add_preset(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the subcommand `preset`."""
    command = commands.add_parser(
        "preset",
        help="list, print or run presets of published systems",
        description="Print what a preset changes in params.yaml, as arguments of dvc exp run, or run it.",
        epilog="example: dvc exp run $(rnnsep preset huang2014-drnn2-disc) -S corpus.path=mir-1k",
    )
    command.add_argument("name", metavar="NAME", nargs="?", help="the preset, see --list")
    command.add_argument("--list", action="store_true", help="list all presets")
    command.add_argument("--run", dest="start", action="store_true", help="call dvc exp run with it")
    command.add_argument(
        "-S", dest="changes", metavar="KEY=VALUE", action="append", default=[],
        help="change another parameter, or override one of the preset; repeatable",
    )  # fmt: skip
    command.set_defaults(run=preset)


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
