"""The notebook runs from top to bottom; it is committed without outputs."""

import os
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="the package nbformat is not installed")
nbclient = pytest.importorskip("nbclient", reason="the package nbclient is not installed")

ROOT = Path(__file__).resolve().parents[1]
PATH = ROOT / "notebooks" / "quickstart.ipynb"


def texts(cell):
    return "".join(output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in cell.outputs)


def test_the_quickstart_runs_and_its_sections_show_something(tmp_path, monkeypatch):
    notebook = nbformat.read(PATH, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'src'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    shown = {kind: sum(kind in output.get("data", {}) for cell in cells for output in cell.outputs)
             for kind in ("image/png", "text/html")}  # fmt: skip
    assert shown["image/png"] == 3
    assert any("drums" in texts(cell) and "SI-SDR" in texts(cell) for cell in cells)
    (compared,) = [texts(cell) for cell in cells if "Wiener" in texts(cell) and "mean" in texts(cell)]
    vocals = [float(word) for word in next(row for row in compared.splitlines() if "vocals" in row).split()[1:]]
    assert len(vocals) == 3 and min(vocals) > 0 and len(set(vocals)) == 3
