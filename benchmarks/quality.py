"""
Separation quality next to Open-Unmix, trained by its published recipe on the same songs in the same CPU time.

openunmix 1.3: a network per source (BLSTM, three layers, 512 units) sees magnitudes of 6-s chunks whose stems come from
different songs, with gains from 0.25 to 1.25 and swapped channels. Squared error, batches of 16, Adam with a rate of
0.001 and weight decay of 1e-5; the rate falls to 0.3 of itself where the validation loss stalls for 80 epochs; the best
epoch counts. Last comes one EM iteration of its Wiener filter. An epoch has 64 chunks of each song there; fewer
(`--chunks`) let the validation choose an epoch within a short budget, which the networks share equally.

Ours is any run of the pipeline on the same corpus. Differences are those of songs' medians over frames, with a 95 %
bootstrap interval of their median and the p-value of Wilcoxon's signed-rank test.

Run: python -m benchmarks.quality data/corpus data/scores/RNN --minutes 30 --keep openunmix

The songs are those that our run was scored on, the validation or the test split. `--keep` names a folder for
Open-Unmix's scores on both splits, which the next run of ours is compared with, without another training of these
settings.
"""

import argparse
import copy
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import _timing

CHUNK = 6.0  # seconds
BATCH = 16
BANDWIDTH = 16000  # Hz
RATE, DECAY, FACTOR, PATIENCE = 1e-3, 1e-5, 0.3, 80
WINDOW, HOP = 4096, 1024


class Songs:
    """The stems of a split in memory, float32 (nb_channels, nb_samples) by song and source."""

    def __init__(self, corpus: Any, split: str):
        self.names = [song.name for song in corpus.of_split(split)]
        self.sources = corpus.sources
        self.stems = [
            {source: np.asarray(corpus.stem(song, source)).T for source in corpus.sources}
            for song in corpus.of_split(split)
        ]

    def mixture(self, index: int) -> Any:
        return sum(self.stems[index].values())

    def batches(self, target: str, nb_samples: int, nb_steps: int, rng: np.random.Generator) -> Iterator[Any]:
        """Pairs of mixtures and targets (batch, nb_channels, nb_samples); the target's song begins each chunk."""
        for _ in range(nb_steps):
            chunks = np.zeros((2, BATCH, 2, nb_samples), np.float32)
            for mixture, own in zip(*chunks, strict=True):
                for source in self.sources:
                    stem = self.stems[rng.integers(len(self.stems))][source]
                    start = rng.integers(max(1, stem.shape[1] - nb_samples + 1))
                    part = stem[:, start : start + nb_samples] * np.float32(rng.uniform(0.25, 1.25))
                    part = part[::-1] if rng.random() < 0.5 else part
                    mixture[:, : part.shape[1]] += part
                    if source == target:
                        own[:, : part.shape[1]] = part
            yield chunks


def train(songs: Songs, valid: Songs, target: str, seconds: float, chunks: int, rate: int, seed: int) -> Any:
    """The network of one source after `seconds` of CPU time, and a line on its training."""
    import torch
    from openunmix.model import OpenUnmix
    from openunmix.transforms import ComplexNorm, make_filterbanks

    begin = time.process_time()
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    stft, _ = make_filterbanks(WINDOW, HOP, center=True, sample_rate=rate)
    encode = torch.nn.Sequential(stft, ComplexNorm(mono=False))
    with torch.no_grad():
        spectra = [encode(torch.from_numpy(songs.mixture(i)[None])) for i in range(len(songs.stems))]
        frames = torch.cat([one.mean(1)[0].T for one in spectra]).double()  # (nb_frames, nb_bins), mono
        held = [
            [encode(torch.from_numpy(np.ascontiguousarray(x)[None])) for x in (valid.mixture(i), stems[target])]
            for i, stems in enumerate(valid.stems)
        ]
    scale = frames.std(0, unbiased=False).numpy()
    network = OpenUnmix(
        nb_bins=WINDOW // 2 + 1, nb_channels=2, hidden_size=512, nb_layers=3,
        input_mean=frames.mean(0).numpy(), input_scale=np.maximum(scale, 1e-4 * scale.max()),
        max_bin=int(np.searchsorted(np.arange(WINDOW // 2 + 1) * rate / WINDOW, BANDWIDTH)),
    )  # fmt: skip
    optimizer = torch.optim.Adam(network.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=FACTOR, patience=PATIENCE, cooldown=10)
    nb_steps, epoch, best, weights = max(1, chunks * len(songs.stems) // BATCH), 0, np.inf, None
    while time.process_time() - begin < seconds:
        epoch += 1
        network.train()
        for mixture, own in songs.batches(target, round(CHUNK * rate), nb_steps, rng):
            optimizer.zero_grad()
            error = torch.nn.functional.mse_loss(
                network(encode(torch.from_numpy(mixture))), encode(torch.from_numpy(own))
            )
            error.backward()
            optimizer.step()
            if time.process_time() - begin > seconds:
                break
        network.eval()
        with torch.no_grad():
            loss = float(np.mean([torch.nn.functional.mse_loss(network(x), y).item() for x, y in held]))
        schedule.step(loss)
        if loss < best:
            best, weights, kept = loss, copy.deepcopy(network.state_dict()), epoch
    network.load_state_dict(weights)
    spent = time.process_time() - begin
    return network.eval(), f"{target}: {epoch} epochs of {nb_steps} steps, best {kept}, {spent:.0f} CPU s"


def separate(networks: Mapping[str, Any], mixture: Any, rate: int) -> dict[str, Any]:
    """Estimates (nb_samples, nb_channels) by source."""
    import torch
    from openunmix.model import Separator

    separator = Separator(
        dict(networks), niter=1, sample_rate=rate, n_fft=WINDOW, n_hop=HOP, nb_channels=2, wiener_win_len=300
    ).eval()
    with torch.no_grad():
        found = separator(torch.from_numpy(np.ascontiguousarray(mixture)[None]))[0].numpy()
    return dict(zip(networks, found.transpose(0, 2, 1), strict=True))


def differences(ours: pd.DataFrame, theirs: pd.DataFrame) -> str:
    """A Markdown table of both systems' SDR and of the songs' differences, per source and for their mean."""
    from rnnsep.tables import statistics

    songs = statistics.song_medians(pd.concat([ours, theirs], ignore_index=True).query("metric == 'SDR'"))
    means = songs.groupby(["system", "track", "metric"], sort=False)["score"].mean().reset_index()
    songs = pd.concat([songs, means.assign(target="mean")], ignore_index=True)
    lines = ["| SDR | rnnsep | Open-Unmix | difference | p |", "|---|---:|---:|---:|---:|"]
    for test in statistics.compare(songs).to_dict("records"):
        part = songs[songs["target"] == test["target"]].pivot(index="track", columns="system", values="score")
        low, high = statistics.interval((part["rnnsep"] - part["openunmix"]).to_numpy(float))
        scores = [f"{part[system].median():.2f} ({part[system].mean():.2f})" for system in ("rnnsep", "openunmix")]
        spread = f"{test['difference']:.2f} ({low:.2f} to {high:.2f})"
        lines.append(f"| {test['target']} | {scores[0]} | {scores[1]} | {spread} | {test['p']:.3f} |")
    return "\n".join(lines)


def score_peer(corpus: Any, folder: Path, minutes: float, chunks: int, seed: int) -> None:
    """Train Open-Unmix, separate and score; writes `folder`/valid, `folder`/test and, last, `folder`/notes.txt."""
    import torch

    from rnnsep.scoring.evaluation import score_estimates
    from rnnsep.signal.corpus import EvaluationParams
    from rnnsep.signal.writing import write_wav

    torch.set_num_threads(1)
    rate = corpus.songs[0].rate
    songs, valid = Songs(corpus, "train"), Songs(corpus, "valid")
    networks, notes = {}, []
    seconds = 60 * minutes / len(corpus.sources)
    for source in corpus.sources:
        networks[source], note = train(songs, valid, source, seconds, chunks, rate, seed)
        print(note, flush=True)
        notes.append(note)
    for split in ("valid", "test"):
        with tempfile.TemporaryDirectory() as temporary:
            for song in corpus.of_split(split):
                mixture = np.asarray(corpus.stem(song, "mixture")).T
                for source, audio in separate(networks, mixture, rate).items():
                    write_wav(Path(temporary) / song.name / f"{source}.wav", [audio], rate, "FLOAT")
            params = EvaluationParams(engine="fast", window=1.0, hop=1.0, version="v4", split=split)
            score_estimates(corpus.root, Path(temporary), folder / split, params)
    (folder / "notes.txt").write_text("; ".join(notes))


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__.splitlines()[1] if __doc__ else None)
    made.add_argument("corpus", type=Path, help="folder of a corpus, as data/corpus")
    made.add_argument("scores", type=Path, help="scores of our run, as data/scores/RNN")
    made.add_argument("--minutes", type=float, default=30.0, help="CPU time for all networks (default: 30)")
    made.add_argument("--chunks", type=int, default=4, help="chunks of each song in an epoch (default: 4)")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--keep", type=Path, help="folder to keep Open-Unmix's scores in, and to take them from")
    return made


def main() -> None:
    given = parser().parse_args()
    os.environ.update(dict.fromkeys(_timing.THREAD_VARIABLES, "1"))

    from rnnsep.signal.corpus import Corpus
    from rnnsep.tables.reading import read_scores

    corpus = Corpus.read(given.corpus)
    ours = read_scores(given.scores, "rnnsep")
    scored = set(ours["track"])
    split = next((s for s in ("valid", "test") if {song.name for song in corpus.of_split(s)} == scored), None)
    if split is None:
        parser().error(f"{given.scores}: its songs are neither the validation nor the test songs of {given.corpus}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = (given.keep or Path(temporary)) / f"{given.minutes:g}-{given.chunks}-{given.seed}"
        if not (folder / "notes.txt").exists():
            score_peer(corpus, folder, given.minutes, given.chunks, given.seed)
        theirs, notes = read_scores(folder / split, "openunmix"), (folder / "notes.txt").read_text()
    print(_timing.machine("openunmix", "torch", "numpy"), end="\n\n")
    print(f"### Quality on {len(scored)} songs of {corpus.name} ({split})\n")
    print(differences(ours, theirs), end="\n\n")
    print(f"Median (mean) over songs, dB. Open-Unmix: {notes}.")


if __name__ == "__main__":
    main()
