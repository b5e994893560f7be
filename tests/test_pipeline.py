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


def parsed(file):
    return ast.parse(file.read_text(encoding="utf-8"))


def imported_names(nodes):
    """Dotted names of what these nodes of a syntax tree import, and of the modules that it is imported from."""
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    assert not any(node.level for node in froms), "relative import"
    return names | {name for node in froms for name in (node.module, *(f"{node.module}.{a.name}" for a in node.names))}


def module_file(name):
    """The file of a module of this project; None for other modules and for packages that are only a docstring."""
    path = ROOT.joinpath("src", *name.split("."))
    if path.with_suffix(".py").is_file():
        return path.with_suffix(".py")
    init = path / "__init__.py"
    code = init.is_file() and any(not isinstance(node, ast.Expr) for node in parsed(init).body)
    return init if code and path != PACKAGE else None


def imported_files(file):
    """Files of this project that a file imports anywhere in it."""
    names = imported_names(list(ast.walk(parsed(file))))
    parents = {".".join(name.split(".")[:depth]) for name in names for depth in range(1, name.count(".") + 2)}
    return {path for name in parents if name.split(".")[0] == "rnnsep" and (path := module_file(name))}


def reached_files(name):
    """All files of this project that a stage can import."""
    reached = set()
    module = module_file(function_name(name).rpartition(".")[0])
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


def test_no_import_is_hidden_from_these_tests():
    for file in [*PACKAGE.rglob("*.py"), *(ROOT / "stages").glob("*.py")]:
        names = {node.id for node in ast.walk(parsed(file)) if isinstance(node, ast.Name)}
        assert not names & {"__import__", "importlib"}, file
    # which every import of a module imports, too
    assert imported_names(parsed(PACKAGE / "__init__.py").body) == {"typing", "typing.Any"}


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
        names = imported_names(list(ast.walk(parsed(file))))
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
