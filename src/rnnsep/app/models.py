"""Models by folder or name: the pipeline's, or one that the package includes."""

import json
from dataclasses import dataclass
from pathlib import Path

from rnnsep.network import packaged
from rnnsep.network.model import DESCRIPTION, WEIGHTS
from rnnsep.running.errors import UserError
from rnnsep.running.files import file_digest


def find_model(given: Path | str | None) -> Path:
    """The folder of the model to use: that of `given`, else models/ of the pipeline, else the best packaged model.

    `given` is a folder or the name of a packaged model; a folder takes precedence. Raises `UserError` if it is neither.
    """
    folder = Path("models" if given is None else given)
    if (folder / DESCRIPTION).is_file():
        return folder
    folders = {card.name: card.folder for card in packaged.cards()}
    if given is None:
        return next(iter(folders.values()))
    if str(given) not in folders:
        raise UserError(f"{given}: no model; give a folder with model.json, or one of {', '.join(folders)}")
    return folders[str(given)]


def described(folder: Path) -> str:
    """A model's folder, or for a packaged model its name, training data and licence."""
    for card in packaged.cards():
        if card.folder == folder:
            return f"{card.name} (trained on {card.data}; {card.licence})"
    return str(folder)


@dataclass(frozen=True)
class ModelFiles:
    """A model that is not loaded: its folder, its sources, and a digest of its files."""

    folder: Path
    sources: tuple[str, ...]
    digest: str

    @classmethod
    def read(cls, folder: Path) -> "ModelFiles":
        """Raises `UserError` if the folder holds no model."""
        try:
            description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
            digest = "-".join(file_digest(folder / name)[:32] for name in (DESCRIPTION, WEIGHTS))
            return cls(folder, tuple(map(str, description["sources"])), digest)
        except OSError as error:
            raise UserError(f"{error.filename}: {error.strerror}; run dvc repro to train a model") from None
        except (ValueError, KeyError, TypeError):
            raise UserError(f"{folder / 'model.json'}: not the description of a model; run dvc repro") from None
