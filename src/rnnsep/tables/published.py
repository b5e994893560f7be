"""Scores of published systems, which ship with rnnsep."""

from collections.abc import Iterable
from importlib import resources

import pandas as pd

from rnnsep.running.errors import UserError
from rnnsep.tables.statistics import METRICS, systems_of

CAMPAIGNS = {"sisec2018": "SiSEC 2018"}


def published_songs(campaign: str, taken: Iterable[str] = ()) -> pd.DataFrame:
    """The table of songs (see `statistics`) of a campaign's systems on the 50 test songs of MUSDB18.

    The numbers of frames are missing: the campaign's medians over frames are stored, not the frames. A system whose
    name is in `taken` is called "<system> (<campaign>)". Raises `UserError` unless `campaign` is in `CAMPAIGNS`.
    """
    if campaign not in CAMPAIGNS:
        raise UserError(f"unknown published scores {campaign}; known: {', '.join(CAMPAIGNS)}")
    with (resources.files("rnnsep.tables") / "data" / f"{campaign}.csv").open(encoding="utf-8") as file:
        wide = pd.read_csv(file).rename(columns={"method": "system"})
    clash = wide["system"].isin(list(taken))
    wide["system"] = wide["system"].mask(clash, wide["system"] + f" ({CAMPAIGNS[campaign]})")
    songs = wide.melt(["system", "track", "target"], list(METRICS), "metric", "score")
    songs["valid_frames"] = songs["nan_frames"] = pd.array([pd.NA] * len(songs), dtype="Int64")
    return songs


def with_published(songs: pd.DataFrame, campaign: str) -> pd.DataFrame:
    """The table of songs followed by that of a campaign (see `published_songs`)."""
    return pd.concat([songs, published_songs(campaign, taken=systems_of(songs))], ignore_index=True)
