"""museval without ffmpeg."""

import os
import subprocess
import sys


def test_museval_is_imported_where_no_program_is_on_path_and_musdb_says_what_it_lacks() -> None:
    code = (
        "from rnnsep.signal.without_ffmpeg import museval; import sys;"
        "assert museval() is museval() is sys.modules['museval']; assert museval().evaluate;"
        "assert 'stempeg' not in sys.modules; import musdb"
    )
    command, environment = [sys.executable, "-W", "error", "-c", code], os.environ | {"PATH": ""}
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert process.stderr.splitlines()[-1].startswith("RuntimeError: ffmpeg"), process.stderr
