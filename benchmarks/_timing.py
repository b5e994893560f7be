"""Alternating timings of two or more sides, each in a process of its own with pinned threads."""

import argparse
import multiprocessing
import os
import platform
import re
import resource
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

Make = Callable[[], Callable[[], object]]
"""Sets one side up, inside its own process, and returns the call to be timed."""

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


@dataclass
class Timing:
    """CPU and wall time of each call in seconds, and the process's peak memory in bytes."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    peak: int = 0

    @property
    def median_cpu(self) -> float:
        return statistics.median(self.cpu)

    @property
    def median_wall(self) -> float:
        return statistics.median(self.wall)


def cpu_seconds() -> float:
    """CPU time of this process, its threads and its finished children."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def peak_bytes() -> int:
    """Largest resident memory of this process and of its finished children."""
    largest = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return largest if sys.platform == "darwin" else largest * 1024


def quiet() -> None:
    """Send what is printed, such as progress, to stderr: results go to stdout."""
    sys.stdout = sys.stderr


def _serve(pipe: Connection, make: Make) -> None:
    quiet()
    call = make()
    call()  # compiles and fills caches
    while pipe.recv():
        wall, cpu = time.perf_counter(), cpu_seconds()
        call()
        pipe.send((cpu_seconds() - cpu, time.perf_counter() - wall, peak_bytes()))


def alternate(sides: Mapping[str, Make], rounds: int = 7, threads: int = 1) -> dict[str, Timing]:
    """
    Time the sides in turn, `rounds` times each, after one untimed call.

    `sides` maps a name to a module-level function that sets the side up in its own process (started
    afresh, so that libraries do not share thread pools) and returns the call to be timed.
    """
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)), TF_CPP_MIN_LOG_LEVEL="3", RNNSEP_WORKERS="1")
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Any] = {}
    processes = []
    for name, make in sides.items():
        pipes[name], other_end = context.Pipe()
        process = context.Process(target=_serve, args=(other_end, make), daemon=True)
        process.start()
        other_end.close()
        processes.append(process)
    timings = {name: Timing() for name in sides}
    for _ in range(rounds):
        for name, pipe in pipes.items():
            pipe.send(True)
            cpu, wall, peak = pipe.recv()
            timings[name].cpu.append(cpu)
            timings[name].wall.append(wall)
            timings[name].peak = peak
    for pipe in pipes.values():
        pipe.send(False)
    for process in processes:
        process.join()
    return timings


def ratio(ours: Timing, peer: Timing) -> float:
    """How many times less CPU time ours needs than the peer: the median over the rounds' own ratios."""
    return statistics.median(theirs / mine for mine, theirs in zip(ours.cpu, peer.cpu, strict=True))


def table(timings: Mapping[str, Timing], ours: str) -> str:
    """A Markdown table of all sides: median CPU and wall time, peak memory, and ours' advantage in CPU time."""
    lines = [
        f"| side | CPU s | wall s | peak MB | {ours} is faster by |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, timing in timings.items():
        times = f"{timing.median_cpu:.4f} | {timing.median_wall:.4f} | {timing.peak / 1e6:.0f}"
        advantage = "" if name == ours else f"{ratio(timings[ours], timing):.2f} x"
        lines.append(f"| {name} | {times} | {advantage} |")
    return "\n".join(lines)


def begin(about: str, rounds: int, *packages: str, **positional: Any) -> argparse.Namespace:
    """The command line of a benchmark, with `--rounds` and other arguments; prints the machine and the packages."""
    parser = argparse.ArgumentParser(description=about.splitlines()[1])
    for name, options in positional.items():
        parser.add_argument(name, **options)
    parser.add_argument("--rounds", type=int, default=rounds)
    arguments = parser.parse_args()
    print(machine(*packages), end="\n\n")
    return arguments


def machine(*packages: str) -> str:
    """One line: CPU, cores, Python, and the packages' versions."""
    cpu = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        facts = dict(re.findall(r"(.*?)\s*: (.*)", info.read_text()))
        cpu = "{model name} (family {cpu family}, model {model})".format_map(defaultdict(str, facts))
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    system = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    return f"{cpu}, {system}; Python {platform.python_version()}; {versions}"
