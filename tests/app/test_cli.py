"""The command line as a user meets it: output, messages, exit codes."""

import json
import subprocess
import sys

import pandas as pd
import pytest

from rnnsep.app import cli
from tests.tables.systems import random_system


@pytest.fixture
def system(tmp_path):
    """A folder of one system's scores: two songs, four targets."""
    for song, sdr in (("a song", 1.0), ("Lied – “zwei”", 3.0)):
        frames = [{"time": 0.0, "duration": 1.0, "metrics": {"SDR": sdr, "ISR": 2.0, "SIR": 3.0, "SAR": 4.0}}]
        targets = [{"name": name, "frames": frames} for name in ("vocals", "drums", "bass", "other")]
        path = tmp_path / "RNN & co" / "test" / f"{song}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"targets": targets}))
    return path.parents[1]


def run(capsys, *arguments):
    code = cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_prints_a_table_for_each_metric(capsys, system):
    code, out, err = run(capsys, "scores", system)
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines() if "(dB)" in line] == ["SDR", "ISR", "SIR", "SAR"]
    assert "| RNN & co |   2.00 |  2.00 | 2.00 |  2.00 |     2 |" in out


def test_metrics_can_be_chosen(capsys, system):
    code, out, _ = run(capsys, "scores", system, "--metric", "SAR", "--metric", "SDR")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines() if "(dB)" in line] == ["SDR", "SAR"]


def test_published_systems_alone(capsys):
    code, out, _ = run(capsys, "scores", "--against", "sisec2018", "--metric", "SDR")
    assert code == 0
    assert "| HEL1   |   0.09 |  0.08 | -0.33 |  0.26 |             — |    50 |" in out
    assert "| UHL1 † |   5.85 |  5.51 |  4.97 |  4.03 |         12.11 |    50 |" in out


def test_published_systems_beside_own_for_the_same_targets(capsys, system):
    code, out, _ = run(capsys, "scores", system, "--against", "sisec2018", "--metric", "SDR")
    assert code == 0
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in out.splitlines() if line[:1] == "|"]
    assert rows[0] == ["system", "vocals", "drums", "bass", "other", "songs"]
    assert rows[2] == ["RNN & co", "2.00", "2.00", "2.00", "2.00", "2"]
    assert ["HEL1", "0.09", "0.08", "-0.33", "0.26", "50"] in rows


def test_formats(capsys, system, tmp_path):
    _, latex, _ = run(capsys, "scores", system, "--format", "latex", "--metric", "SDR")
    assert latex.startswith("% SDR (dB)")
    assert r"RNN \& co & 2.00 & 2.00 & 2.00 & 2.00 & 2 \\" in latex
    _, text, _ = run(capsys, "scores", system, "--format", "csv")
    (tmp_path / "table.csv").write_text(text)
    table = pd.read_csv(tmp_path / "table.csv")
    assert len(table) == 16
    assert set(table["median"]) == {2.0, 3.0, 4.0}


def test_intervals_and_tests(capsys, system):
    _, out, _ = run(capsys, "scores", system, "--metric", "SDR", "--intervals")
    assert "2.00 (1.00 to 3.00)" in out
    code, _, err = run(capsys, "scores", system, "--tests")
    assert (code, err) == (1, "rnnsep: --tests needs at least two systems with songs in common\n")
    _, out, _ = run(capsys, "scores", "--against", "sisec2018", "--metric", "SDR", "--tests", "--format", "csv")
    assert len(out.splitlines()) == 1 + 31 * 30 // 2 + 27 * 26 // 2 + 3 * (21 * 20 // 2)


def test_runs_are_one_table_of_mean_and_deviation(system, tmp_path, capsys):
    other = tmp_path / "second"
    random_system(other, seed=9, nb_songs=2)
    code, out, err = run(capsys, "scores", system, other, "--spread", "--metric", "SDR")
    assert (code, err) == (0, "")
    heading, header, _, cells = out.replace("\n\n", "\n").splitlines()
    assert heading.startswith("Mean and standard deviation (dB) over 2 runs: ")
    assert header.split() == ["|", "metric", "|", "vocals", "|", "drums", "|", "bass", "|", "other", "|", "mean", "|"]
    assert cells.count(" ± ") == 5
    code, _, err = run(capsys, "scores", system, "--spread")
    assert code == 1 and "needs the folders of at least two runs" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["scores"], "give a folder with scores, or --against sisec2018"),
        (["scores", "nowhere"], "nowhere: no such folder; give a folder of score files"),
        (["scores", "."], ".: holds no scores (test/<song>.json or <song>.json)"),
        (["scores", "--against", "sisec1999"], "unknown published scores sisec1999; known: sisec2018"),
        (
            ["scores", "--against", "sisec2018", "--metric", "NSDR"],
            "no scores for the metric NSDR; there are SDR, ISR, SIR, SAR",
        ),
    ],
)
def test_an_error_of_the_user_is_one_line_and_exit_code_1(capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert run(capsys, *arguments) == (1, "", f"rnnsep: {message}\n")


def test_mixed_targets(capsys, system):
    path = system / "test" / "a song.json"
    content = json.loads(path.read_text())
    content["targets"].pop()
    path.write_text(json.dumps(content))
    code, out, err = run(capsys, "scores", system)
    assert (code, out) == (1, "")
    assert err.startswith(f"rnnsep: {path}: has bass: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["scores", "--format", "xls"],
        ["separate", "song.mp3"],
        ["separate", "-o", "out"],
        ["separate", "song.mp3", "-o", "out", "--subtype", "PCM_8"],
    ],
)
def test_misuse_prints_usage(capsys, arguments):
    with pytest.raises(SystemExit, match="2"):
        cli.main(arguments)
    assert "usage: rnnsep" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["scores", "--help"], ["separate", "--help"]])
def test_help_is_quick_since_it_imports_no_library(arguments):
    code = (
        "import sys; from rnnsep.app import cli\n"
        f"try: cli.main({arguments})\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'numpy', 'pandas', 'scipy', 'tensorflow'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: rnnsep")


def test_a_reader_that_stops_early_sees_no_traceback():
    code = "import sys; from rnnsep.app.cli import main; sys.exit(main())"
    arguments = ["scores", "--against", "sisec2018", "--format", "csv"]
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1
