import ast
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import rnnsep
from rnnsep.app import cli
from rnnsep.app.arrays import separate_audio


def test_the_package_has_separate() -> None:
    assert rnnsep.separate is separate_audio


def test_the_package_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="module 'rnnsep' has no attribute 'seperate'"):
        rnnsep.seperate  # noqa: B018


def test_the_version_has_one_source(capsys: pytest.CaptureFixture[str]) -> None:
    root = Path(__file__).resolve().parents[1]
    assert f"\nversion: {rnnsep.__version__}\n" in (root / "CITATION.cff").read_text(encoding="utf-8")
    assert "version" not in tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"rnnsep {rnnsep.__version__}\n"


def test_importing_the_package_loads_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import rnnsep; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.translate(str.maketrans("", "", "[]',\n")).split())
    assert not loaded & {"numpy", "tensorflow", "keras", "pandas"}


def test_the_users_settings_of_keras_change_nothing(tmp_path: Path) -> None:
    (tmp_path / ".keras").mkdir()
    settings = {"floatx": "float16", "epsilon": 0.1, "backend": "torch", "image_data_format": "channels_first"}
    (tmp_path / ".keras" / "keras.json").write_text(json.dumps(settings))
    code = (
        "import rnnsep.network.network, keras; "
        "c = keras.config; print(c.backend(), c.floatx(), c.image_data_format(), c.epsilon())"
    )
    environment = os.environ | {"HOME": str(tmp_path), "KERAS_BACKEND": "jax"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["tensorflow", "float32", "channels_last", "1e-07"]


def test_keras_that_was_imported_before_with_other_settings_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / ".keras").mkdir()
    (tmp_path / ".keras" / "keras.json").write_text(json.dumps({"floatx": "float16", "epsilon": 0.1}))
    code = (
        "import keras, numpy as np, rnnsep; keras.config.set_epsilon(0.1)\n"
        "x = np.random.default_rng(0).uniform(-0.5, 0.5, (8000, 1))\n"
        "vocals = rnnsep.separate(x, 16000, 'synthetic')['vocals']; np.save('vocals.npy', vocals)\n"
        "print(keras.config.floatx(), keras.config.dtype_policy().name, keras.config.epsilon())"
    )
    path = str(Path(rnnsep.__file__).parents[1])
    environment = os.environ | {"HOME": str(tmp_path), "KERAS_HOME": str(tmp_path / ".keras"), "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["float16", "float16", "0.1"]  # the user's settings are kept
    x = np.random.default_rng(0).uniform(-0.5, 0.5, (8000, 1))
    expected = rnnsep.separate(x, 16000, "synthetic")["vocals"]
    found = np.load(tmp_path / "vocals.npy")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


def test_all_packages_are_looked_for() -> None:
    """Those that the project imports, apart from the optional one."""
    root = Path(rnnsep.__file__).parent
    nodes = [node for file in root.rglob("*.py") for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    imported = {name.split(".")[0] for name in names} - sys.stdlib_module_names
    assert imported - {"rnnsep", "distributed"} == set(rnnsep.PACKAGES)


def test_a_python_without_the_packages_is_one_line(tmp_path: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(Path(rnnsep.__file__).parents[1])!r}); import rnnsep.running.stage"
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 1
    assert f"lacks packages of rnnsep ({', '.join(rnnsep.PACKAGES)}); use `uv run dvc …`" in done.stderr
    assert done.stderr.count("\n") == 1
