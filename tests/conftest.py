"""What several test files share."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

from tests.repository import Repository, make_repository
from tests.sound import samples, write_tree

# on a busy machine Hypothesis takes slowness for a fault; where CI is set, the same examples every time
settings.register_profile(
    "rnnsep", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ
)
settings.load_profile("rnnsep")

os.environ["RNNSEP_WORKERS"] = "1"  # songs are small; tests of several processes set their number

NAME = "a repository [x]"


@pytest.fixture(scope="session")
def shared_data():
    """The folder of research audio next to the repository."""
    path = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not path.is_dir():
        pytest.skip("no research audio in ../shared/data")
    return path


@pytest.fixture
def small_tree(tmp_path):
    """A user's folder: four training songs and two test songs of drums and vocals, and their mixtures."""
    songs = {}
    for seed, song in enumerate(["train/a", "train/b", "train/c", "train/d", "test/e", "test/f"]):
        drums, vocals = samples(2 * seed), samples(2 * seed + 1)
        songs[song] = {"mixture": drums + vocals, "drums": drums, "vocals": vocals}
    return write_tree(tmp_path / "songs", songs)


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium is installed")
    arguments = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=path, args=[*arguments, "--autoplay-policy=no-user-gesture-required"]
        )
        yield running
        running.close()


@pytest.fixture
def open_page(browser):
    """Opens a file in the browser; its console must stay empty, and it may request nothing but data."""
    pages, said, asked = {}, [], []

    def opened(path, **options):
        page = pages[path.as_uri()] = browser.new_page(**options)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        return page

    yield opened
    for page in pages.values():
        page.close()
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == list(pages)


@pytest.fixture(scope="session")
def repository(tmp_path_factory):
    """A repository in which the whole pipeline has run, with one worker, and the results are committed.

    The processes of pytest-xdist share one run, of which each has a copy. Further runs have two workers.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    first, stages = shared / "first run", shared / "stages.json"
    with FileLock(shared / "first run.lock"):
        if not stages.exists():
            first.mkdir()
            made = make_repository(first / NAME)
            ran = re.findall(r"^Running stage '(\w+)'", made.dvc("repro"), re.MULTILINE)
            made.commit("first results")
            stages.write_text(json.dumps(ran))
    root = tmp_path_factory.mktemp("end to end") / NAME
    shutil.copytree(first / NAME, root, symlinks=True)
    repository = Repository(root)
    repository.stages = json.loads(stages.read_text())
    repository.environment["RNNSEP_WORKERS"] = "2"
    return repository
