"""Pack a trained model for the package: the same files with weights as float16, compressed.

python -m experiments.pack models src/rnnsep/models/NAME
"""

import json
import sys
from pathlib import Path

from rnnsep.network.model import DESCRIPTION, load_model, save_model


def pack(models: Path, target: Path) -> None:
    """Write the model in `models` to `target` with half the precision of its weights."""
    provenance = json.loads((models / DESCRIPTION).read_text(encoding="utf-8"))["provenance"]
    save_model(target, load_model(models), provenance, compact=True)


if __name__ == "__main__":
    pack(Path(sys.argv[1]), Path(sys.argv[2]))
