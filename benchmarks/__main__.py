"""All benchmarks, one after the other; writes `benchmarks/RESULTS.md`.

uv run --group bench python -m benchmarks
"""

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


def main() -> None:
    parts = [HEAD]
    for script in SCRIPTS:
        command = [sys.executable, "-m", f"benchmarks.{script}", *sys.argv[1:]]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        print(done.stdout, flush=True)
        parts.append(f"## python -m benchmarks.{script}\n\n{done.stdout.strip()}\n")
        RESULTS.write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
