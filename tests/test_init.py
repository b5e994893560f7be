"""The package as others import it: names, version, and what each of its parts needs to be installed."""

import ast
import json
import re
import sys
import tomllib

import pytest

import rnnsep
from rnnsep.app import arrays, cli, evaluating
from rnnsep.running.packages import PIPELINE
from tests.processes import ROOT, run
from tests.test_pipeline import imported_names, parsed

PACKAGE = ROOT / "src" / "rnnsep"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# parts of the package that only the pipeline uses
PIPELINE_PARTS = {"layers", "learning", "report", "running/stage.py"}


def test_the_package_has_its_names_and_no_others():
    assert (rnnsep.separate, rnnsep.evaluate) == (arrays.separate, evaluating.evaluate)
    with pytest.raises(AttributeError, match="module 'rnnsep' has no attribute 'seperate'"):
        rnnsep.seperate  # noqa: B018


def test_the_version_has_one_source(capsys):
    assert f"\nversion: {rnnsep.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert "version" not in PROJECT
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"rnnsep {rnnsep.__version__}\n"


def modules(requirements):
    """The modules that these requirements install."""
    names = {"pillow": "PIL", "ruamel.yaml": "ruamel", "vl-convert-python": "vl_convert"}
    return {names.get(name, name) for name in (re.split(r"[\[<>=;]", one)[0] for one in requirements)}


def test_each_part_imports_only_what_its_installation_has():
    extras = PROJECT["optional-dependencies"]
    base, optional = modules(PROJECT["dependencies"]), modules([*extras["distributed"], *extras["soundfont"]])
    assert set(PIPELINE) == modules(extras["pipeline"])
    for file in PACKAGE.rglob("*.py"):
        part = file.relative_to(PACKAGE).as_posix()
        allowed = base | optional | {"rnnsep"} | sys.stdlib_module_names
        inits = (folder / "__init__.py" for folder in file.parents if folder.is_relative_to(PACKAGE))
        if any("require(" in one.read_text(encoding="utf-8") for one in (file, *inits)):
            allowed |= set(PIPELINE)
        names = imported_names(list(ast.walk(parsed(file))))
        assert {name.split(".")[0] for name in names} <= allowed, part


def test_scoring_and_separating_import_nothing_of_the_pipeline():
    """Also not through other modules."""
    names = []
    for file in sorted(PACKAGE.rglob("*.py")):
        part = file.relative_to(PACKAGE)
        if not PIPELINE_PARTS & {part.as_posix(), part.parts[0]}:
            names.append(".".join(["rnnsep", *part.with_suffix("").parts]).removesuffix(".__init__"))
    code = f"""
import importlib, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in {PIPELINE}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
for name in {names}:
    importlib.import_module(name)
"""
    status, _, errors = run("-c", code)
    assert status == 0, errors


def test_missing_packages_are_an_import_error_that_says_how_to_install_them():
    for module, missing in (
        ("rnnsep.running.stage", f"av, numpy, scipy, {', '.join(PIPELINE)}"),
        ("rnnsep.learning.recipe", "tensorflow, keras"),
        ("rnnsep.report.page", "jinja2, PIL, vl_convert"),
    ):
        code = f"import rnnsep\ntry: import {module}\nexcept ImportError as error: print(error)"
        assert run("-S", "-c", code)[1] == (
            f"{sys.executable} lacks {missing}: pip install 'rnnsep[pipeline]', or `uv run …` in a clone\n"
        )


def test_the_users_settings_of_keras_change_nothing(tmp_path):
    (tmp_path / ".keras").mkdir()
    settings = {"floatx": "float16", "epsilon": 0.1, "backend": "torch", "image_data_format": "channels_first"}
    (tmp_path / ".keras" / "keras.json").write_text(json.dumps(settings))
    code = (
        "from rnnsep.layers.backend import import_tensorflow; import_tensorflow(); import keras; "
        "c = keras.config; print(c.backend(), c.floatx(), c.image_data_format(), c.epsilon())"
    )
    _, printed, _ = run("-c", code, HOME=str(tmp_path), KERAS_BACKEND="jax")
    assert printed.split() == ["tensorflow", "float32", "channels_last", "1e-07"]
