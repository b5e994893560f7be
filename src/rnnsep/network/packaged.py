"""Models by folder or name. A packaged model has a card, `README.md`, next to its files."""

from dataclasses import dataclass
from pathlib import Path

from rnnsep.network.model import DESCRIPTION
from rnnsep.params import load_yaml
from rnnsep.running.errors import UserError

PACKAGED = Path(__file__).parents[1] / "models"
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


def find_model(given: Path | str | None) -> Path:
    """The folder of the model to use: that of `given`, else models/ of the pipeline, else the default packaged model.

    `given` is a folder or the name of a packaged model; a folder takes precedence. Raises `UserError` if it is neither.
    """
    folder = Path("models" if given is None else given)
    if (folder / DESCRIPTION).is_file():
        return folder
    folders = {card.name: card.folder for card in cards()}
    if given is None:
        return next(iter(folders.values()))
    if str(given) not in folders:
        raise UserError(f"{given}: no model; give a folder with {DESCRIPTION}, or one of {', '.join(folders)}")
    return folders[str(given)]


def described(folder: Path) -> str:
    """A model's folder, or for a packaged model its name, training data and licence."""
    for card in cards():
        if card.folder == folder:
            return f"{card.name} (trained on {card.data}; {card.licence})"
    return str(folder)
