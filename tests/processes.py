"""Processes that tests start."""

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def interruptible():
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # background jobs inherit it ignored


def start(*arguments, cwd=ROOT, **variables):
    """This Python with `arguments` and this package, in a process group of its own."""
    command = [sys.executable, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")} | variables
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    options = {"text": True, "start_new_session": True, "preexec_fn": interruptible}
    return subprocess.Popen(command, cwd=cwd, env=environment, **pipes, **options)


def run(*arguments, cwd=ROOT, **variables):
    """Exit code, standard output and standard error of this Python with `arguments`."""
    process = start(*arguments, cwd=cwd, **variables)
    out, err = process.communicate()
    return process.returncode, out, err
