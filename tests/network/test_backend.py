"""Standard error as other programs see it, so in processes of their own."""

import subprocess
import sys


def said(code: str) -> tuple[str, str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout, done.stderr


def test_tensorflow_starts_in_silence_and_errors_are_heard_after_it() -> None:
    code = """
import os, sys
from rnnsep.network.backend import import_tensorflow
import_tensorflow()
print("tensorflow" in sys.modules)
os.write(2, b"heard")
"""
    assert said(code) == ("True\n", "heard")


def test_what_led_to_an_exception_is_not_lost() -> None:
    code = """
import os
from rnnsep.network.backend import quiet
with quiet():
    os.write(2, b"no such library\\n")
    raise ImportError("broken")
"""
    out, errors = said(code)
    assert out == ""
    assert errors.startswith("no such library\nTraceback")
    assert errors.endswith("ImportError: broken\n")
