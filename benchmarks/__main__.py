"""All benchmarks, one after the other; writes `benchmarks/RESULTS.md`.

uv run --group bench python -m benchmarks
"""

import os
import subprocess
import sys
from pathlib import Path

SCRIPTS = ("training_step", "scoring", "features", "separation", "pipeline")
RESULTS = Path(__file__).with_name("RESULTS.md")

HEAD = """# Benchmarks

Written by `uv run --group bench python -m benchmarks`. Each table compares sides that ran alternately,
each in a process of its own with one thread unless it says otherwise; times are medians of the rounds, and a ratio is
the median of the rounds' ratios of CPU time. Absolute times hold for the machine named; ratios travel better.
"""


PEERS = ("tensorflow", "librosa", "torch", "openunmix")

TRY = """
import importlib, sys
try:
    importlib.import_module(sys.argv[1])
except Exception as error:
    sys.exit(f"{type(error).__name__}: {' '.join(str(error).split())}")
"""


def check_imports() -> None:
    """Exit with one line for each peer that cannot be imported, before half an hour is spent."""
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    faults = []
    for peer in PEERS:
        done = subprocess.run([sys.executable, "-c", TRY, peer], env=environment, capture_output=True, text=True)
        if done.returncode:
            faults.append(f"benchmarks: cannot import {peer}: {done.stderr.strip().splitlines()[-1]}")
    if faults:
        sys.exit("\n".join([*faults, "benchmarks: run uv run --group bench python -m benchmarks"]))


def main() -> None:
    check_imports()
    parts = [HEAD]
    for script in SCRIPTS:
        command = [sys.executable, "-m", f"benchmarks.{script}", *sys.argv[1:]]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        print(done.stdout, flush=True)
        parts.append(f"## python -m benchmarks.{script}\n\n{done.stdout.strip()}\n")
        RESULTS.write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
