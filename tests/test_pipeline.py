"""dvc.yaml against the code: each stage declares exactly what it reads, so a change reruns exactly what it concerns."""

import ast
import shlex
from pathlib import Path

import pytest

from rnnsep import params
from rnnsep.running.stage import document_class, function_of

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "rnnsep"
STAGES = params.read_yaml(ROOT / "dvc.yaml")["stages"]
PARAMS = params.read_yaml(ROOT / "params.yaml")


def module_file(name):
    """The file of a module of this project; None for other modules and for packages that are only a docstring."""
    path = ROOT.joinpath("src", *name.split("."))
    if path.with_suffix(".py").is_file():
        return path.with_suffix(".py")
    init = path / "__init__.py"
    return init if init.is_file() and path != PACKAGE and not is_docstring(init) else None


def is_docstring(file):
    return all(isinstance(node, ast.Expr) for node in ast.parse(file.read_text(encoding="utf-8")).body)


def imported_files(file):
    """Files of this project that a file imports anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            names.add(node.module or "")
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    parents = {".".join(name.split(".")[:depth]) for name in names for depth in range(1, name.count(".") + 2)}
    return {path for name in parents if name.split(".")[0] == "rnnsep" and (path := module_file(name))}


def reached_files(name):
    """All files of this project that a stage can import."""
    reached = set()
    module = module_file(function_name(name).rpartition(".")[0])
    assert module
    todo = {ROOT / "stages" / "run.py", module}
    while todo:
        file = todo.pop()
        reached.add(file)
        todo |= imported_files(file) - reached
    return reached


def function_name(name):
    """The dotted name of the function that a stage runs."""
    interpreter, script, function, *_ = shlex.split(STAGES[name]["cmd"])
    assert (interpreter, script) == ("python", "stages/run.py")
    return function


def sections_of(name):
    """The dataclass of the sections that a stage reads."""
    return document_class(function_of(function_name(name)))


@pytest.mark.parametrize("name", STAGES)
def test_declared_code_is_what_the_stage_imports(name):
    reached = {file.relative_to(ROOT).as_posix() for file in reached_files(name)}
    declared = [dep for dep in STAGES[name]["deps"] if dep.startswith(("src/", "stages/"))]
    by_dep = {dep: {path for path in reached if path == dep or path.startswith(f"{dep}/")} for dep in declared}
    assert reached == set().union(*by_dep.values()), "imported but not declared"
    assert all(by_dep.values()), f"declared but not imported: {by_dep}"


@pytest.mark.parametrize("name", STAGES)
def test_declared_params_are_what_the_stage_reads(name):
    entries, cls = STAGES[name].get("params", []), sections_of(name)
    params.check_declared(cls, entries, PARAMS)
    read = set(params.leaf_keys(cls))
    for section, values in PARAMS.items():
        assert section in entries or not set(params.leaves(values, f"{section}.")) <= read, "declare it whole"


def test_every_parameter_is_read_by_a_stage():
    entries = {entry for stage in STAGES.values() for entry in stage.get("params", [])}
    params.refuse_unknown(PARAMS, entries, Path("params.yaml"))


def test_every_stage_but_links_can_be_restored_from_the_run_cache():
    """DVC has no run-cache for a stage with an out that is not cached, metrics excepted, or that persists."""
    for name, stage in STAGES.items():
        flags = [next(iter(out.values())) for out in stage.get("outs", []) if isinstance(out, dict)]
        assert flags == [{"cache": False, "persist": True}] * (2 if name == "links" else 0), name
        assert not stage.get("always_changed"), name
        assert stage["deps"], name


def test_files_stay_short():
    for section, values in PARAMS.items():
        assert len(list(params.leaves(values))) <= 12, section
    assert len((ROOT / "dvc.yaml").read_text(encoding="utf-8").splitlines()) <= 150


def test_no_import_is_hidden_from_these_tests():
    for file in [*PACKAGE.rglob("*.py"), *(ROOT / "stages").glob("*.py")]:
        names = {
            node.id for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Name)
        }
        assert not names & {"__import__", "importlib"}, file


def test_packages_are_docstrings():
    """So importing a package imports nothing else; the top level resolves its public names lazily."""
    for init in PACKAGE.rglob("__init__.py"):
        body = ast.parse(init.read_text(encoding="utf-8")).body
        if init.parent == PACKAGE / "museval":  # its names are museval's; no stage imports it
            continue
        if init.parent != PACKAGE:
            imported = {node.module for node in body if isinstance(node, ast.ImportFrom)}
            assert imported <= {"rnnsep.running.packages", "rnnsep.layers.backend"}, init
            assert all(isinstance(node, ast.ImportFrom | ast.Expr) for node in body), init
            continue
        imported = {name.name for node in body if isinstance(node, ast.Import) for name in node.names}
        imported |= {node.module or "" for node in body if isinstance(node, ast.ImportFrom)}
        assert imported <= {"os", "sys", "importlib.util", "pathlib", "typing"}


GROUND = {"params", "running", "signal"}
FURTHER = {
    "report": {"tables", "network"},
    "layers": {"network"},
    "learning": {"layers", "network", "features"},
    "separation": {"network"},
    "app": None,  # everything; nothing imports these
    "museval": None,
    "__init__": None,
}


def test_packages_import_the_ground_and_little_else():
    imports = {}
    for file in PACKAGE.rglob("*.py"):
        one = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        others = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in imported_files(file)}
        imports.setdefault(one, set()).update(others - {one, "__init__"})
    for package, imported in imports.items():
        further = FURTHER.get(package, set())
        assert further is None or imported <= GROUND | further, package
    assert imports["running"] <= {"params"}


def test_only_layers_and_learning_import_tensorflow():
    for file in PACKAGE.rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        if file.relative_to(PACKAGE).parts[0] not in ("layers", "learning"):
            assert names.isdisjoint({"tensorflow", "keras"}), file
        assert not any(name.startswith("tensorflow.python") for name in names), file


def test_there_are_no_import_cycles():
    files = set(PACKAGE.rglob("*.py"))
    remaining = {file: imported_files(file) & files - {file} for file in files}
    while leaves := [file for file, imported in remaining.items() if not imported & remaining.keys()]:
        for leaf in leaves:
            del remaining[leaf]
    assert not remaining, sorted(file.relative_to(PACKAGE).as_posix() for file in remaining)
