"""A git and DVC repository of its own with a corpus of a few seconds, for tests that run the pipeline."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
SMALL = {
    "corpus": {"synthetic": {"seed": 1, "train_songs": 3, "valid_songs": 1, "test_songs": 2, "seconds": 3.0}},
    "stft": {"sample_rate": 22050, "window": 1024, "hop": 512},
    "rnn": {"layers": 1, "units": 16},
    "sampling": {"frames": 32, "batch": 4, "steps": 5},
    "training": {"epochs": 2},
}


def merge(document, changes):
    for key, value in changes.items():
        document[key] = merge(document[key], value) if isinstance(value, dict) else value
    return document


class Repository:
    """A git and DVC repository; commands run in it with nothing but this interpreter and git on PATH."""

    def __init__(self, root):
        self.root = root
        self.stages = []  # in the order in which they ran first
        tools = root.parent / "bin"
        tools.mkdir()
        for tool in ("git", "uname"):
            found = shutil.which(tool)
            if found:
                (tools / tool).symlink_to(found)
        self.environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{tools}"}

    def run(self, *command, code=0):
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        process = subprocess.run(command, cwd=self.root, env=self.environment, check=False, **streams)
        assert process.returncode == code, process.stdout
        return process.stdout

    def ran(self, *command):
        """Names of the stages that a DVC command ran."""
        return set(re.findall(r"^Running stage '(\w+)'", self.dvc(*command), re.MULTILINE))

    def dvc(self, *arguments, code=0):
        return self.run(sys.executable, "-m", "dvc", *arguments, code=code)

    def init(self):
        self.run("git", "init", "--quiet", "--initial-branch=main")
        self.run("git", "config", "user.email", "test@example.org")
        self.run("git", "config", "user.name", "Test")

    def commit(self, message):
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", message)

    @property
    def lock(self):
        """dvc.lock, which holds the hash of every out."""
        return (self.root / "dvc.lock").read_text(encoding="utf-8")


def make_repository(root):
    """A small repository at `root`, committed, in which nothing has run yet."""
    shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "stages", root / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / ".dvc" / "plots", root / ".dvc" / "plots")
    for name in ("dvc.yaml", ".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore"):
        shutil.copy(ROOT / name, root / name)
    (root / "reports").mkdir()
    document = merge(yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8")), SMALL)
    (root / "params.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    repository = Repository(root)
    repository.init()
    repository.commit("start")
    return repository
