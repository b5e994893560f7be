"""The image copies files and installs extras that exist; development containers build from its Dockerfile."""

import json
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
CONTAINERS = sorted((ROOT / ".devcontainer").rglob("devcontainer.json"))


def test_what_the_image_copies_exists_and_is_sent_to_the_daemon_and_development_containers_build_from_it():
    copied = [name for line in re.findall(r"^COPY (.*)$", TEXT, re.MULTILINE) for name in line.split()[:-1]]
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(copied) == sent
    assert all((ROOT / name).exists() for name in copied)
    for path in CONTAINERS:
        build = json.loads(path.read_text())["build"]
        assert (path.parent / build["dockerfile"]).resolve() == ROOT / "Dockerfile"
        assert (path.parent / build["context"]).resolve() == ROOT


def test_the_image_has_a_python_of_the_package_and_an_extra_of_it():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (python,) = re.findall(r"^FROM python:(3\.\d+)-slim", TEXT, re.MULTILINE)
    assert python in {"3.11", "3.12", "3.13"}
    extras = re.findall(r"--extra (\w+)|EXTRA=(\w+)", "\n".join([TEXT, *(path.read_text() for path in CONTAINERS)]))
    assert {a or b for a, b in extras} <= set(project["project"]["optional-dependencies"])
    assert project["project"]["readme"] in TEXT and "LICENSE" in TEXT  # the build needs them
