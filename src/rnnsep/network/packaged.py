"""The models in the package, by name. Each is a folder with a model card, `README.md`, next to the model's files."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from rnnsep.running.yaml12 import load_yaml

PACKAGED = Path(str(resources.files("rnnsep"))) / "models"
CARD = "README.md"


@dataclass(frozen=True)
class Card:
    """The header of a model card: licence, training data, and the model's rank; the default model has rank 1."""

    name: str
    folder: Path
    licence: str
    data: str
    rank: int


def cards() -> list[Card]:
    """The cards of all packaged models, the default model first."""
    found = []
    for path in PACKAGED.glob(f"*/{CARD}"):
        _, header, _ = path.read_text(encoding="utf-8").split("---\n", 2)
        found.append(Card(path.parent.name, path.parent, **load_yaml(header)))
    return sorted(found, key=lambda card: card.rank)
