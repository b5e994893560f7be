"""Standard error as other programs see it, so in processes of their own."""

import subprocess
import sys


def said(code: str) -> tuple[str, str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout, done.stderr


def test_tensorflow_starts_without_messages_and_later_ones_are_printed() -> None:
    code = """
import os, sys
from rnnsep.network.backend import import_tensorflow
import_tensorflow()
print("tensorflow" in sys.modules)
os.write(2, b"printed")
"""
    assert said(code) == ("True\n", "printed")


def test_messages_before_an_exception_are_printed() -> None:
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


def test_the_reason_of_a_process_that_aborts_is_printed() -> None:
    code = """
import os
from rnnsep.network.backend import quiet
with quiet():
    os.write(2, b"this CPU has no AVX")
    os.abort()
"""
    assert said(code) == ("", "this CPU has no AVX")


def test_messages_of_a_block_that_ends_well_are_not_printed() -> None:
    code = """
import os, sys
from rnnsep.network.backend import quiet
with quiet():
    os.write(2, b"noise")
    print("more", file=sys.stderr, end="")
"""
    assert said(code) == ("", "")


def test_memory_is_kept_from_step_to_step() -> None:
    code = """
import resource
from rnnsep.network.backend import import_tensorflow
import_tensorflow()
import tensorflow as tf
def step():
    return float(tf.reduce_sum(tf.ones(2**23) * 2.0))
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    step()
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize() < 2**23)
"""
    assert said(code) == ("True\n", "")
