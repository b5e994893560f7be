"""The models in the package, by name. Each is a folder with a model card, `README.md`, next to the model's files."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from rnnsep.params import ParamError
from rnnsep.running.links import is_kind, user_path
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


def start_folder(name: str) -> Path:
    """The folder of the model that `training.start` names: a folder, or the name of a packaged model.

    Raises `ParamError` if there is no model.
    """
    folder, packaged = user_path(name), {card.name: card.folder for card in cards()}
    if name in packaged and not is_kind(folder, Path.is_dir):
        folder = packaged[name]
    if folder.resolve() == Path("models").resolve():
        raise ParamError("training.start", f"DVC removes {folder} before it trains; copy the model to another folder")
    if not is_kind(folder / "model.json", Path.is_file):
        names = ", ".join(packaged)
        raise ParamError("training.start", f"no model in {folder}; give a folder with model.json, or one of {names}")
    return folder
