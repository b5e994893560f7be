"""The stage links: links to what the user has elsewhere, so that DVC tracks it."""

from dataclasses import dataclass
from pathlib import Path

from rnnsep.corpora.location import LocationParams, songs_folder, sounds_path
from rnnsep.params import ParamError
from rnnsep.running.links import existing, make_link

PACKAGED = Path(__file__).parents[1] / "models"


@dataclass(frozen=True)
class StartParams:
    """The key of section `training` that this stage reads."""

    start: str | None


def make_links(
    songs: Path, songs_record: Path, start: Path, start_record: Path, corpus: LocationParams, training: StartParams
) -> None:
    """Make `songs` a link to the user's songs or sounds, and `start` one to the model of `training.start`."""
    folder, sounds = songs_folder(corpus), sounds_path(corpus)
    make_link(folder or sounds, songs, songs_record, corpus.path if folder else corpus.synthetic.sounds)
    make_link(start_folder(training.start) if training.start else None, start, start_record, training.start)


def start_folder(name: str) -> Path:
    """The folder that `training.start` names: a folder, or that of a packaged model.

    Raises `ParamError` if there is none.
    """
    packaged = sorted(path.name for path in PACKAGED.iterdir() if path.is_dir())
    advice = f"give the folder of a model, or one of {', '.join(packaged)}"
    try:
        folder = existing("training.start", name, Path.is_dir, advice)
    except ParamError:
        if name not in packaged:
            raise
        folder = PACKAGED / name
    if folder.resolve() == Path("models").resolve():
        raise ParamError("training.start", f"DVC removes {folder} before it trains; copy the model to another folder")
    return folder
