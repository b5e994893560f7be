"""dvc.yaml against the code: what each stage declares is what it reads, and a change reruns what it must."""

import ast
import importlib.util
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from rnnsep import params

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src"
STAGES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


def module_file(name: str) -> Path | None:
    """The file of a module of this project, None for others and for packages that are a docstring only."""
    path = SRC.joinpath(*name.split("."))
    if path.with_suffix(".py").is_file():
        return path.with_suffix(".py")
    init = path / "__init__.py"
    if init.is_file() and any(not isinstance(node, ast.Expr) for node in ast.parse(init.read_text()).body):
        return init
    return None


def imported_files(script: Path) -> set[Path]:
    """Files of this project that a file imports, anywhere in it, packages on the way included."""
    names: set[str] = set()
    tree = ast.parse(script.read_text(encoding="utf-8"))
    # the package's own `__getattr__` serves users of the library; no import of a module ends in it
    tree.body = [node for node in tree.body if getattr(node, "name", "") != "__getattr__"]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{script}: relative import"
            names.add(node.module or "")
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    parents = {".".join(name.split(".")[:depth]) for name in names for depth in range(1, name.count(".") + 2)}
    return {file for name in parents if name.split(".")[0] == "rnnsep" and (file := module_file(name))}


def reached_files(script: Path) -> set[Path]:
    """All files of this project that running `script` can import."""
    reached: set[Path] = set()
    todo = {script}
    while todo:
        file = todo.pop()
        reached.add(file)
        todo |= imported_files(file) - reached
    return reached


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


@pytest.mark.parametrize("name", STAGES)
def test_code_deps_are_the_modules_that_the_stage_reaches(name: str) -> None:
    reached = {file.relative_to(ROOT).as_posix() for file in reached_files(script_of(name))}
    declared = {dep for dep in STAGES[name]["deps"] if dep.endswith(".py")}
    assert declared == reached


@pytest.mark.parametrize("name", STAGES)
def test_params_are_the_leaf_keys_that_the_stage_reads(name: str) -> None:
    assert set(STAGES[name].get("params", [])) == set(params.leaf_keys(load_script(name).Parameters))


@pytest.mark.parametrize("name", STAGES)
def test_stage_scripts_are_thin_and_named_after_their_stage(name: str) -> None:
    assert script_of(name) == ROOT / "stages" / f"{name}.py"
    assert len(script_of(name).read_text(encoding="utf-8").splitlines()) <= 40


def test_every_parameter_is_read_by_a_stage() -> None:
    declared = {key for stage in STAGES.values() for key in stage.get("params", [])}
    assert set(params.leaves(params.read_yaml(ROOT / "params.yaml"))) == declared


def test_nothing_is_imported_in_a_way_that_the_walk_cannot_see() -> None:
    for file in [*SRC.rglob("*.py"), *(ROOT / "stages").glob("*.py")]:
        names = {node.id for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Name)}
        assert not names & {"__import__", "importlib"}, file


FLOORS = [
    {"__init__", "params", "running", "presets"},
    {"signal"},
    {"learning", "corpora"},
    {"separation", "scoring"},
    {"report"},
    {"cli"},
]


def test_rooms_import_only_from_their_own_wing_or_floors_below() -> None:
    level = {wing: floor for floor, wings in enumerate(FLOORS) for wing in wings}
    for file in SRC.rglob("*.py"):
        wing = file.relative_to(SRC / "rnnsep").parts[0].removesuffix(".py")
        for imported in imported_files(file):
            other = imported.relative_to(SRC / "rnnsep").parts[0].removesuffix(".py")
            assert other == wing or level[other] < level[wing] or {other, wing} <= FLOORS[0], (
                f"{file} imports {imported}"
            )


def stale(key: str) -> set[str]:
    """Stages that a change of a parameter or file reruns: those that declare it, and all that depend on their outs."""
    changed = {name for name, stage in STAGES.items() if key in stage.get("params", []) + stage["deps"]}
    while True:
        outs = {out for name in changed for out in outs_of(name)}
        reached = changed | {name for name, stage in STAGES.items() if outs & set(stage["deps"])}
        if reached == changed:
            return changed
        changed = reached


def outs_of(name: str) -> set[str]:
    entries = [entry for kind in ("outs", "metrics") for entry in STAGES[name].get(kind, [])]
    return {next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries}


END = {"aggregate", "report"}
SCORED = {"evaluate"} | END
SEPARATED = {"separate"} | SCORED
TRAINED = {"train"} | SEPARATED
FEATURED = {"features"} | TRAINED
STALE = {  # section or key: the stages that a change of it, or of any of its keys, reruns
    "corpus": {"download", "baselines"} | FEATURED,
    "stft": FEATURED,
    "features": FEATURED,
    "rnn": TRAINED,
    "loss": TRAINED,
    "sampling": TRAINED,
    "training": TRAINED,
    "blending": TRAINED,
    "enhancement": TRAINED,
    "separation": SEPARATED,
    "evaluation": {"baselines"} | SCORED,
    "evaluation.split": {"baselines"} | SEPARATED,
    "evaluation.shared_array": END,
}


@pytest.mark.parametrize("key", list(params.leaves(params.read_yaml(ROOT / "params.yaml"))))
def test_a_parameter_makes_stale_what_it_must_and_no_more(key: str) -> None:
    assert stale(key) == STALE.get(key, STALE[key.split(".")[0]])


MODULES = {  # folder or file of src/rnnsep: the stages that a change of it reruns
    "__init__.py": set(STAGES),
    "cli.py": set(),
    "params.py": set(STAGES),
    "corpora": set(STAGES),
    "learning": TRAINED,
    "presets": set(),
    "report": {"report"},
    "running": set(STAGES),
    "running/quiet.py": TRAINED,
    "scoring": {"evaluate", "baselines"} | END,
    "scoring/baselines.py": {"baselines"} | END,
    "scoring/data": {"report"},
    "scoring/overall.py": END,
    "scoring/tables.py": END,
    "separation": SEPARATED,
    "separation/songs.py": set(),
    "signal": {"baselines"} | FEATURED,
    "signal/audio.py": set(STAGES),
    "signal/features.py": FEATURED,
    "signal/resampling.py": FEATURED,
    "signal/songs.py": set(STAGES),
}
CODE = sorted(
    path.relative_to(SRC / "rnnsep").as_posix()
    for path in (SRC / "rnnsep").rglob("*")
    if path.suffix in (".py", ".j2", ".csv") and (path.name != "__init__.py" or module_file(path.parent.name))
)


@pytest.mark.parametrize("path", CODE)
def test_a_module_makes_stale_what_it_must_and_no_more(path: str) -> None:
    room = max((room for room in MODULES if path == room or path.startswith(f"{room}/")), key=len)
    if path.endswith("__init__.py") and path != "__init__.py":
        assert stale(f"src/rnnsep/{path}") == set(), "a package is a docstring"
    else:
        assert stale(f"src/rnnsep/{path}") == MODULES[room]


def test_every_stage_can_be_restored_from_the_run_cache() -> None:
    """DVC has no run-cache for a stage with an out that is not cached, metrics apart, or that persists."""
    for name, stage in STAGES.items():
        assert all(isinstance(out, str) for out in stage.get("outs", [])), name
        assert not stage.get("always_changed"), name
        assert stage["deps"], name
