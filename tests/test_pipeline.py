"""dvc.yaml against the code: each stage declares exactly what it reads, so a change reruns exactly what it concerns."""

import ast
import importlib.util
import shlex
import sys
from collections.abc import Collection
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from rnnsep import params

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "rnnsep"
STAGES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
PARAMS = params.read_yaml(ROOT / "params.yaml")


def module_file(name: str) -> Path | None:
    """The file of a module of this project; None for other modules and for packages that are only a docstring."""
    path = ROOT.joinpath("src", *name.split("."))
    if path.with_suffix(".py").is_file():
        return path.with_suffix(".py")
    init = path / "__init__.py"
    return init if init.is_file() and path != PACKAGE and not is_docstring(init) else None


def is_docstring(file: Path) -> bool:
    return all(isinstance(node, ast.Expr) for node in ast.parse(file.read_text(encoding="utf-8")).body)


def imported_files(file: Path) -> set[Path]:
    """Files of this project that a file imports anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            names.add(node.module or "")
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    parents = {".".join(name.split(".")[:depth]) for name in names for depth in range(1, name.count(".") + 2)}
    return {path for name in parents if name.split(".")[0] == "rnnsep" and (path := module_file(name))}


def reached_files(script: Path) -> set[Path]:
    """All files of this project that running `script` can import."""
    reached: set[Path] = set()
    todo = {script}
    while todo:
        file = todo.pop()
        reached.add(file)
        todo |= imported_files(file) - reached
    return reached


def is_inside(path: str, dep: str) -> bool:
    return path == dep or path.startswith(f"{dep}/")


def code_of(name: str) -> list[str]:
    """The declared code of a stage: scripts, modules, folders."""
    return [dep for dep in STAGES[name]["deps"] if dep.startswith(("src/", "stages/"))]


def script_of(name: str) -> Path:
    interpreter, script, *_ = shlex.split(STAGES[name]["cmd"])
    assert interpreter == "python"
    return ROOT / script


def load_script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"stage_{name}", script_of(name))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def sections_of(name: str) -> type:
    """The dataclass of the sections that a stage reads: the first argument of its `main`."""
    hints = load_script(name).main.__annotations__
    cls: type = next(iter(hints.values()))
    return cls


@pytest.mark.parametrize("name", STAGES)
def test_declared_folders_are_what_the_stage_imports(name: str) -> None:
    reached = {file.relative_to(ROOT).as_posix() for file in reached_files(script_of(name))}
    declared = code_of(name)
    for path in reached:
        assert any(is_inside(path, dep) for dep in declared), f"{path} is imported but not declared"
    for dep in declared:
        assert any(is_inside(path, dep) for path in reached), f"{dep} is declared but not imported"


@pytest.mark.parametrize("name", STAGES)
def test_declared_params_are_what_the_stage_reads(name: str) -> None:
    params.check_declared(sections_of(name), STAGES[name].get("params", []), PARAMS)


@pytest.mark.parametrize("name", STAGES)
def test_sections_that_are_read_whole_are_declared_whole(name: str) -> None:
    read, entries = set(params.leaf_keys(sections_of(name))), STAGES[name].get("params", [])
    for section, values in PARAMS.items():
        if set(params.leaves(values, f"{section}.")) <= read:
            assert section in entries
    assert name != "train" or all("." not in entry for entry in entries)


@pytest.mark.parametrize("name", STAGES)
def test_stage_scripts_are_thin_and_named_after_their_stage(name: str) -> None:
    assert script_of(name) == ROOT / "stages" / f"{name}.py"
    assert len(script_of(name).read_text(encoding="utf-8").splitlines()) <= 40


def test_every_parameter_is_read_by_a_stage() -> None:
    entries = {entry for stage in STAGES.values() for entry in stage.get("params", [])}
    for key in params.leaves(PARAMS):
        assert any(params.covers(entry, key) for entry in entries), key


def test_sections_of_params_yaml_are_short_and_dvc_yaml_fits_on_two_screens() -> None:
    for section, values in PARAMS.items():
        assert len(list(params.leaves(values))) <= 12, section
    assert len((ROOT / "dvc.yaml").read_text(encoding="utf-8").splitlines()) <= 140


def test_old_names_are_gone_and_new_ones_exist() -> None:
    keys = set(params.leaves(PARAMS))
    assert not keys & params.RENAMED.keys()
    assert set(params.RENAMED.values()) <= keys


def test_no_import_is_hidden_from_these_tests() -> None:
    for file in [*PACKAGE.rglob("*.py"), *(ROOT / "stages").glob("*.py")]:
        names = {
            node.id for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Name)
        }
        assert not names & {"__import__", "importlib"}, file


def test_packages_are_docstrings() -> None:
    """So importing a package imports nothing but `require`; the top level resolves its public names lazily."""
    for init in PACKAGE.rglob("__init__.py"):
        body = ast.parse(init.read_text(encoding="utf-8")).body
        if init.parent == PACKAGE / "museval":  # its names are museval's; no stage imports it
            continue
        if init.parent != PACKAGE:
            unparsed = [ast.unparse(node) for node in body[1:]]
            assert not unparsed or unparsed[:-1] == ["from rnnsep.running.packages import require"], init
            continue
        imported = {name.name for node in body if isinstance(node, ast.Import) for name in node.names}
        imported |= {node.module or "" for node in body if isinstance(node, ast.ImportFrom)}
        assert imported <= {"os", "sys", "importlib.util", "pathlib", "typing"}


GROUND = {"params", "running", "signal"}
FURTHER = {"report": {"tables"}, "learning": {"network", "features"}, "separation": {"network"}}


def imports_of_packages() -> dict[str, set[str]]:
    """The packages and top-level modules that each one imports, apart from itself."""
    found: dict[str, set[str]] = {}
    for file in PACKAGE.rglob("*.py"):
        one = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        others = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in imported_files(file)}
        found.setdefault(one, set()).update(others - {one, "__init__"})
    return found


def test_packages_import_the_ground_and_little_else() -> None:
    free = {"app", "museval", "__init__"}  # may import everything, and are imported by nothing in the pipeline
    for package, imported in imports_of_packages().items():
        if package not in free:
            assert imported <= GROUND | FURTHER.get(package, set()), package
    assert imports_of_packages()["running"] <= {"params"}


def test_there_are_no_import_cycles() -> None:
    files = set(PACKAGE.rglob("*.py"))
    remaining = {file: imported_files(file) & files - {file} for file in files}
    while leaves := [file for file, imported in remaining.items() if not imported & remaining.keys()]:
        for leaf in leaves:
            del remaining[leaf]
    assert not remaining, sorted(file.relative_to(PACKAGE).as_posix() for file in remaining)


def stale(changed: Collection[str]) -> set[str]:
    """The stages `changed` and all that depend on their outs."""
    reached = set(changed)
    while True:
        outs = {out for name in reached for out in outs_of(name)}
        more = reached | {name for name, stage in STAGES.items() if outs & set(stage["deps"])}
        if more == reached:
            return reached
        reached = more


def outs_of(name: str) -> set[str]:
    entries = [entry for kind in ("outs", "metrics") for entry in STAGES[name].get(kind, [])]
    return {next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries}


@pytest.mark.parametrize("key", list(params.leaves(PARAMS)))
def test_a_changed_parameter_reruns_exactly_the_stages_that_read_it(key: str) -> None:
    declared = {n for n, stage in STAGES.items() if any(params.covers(e, key) for e in stage.get("params", []))}
    read = {name for name in STAGES if key in params.leaf_keys(sections_of(name))}
    assert declared == read
    assert stale(declared) >= read


@pytest.mark.parametrize("package", sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()))
def test_a_changed_module_reruns_exactly_the_stages_that_import_its_package(package: str) -> None:
    folder = f"src/rnnsep/{package}"
    declared = {name for name in STAGES if folder in code_of(name)}
    importing = {
        name for name in STAGES if any(PACKAGE / package in file.parents for file in reached_files(script_of(name)))
    }
    assert declared == importing


END = {"aggregate", "report"}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"train"}, {"train", "separate", "evaluate"} | END),
        ({"separate"}, {"separate", "evaluate"} | END),
        ({"baselines"}, {"baselines"} | END),
        ({"report"}, {"report"}),
        ({"download"}, set(STAGES) - {"songs"}),
        ({"songs"}, set(STAGES)),
    ],
)
def test_stages_follow_one_another(changed: set[str], expected: set[str]) -> None:
    assert stale(changed) == expected


def test_every_stage_can_be_restored_from_the_run_cache() -> None:
    """DVC has no run-cache for a stage with an out that is not cached, metrics excepted, or that persists."""
    for name, stage in STAGES.items():
        # songs makes a link, which is in no cache, in no time
        assert all(isinstance(out, str) for out in stage.get("outs", [])) != (name == "songs"), name
        assert not stage.get("always_changed"), name
        assert stage["deps"], name
