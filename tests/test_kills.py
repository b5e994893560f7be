"""The pipeline killed repeatedly: it resumes by itself and ends with the bytes of a run that was never killed.

Each kill is drawn: the stage, how far it is, whom (DVC's whole process group, DVC alone, the stage's process or one of
its workers) and the signal. How far is told by what is printed and by what lies in the scratch folder, plus up to a
third of a second, so that kills fall between two such moments, too. Two kills belong to the default suite; of the test
that is marked as long, the environment variable RNNSEP_KILLS sets the number of kills.
"""

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from rnnsep.params import read_yaml
from tests.repository import ROOT, make_repository

PATIENCE = 900  # seconds for which a moment is awaited, on a machine however busy
STEPS = {"download": 6, "features": 4, "train": 2, "separate": 2, "evaluate": 2, "baselines": 4}  # songs or epochs
OUTS = {  # by the name that they have in the scratch folder
    name.rsplit("/")[-1]: name
    for name in ("data/corpus", "data/features", "data/estimates", "data/scores/RNN", "data/scores/MIX",
                 "data/scores/IRM1")
}  # fmt: skip
FUNCTIONS = {name: stage["cmd"].split()[2] for name, stage in read_yaml(ROOT / "dvc.yaml")["stages"].items()}
INDICES = ("corpus.json", "features.json", "model.json")  # written again by each process


@dataclass(frozen=True)
class Kill:
    """`how` to `whom` after this number of songs or epochs of `stage`; after None: when DVC is to record its outs."""

    stage: str
    after: int | None
    whom: str
    how: signal.Signals
    later: float = 0.0  # s

    def __str__(self):
        moment = "before DVC records it" if self.after is None else f"after {self.after} of {STEPS.get(self.stage, 0)}"
        return f"{self.how.name} to {self.whom}, {self.stage} {moment}"


FEW = [Kill("download", 2, "worker", signal.SIGKILL), Kill("train", 1, "group", signal.SIGKILL)]


def drawn(order, seed):
    """Some 40 kills in the order of the stages, more where there is more to do."""
    chance, kills = random.Random(seed), []
    for stage in order:
        steps = STEPS.get(stage, 0)
        moments = [chance.choice([*range(steps + 1), None]) for _ in range(3 + (steps > 0) + steps // 2)]
        for after in sorted(moments, key=lambda moment: steps + 1 if moment is None else moment):
            whom = ["group", "dvc"] if after is None else ["group", "dvc", "stage"]
            if steps and stage != "train" and after is not None:
                whom.append("worker")
            victim = chance.choice(whom)
            ignored = victim in ("dvc", "worker")  # these leave an interrupt to the stage
            how = chance.choice([signal.SIGKILL, signal.SIGTERM] + [signal.SIGINT] * (not ignored))
            kills.append(Kill(stage, after, victim, how, chance.uniform(0, 0.3)))
    return kills


class Run:
    """`dvc repro` in a repository, restarted whenever it has ended, and what it prints."""

    def __init__(self, repository, order):
        self.repository, self.order, self.printed = repository, order, repository.root.parent / "printed"
        self.songs = {}  # those that were finished when something was killed, and their inodes
        self.start()

    def start(self):
        with open(self.printed, "a") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dvc", "repro"],
                cwd=self.repository.root,
                env=self.repository.environment | {"RNNSEP_WORKERS": "2", "PYTHONUNBUFFERED": "1"},
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def lines(self):
        return self.printed.read_text(encoding="utf-8", errors="replace").splitlines()

    def kill(self, kill):
        """Wait for the moment of a kill, starting DVC where it has ended; whether the moment came."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self.process.poll() == 0 or self.passed(kill.stage):
                return False
            if self.process.poll() is not None:
                self.start()
            if self.has_come(kill):
                time.sleep(kill.later)
                with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                    self.songs |= self.finished(kill.stage)
                    if self.send(kill):
                        return True
            time.sleep(0.03)
        raise AssertionError(f"{kill}: the moment did not come: {self.lines[-20:]}")

    def passed(self, stage):
        begun = re.findall(r"Running stage '(\w+)'", "\n".join(self.lines))
        return bool(begun) and self.order.index(begun[-1]) > self.order.index(stage)

    def has_come(self, kill):
        if kill.after is None:
            return (self.repository.root / ".cache" / kill.stage / "finished").exists()
        if kill.stage == "train":
            done = sum(": train " in line for line in self.lines)
        else:
            done = len(self.finished(kill.stage))
        return done >= kill.after and self.stage(kill.stage) is not None

    def finished(self, stage):
        """The songs that a stage has finished, by the path that they will have, and the inode of a file of each."""
        songs = {}
        for key in (self.repository.root / ".cache" / stage).glob("?" * 12):
            for path in key.rglob("*.*"):
                name, *inner = path.relative_to(key).parts
                whole = len(list(path.parent.glob("[!.]*.wav"))) >= 4 or path.suffix in (".npy", ".json")
                hidden = any(part.startswith(".") for part in inner)
                if name in OUTS and whole and not hidden and path.name not in INDICES:
                    songs["/".join([OUTS[name], *inner])] = path.stat().st_ino
        return songs

    def send(self, kill):
        """Send the signal and wait until DVC has died of it, where it must; whether there was anyone to send it to."""
        if self.process.poll() is not None:
            return False
        victim = psutil.Process(self.process.pid)
        if kill.whom in ("stage", "worker"):
            victim = self.stage(kill.stage)
        if kill.whom == "worker" and victim:
            victim = next((one for one in victim.children() if "spawn_main" in " ".join(one.cmdline())), None)
        if victim is None:
            return False
        if kill.whom == "group":
            os.killpg(victim.pid, kill.how)
        else:
            victim.send_signal(kill.how)
        if kill.whom in ("group", "dvc") and kill.how is not signal.SIGINT:
            self.process.wait(PATIENCE)
        return True

    def stage(self, name):
        """The process of a stage that DVC runs, where it is one of ours by now."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self.process.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    if "stages/run.py" in (command := process.cmdline()) and FUNCTIONS[name] in command:
                        return process
        return None

    def end(self):
        """Run DVC until it ends well, which it must at the second call, since the first may end of a kill."""
        for _ in range(3):
            if self.process.wait(PATIENCE) == 0:
                break
            self.start()
        assert self.process.returncode == 0, self.lines[-20:]


@contextlib.contextmanager
def running(root, order):
    """A run in a fresh repository, of which no process is left."""
    repository = make_repository(root)
    # with hard links, a file that was finished before a kill keeps its inode on the way to data/
    (root / ".dvc" / "config.local").write_text("[cache]\n    type = hardlink\n")
    run = Run(repository, order)
    try:
        yield run
    finally:
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if Path(process.cwd()) == run.repository.root:
                    process.kill()


def check(run, reference):
    """All is as in a run that was never killed, and nothing that was finished was done again."""
    assert run.repository.lock == reference.run("git", "show", "HEAD:dvc.lock")
    assert run.repository.run("git", "diff", "--no-index", str(run.repository.root / "reports/metrics.json"),
                              str(reference.root / "reports/metrics.json")) == ""  # fmt: skip
    assert "Traceback" not in "\n".join(line for line in run.lines if "multiprocessing" not in line)
    epochs = Counter(re.findall(r"^epoch (\d+)/", "\n".join(run.lines), re.MULTILINE))
    assert set(epochs) <= {"1", "2"} and set(epochs.values()) <= {1}, epochs
    for name, inode in run.songs.items():
        assert (run.repository.root / name).stat().st_ino == inode, f"{name} was made again"
    scratch = run.repository.root / ".cache"
    left = [path.name for path in scratch.glob("*/*") if path.parent.name != "train"]
    assert len(left) <= 2, "only the last stage may have left what it finished"
    assert {path.name for path in scratch.glob("train/*/*")} == {"recorded", "train", "valid"}, "its curves are kept"


def test_a_run_killed_twice_in_another_clone_ends_with_the_bytes_of_a_run_with_one_worker(repository, tmp_path):
    with running(tmp_path / "another clone", repository.stages) as run:
        assert all(run.kill(kill) for kill in FEW)
        run.end()
        check(run, repository)
        assert len(run.songs) >= 2


@pytest.mark.long
def test_a_run_killed_at_drawn_moments_ends_with_the_same_bytes(repository, tmp_path):
    wanted, sent = int(os.environ.get("RNNSEP_KILLS", "10")), []
    for seed in range(wanted):
        if len(sent) >= wanted:
            break
        with running(tmp_path / str(seed) / "clone", repository.stages) as run:
            for kill in drawn(repository.stages, seed):
                if run.kill(kill):
                    sent.append(kill)
                    print(f"{len(sent):3} {kill}", flush=True)
            run.end()
            check(run, repository)
            print(f"run {seed}: the same bytes; {len(run.songs)} songs were finished before a kill, none made again")
    for what in ("stage", "whom", "how"):
        print(dict(Counter(str(getattr(kill, what)) for kill in sent)))
    assert len(sent) >= wanted
