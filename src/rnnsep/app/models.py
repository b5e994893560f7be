"""Models by folder: the pipeline's, or the one that the package includes."""

import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from rnnsep.running.errors import UserError

PACKAGED = Path(str(resources.files("rnnsep"))) / "models"


def find_model(given: Path | str | None) -> Path:
    """The folder of the model to use: `given`, else models/ of the pipeline, else the packaged model."""
    if given is not None:
        return Path(given)
    for folder in (Path("models"), PACKAGED):
        if (folder / "model.json").is_file():
            return folder
    raise UserError("models: holds no trained model; run dvc repro, or give the folder of a model with --model")


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
            description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
            paths = [folder / "model.json", folder / "model.weights.h5"]
            further = sorted(set(folder.glob("*.weights.h5")) - set(paths))
            digest = "-".join(file_digest(path)[:32] for path in [*paths, *further])
            return cls(folder, tuple(map(str, description["sources"])), digest)
        except OSError as error:
            raise UserError(f"{error.filename}: {error.strerror}; run dvc repro to train a model") from None
        except (ValueError, KeyError, TypeError):
            raise UserError(f"{folder / 'model.json'}: not the description of a model; run dvc repro") from None


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
