"""Link the model to fine-tune so that DVC tracks it."""

import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

import rnnsep.running.stage as stage
from rnnsep.network.packaged import start_folder
from rnnsep.running.links import make_link


@dataclass(frozen=True)
class StartParams:
    """The key of section `training` that this stage reads."""

    start: str | None


def main(training: StartParams, link: Path, record: Path) -> None:
    name = training.start
    make_link(start_folder(name) if name else None, link, record, f"training.start: {name}")


if __name__ == "__main__":
    stage.run(main)
