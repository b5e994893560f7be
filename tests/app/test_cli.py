"""The command line as a user meets it: output, messages, exit codes."""

import json

import pandas as pd
import pytest

from rnnsep.app import cli
from tests import processes
from tests.tables.systems import random_system, write

SISEC = ["scores", "--against", "sisec2018", "--metric", "SDR"]


@pytest.fixture
def system(tmp_path):
    """A folder of one system's scores: two songs, four targets."""
    for song, sdr in (("a song", 1.0), ("Lied – “zwei”", 3.0)):
        scores = {"SDR": [sdr], "ISR": [2.0], "SIR": [3.0], "SAR": [4.0]}
        write(tmp_path / "RNN & co" / "test", song, dict.fromkeys(("vocals", "drums", "bass", "other"), scores))
    return tmp_path / "RNN & co"


def run(capsys, *arguments):
    code = cli.main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_published_systems_alone_and_beside_own_for_the_same_targets(capsys, system):
    _, out, _ = run(capsys, *SISEC)
    assert "| HEL1   |   0.09 |  0.08 | -0.33 |  0.26 |             — |    50 |" in out
    assert "| UHL1 † |   5.85 |  5.51 |  4.97 |  4.03 |         12.11 |    50 |" in out
    code, out, err = run(capsys, *SISEC, "--metric", "SAR", system)
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines() if "(dB)" in line] == ["SDR", "SAR"]
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


def test_intervals_tests_and_spread(capsys, system, tmp_path):
    _, out, _ = run(capsys, "scores", system, "--metric", "SDR", "--intervals")
    assert "2.00 (1.00 to 3.00)" in out
    _, out, _ = run(capsys, *SISEC, "--tests", "--format", "csv")
    assert len(out.splitlines()) == 1 + 31 * 30 // 2 + 27 * 26 // 2 + 3 * (21 * 20 // 2)
    random_system(tmp_path / "second", seed=9, nb_songs=2)
    _, out, _ = run(capsys, "scores", system, tmp_path / "second", "--spread", "--metric", "SDR")
    heading, header, _, cells = out.replace("\n\n", "\n").splitlines()
    assert heading.startswith("Mean and standard deviation (dB) over 2 runs: ")
    assert header.split()[1::2] == ["metric", "vocals", "drums", "bass", "other", "mean"]
    assert cells.count(" ± ") == 5


def test_an_error_of_the_user_is_one_line_and_exit_code_1(capsys, system, monkeypatch):
    monkeypatch.chdir(system.parent)
    (system.parent / "one").mkdir()
    contents = [json.loads(path.read_text()) for path in sorted((system / "test").iterdir())]
    contents[0]["targets"].pop()
    for name, content in zip("ab", contents, strict=True):
        (system.parent / "one" / f"{name}.json").write_text(json.dumps(content))
    expected = "test/<song>.json or <song>.json"
    for arguments, message in (
        (["scores"], "give a folder with scores, or --against sisec2018"),
        (["scores", "nowhere"], "nowhere: no such folder; give a folder of score files"),
        (["scores", "."], f".: holds no scores ({expected}); its folders do, give these: RNN & co one"),
        (["scores", "--against", "sisec1999"], "unknown published scores sisec1999; known: sisec2018"),
        ([*SISEC, "--metric", "NSDR"], "no scores for the metric NSDR; there are SDR, ISR, SIR, SAR"),
        (["scores", "RNN & co", "--tests"], "--tests needs at least two systems with songs in common"),
        (["scores", "RNN & co", "--spread"], "--spread needs the folders of at least two runs, and no --against"),
        (["scores", "one"], "one/b.json: has bass: "),
        (["preset"], "give the name of a preset, or --list"),
        (["preset", "nothing"], "no preset is called nothing; there are "),
    ):
        code, out, err = run(capsys, *arguments)
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert err.startswith(f"rnnsep: {message}")


@pytest.mark.parametrize("arguments", [["--help"], ["separate", "--help"]])
def test_help_is_quick_since_it_imports_no_library(arguments):
    code = (
        "import sys; from rnnsep.app import cli\n"
        f"try: cli.main({arguments})\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'numpy', 'pandas', 'scipy', 'soundfile', 'yaml'} & set(sys.modules)"
    )
    status, printed, errors = processes.run("-c", code)
    assert status == 0, errors
    assert printed.startswith("usage: rnnsep")


def test_a_reader_that_stops_early_sees_no_traceback():
    code = "import sys; from rnnsep.app.cli import main; sys.exit(main())"
    with processes.start("-c", code, *SISEC, "--format", "csv") as process:
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 1
