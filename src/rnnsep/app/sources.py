"""The sources of a song as streams, and the scores of estimates that may differ from their references in form."""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnsep.app import plausibility
from rnnsep.app.layouts import ACCOMPANIMENT, INSTRUMENTS, SongFiles, named
from rnnsep.corpora.musdb18 import STEM_FILE, STREAMS
from rnnsep.running.errors import UserError
from rnnsep.scoring.song_scores import TAPS, as_json, song_targets
from rnnsep.signal.corpus import EvaluationParams
from rnnsep.signal.decoding import decode
from rnnsep.signal.streams import Audio, Decoded, open_audio
from rnnsep.signal.writing import write_wav
from rnnsep.tables import statistics

MOST = 32  # sources of a song
BLOCK = 1 << 16  # samples read at a time
VOCALS, OTHER = "vocals", "other"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is scored. Empty `songs` and `targets` stand for all; `align` removes constant delays of estimates."""

    subset: Literal["train", "valid", "test"] | None = None
    songs: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    accompaniment: bool = False
    align: bool = False


class Source(NamedTuple):
    """A source as a stream (nb_samples, nb_channels), its rate in Hz, whether it has 16 bits, and its file's name."""

    audio: Any
    rate: int
    exact: bool = False
    title: str = ""


class _Sum:
    """The sum of `parts` from sample `start` of each on, (nb_samples, nb_channels).

    Zeros where a part has no samples; mono parts are the same in all channels.
    """

    def __init__(self, parts: Iterable[Audio], shape: tuple[int, int], start: int = 0):
        self.parts, self.shape, self.start = list(parts), shape, start

    def __getitem__(self, part: slice, /) -> NDArray[np.float64]:
        first, stop, _ = part.indices(self.shape[0])
        total = np.zeros((max(stop - first, 0), self.shape[1]))
        begin = max(first + self.start, 0)
        for audio in self.parts:
            block = np.asarray(audio[begin : max(stop + self.start, begin)])
            at = begin - self.start - first
            total[at : at + len(block)] += block
        return total


def _form(sources: Mapping[str, Source]) -> tuple[tuple[int, int], int]:
    """The most samples and channels of the sources, and their rate.

    Raises `UserError` if rates differ, or numbers of channels other than one.
    """
    rates = {name: one.rate for name, one in sources.items()}
    channels = {name: one.audio.shape[1] for name, one in sources.items()}
    if len(set(rates.values())) > 1:
        each = ", ".join(f"{name} {rate} Hz" for name, rate in rates.items())
        raise UserError(f"files differ in rate: {each}; resample them")
    if len(set(channels.values()) - {1}) > 1:
        each = ", ".join(f"{name} {number}" for name, number in channels.items())
        raise UserError(f"files differ in channels: {each}; convert them")
    nb_samples = max(one.audio.shape[0] for one in sources.values())
    return (nb_samples, max(channels.values())), max(rates.values())


def _added(sources: Mapping[str, Source]) -> Source:
    """The sum of sources of one rate, as long as the longest."""
    shape, rate = _form(sources)
    exact = all(one.exact for one in sources.values())
    return Source(_Sum([one.audio for one in sources.values()], shape), rate, exact, " + ".join(sources))


@dataclass
class SongScorer:
    """Opens the files of a song and scores them. `messages` has one line on each damaged file and each doubt."""

    params: EvaluationParams
    options: Options
    messages: list[str] = field(default_factory=list)

    def open(self, song: SongFiles, scratch: Path, stack: ExitStack) -> dict[str, Source]:
        """The sources of a song, in the order of `TARGETS`. Compressed files are decoded to the folder `scratch`."""
        opened: dict[str, Source] = {}
        if len(song.stems) > MOST:
            raise UserError(
                f"{song.place}: holds {len(song.stems)} files; expected a folder per song, a file per source"
            )
        for name in statistics.ordered(song.sources, statistics.TARGETS):
            if versions := song.versions(name):
                raise UserError(f"{song.place}: {name} is there more than once ({versions}); keep one")
            parts = {
                str(path): self._file(path, name, scratch / f"{name}-{k}.wav")
                for k, path in enumerate(song.stems[name])
            }
            for part in parts.values():
                stack.callback(part.audio.close)
            opened[name] = next(iter(parts.values())) if len(parts) == 1 else _added(parts)
        return opened

    def _file(self, path: Path, source: str, scratch: Path) -> Source:
        """A source of a file, decoded to `scratch` if it is compressed; stems to 16 bits as by musdb."""
        if path.name.lower().endswith(STEM_FILE):
            rate, blocks = decode(path, STREAMS[source], self.messages.append)
            write_wav(scratch, blocks, rate)
        else:
            audio = open_audio(path)
            if not isinstance(audio, Decoded):
                return Source(audio, audio.rate, audio.subtype == "PCM_16", path.name)
            self.messages += [audio.warning] if audio.warning else []
            write_wav(scratch, audio.blocks(), audio.rate, "FLOAT", audio.nb_samples)
        decoded = open_audio(scratch)
        return Source(decoded, decoded.rate, decoded.subtype == "PCM_16", path.name)

    def score(self, references: Mapping[str, Source], estimates: Mapping[str, Source]) -> str:
        """JSON of a song's scores by source name.

        Raises `UserError` if estimates are missing, or rates or channels differ.
        """
        references, estimates = self._same_sources(references, estimates)
        if not references:
            raise UserError("no references")
        shape, rate = _form(references)
        own = {name: self._fitted(one, shape, "another reference") for name, one in references.items()}
        those = {name: self._like(own[name], one, rate) for name, one in estimates.items() if name in own}
        self._doubt(references, own, those, rate)
        backing = next((name for name in ACCOMPANIMENT if name in own), None)
        audio = {name: one for name, one in own.items() if name != backing or len(own) < 3}
        if len(audio) < len(own) and not self.options.accompaniment:
            self.messages.append(f"{backing} overlaps with other references; not scored (see --accompaniment)")
        mixture = _Sum(audio.values(), shape)
        scored = song_targets(audio, those, rate, self.params, mixture, self._targets(audio, estimates))
        if self.options.accompaniment and not any(name in audio for name in ACCOMPANIMENT):
            rest = [name for name in audio if name != VOCALS]
            if VOCALS not in own or not rest:
                raise UserError("--accompaniment needs references of the vocals and of other sources")
            true = own[backing] if backing else _Sum([own[name] for name in rest], shape)
            estimate = next((estimates[name] for name in ACCOMPANIMENT if name in estimates), None)
            if estimate is None:
                if missing := [name for name in rest if name not in those]:
                    what = f"an estimate of {', '.join(missing)}, or of the accompaniment"
                    raise UserError(f"--accompaniment needs {what}")
                estimate = Source(_Sum([those[name] for name in rest], shape), rate, title="the accompaniment")
            two = {"accompaniment": self._like(true, estimate, rate)}
            two |= {VOCALS: those[VOCALS]} if VOCALS in those else {}
            both = {VOCALS: own[VOCALS], "accompaniment": true}
            scored += song_targets(both, two, rate, self.params, mixture, ["accompaniment"])
        return as_json(scored, self.params)

    def _same_sources(
        self, references: Mapping[str, Source], estimates: Mapping[str, Source]
    ) -> tuple[dict[str, Source], dict[str, Source]]:
        """References and estimates that mean the same by each name.

        "other" is everything that has no source of its own, so it depends on the sources there are.
        """
        own, those = dict(references), dict(estimates)
        for name in ACCOMPANIMENT:
            if name in own and name not in those:
                if synonym := next((one for one in ACCOMPANIMENT if one in those), None):
                    those[name] = those.pop(synonym)
                elif parts := [one for one in those if one != VOCALS and one in (*STREAMS, *INSTRUMENTS)]:
                    those[name] = _added({part: those.pop(part) for part in parts})
                    self.messages.append(f"the estimate of {name} is the sum of {', '.join(parts)}")
        for mine, others, side in ((those, own, "estimate"), (own, those, "reference")):
            parts = [one for one in mine if one in INSTRUMENTS and one not in others]
            if parts and OTHER in mine and OTHER in others and not set(parts) & set(self.options.targets):
                mine[OTHER] = _added({part: mine.pop(part) for part in (OTHER, *parts)})
                self.messages.append(f"the {side} of {OTHER} is the sum of {OTHER}, {', '.join(parts)}")
        scored = ACCOMPANIMENT if self.options.accompaniment else ()
        if extra := [name for name in those if name not in own and name not in scored]:
            hint = " (see --accompaniment)" if set(extra) & set(ACCOMPANIMENT) else ""
            self.messages.append(f"no reference of {', '.join(extra)}; not scored{hint}")
        return own, those

    def _targets(self, references: Mapping[str, Audio], estimates: Mapping[str, Source]) -> list[str]:
        """The sources that are scored by themselves. Raises `UserError` if there are none, or estimates are missing."""
        options = self.options
        targets = [name for name in references if not options.targets or any(named(name, x) for x in options.targets)]
        if not targets and not options.accompaniment:
            raise UserError(f"none of --targets is among {', '.join(references)}")
        if missing := [name for name in targets if name not in estimates]:
            if not options.accompaniment or options.targets or VOCALS not in estimates:
                found = ", ".join(estimates) or "none"
                raise UserError(
                    f"no estimate of {', '.join(missing)}; found {found}; --targets scores some sources only"
                )
            self.messages.append(f"no estimate of {', '.join(missing)}; left out")
        return [name for name in targets if name in estimates]

    def _fitted(self, one: Source, shape: tuple[int, int], other: str) -> Audio:
        """A source with the samples and channels `shape` of `other`, the references."""
        nb_samples, nb_channels = one.audio.shape
        if nb_channels not in (1, shape[1]):
            raise UserError(f"{one.title}: {nb_channels} channels, but {other} has {shape[1]}")
        if nb_channels != shape[1]:
            self.messages.append(f"{one.title}: mono, {other} has {shape[1]} channels; it is the same in all of them")
        if nb_samples != shape[0]:
            what = "cut" if nb_samples > shape[0] else "padded with zeros"
            self.messages.append(f"{one.title}: {nb_samples} samples, {other} {shape[0]}; it is {what}")
        return one.audio if one.audio.shape == shape else _Sum([one.audio], shape)

    def _like(self, reference: Audio, estimate: Source, rate: int) -> Audio:
        """The estimate in the form of its reference, without a constant delay if `align`."""
        if estimate.rate != rate:
            raise UserError(f"{estimate.title}: {estimate.rate} Hz, but the reference has {rate} Hz; resample it")
        late = plausibility.delay(reference, estimate.audio)
        if late:
            when = f"{abs(late)} samples ({abs(late) / rate * 1000:.1f} ms) {'late' if late > 0 else 'early'}"
            remedy = "removed" if self.options.align else "--align removes the delay"
            self.messages.append(f"{estimate.title}: begins {when}; {remedy}")
        if late and self.options.align:
            nb_samples, nb_channels = estimate.audio.shape
            estimate = estimate._replace(audio=_Sum([estimate.audio], (max(nb_samples - late, 1), nb_channels), late))
        nb_samples, nb_channels = reference.shape
        return self._fitted(estimate, (nb_samples, nb_channels), "the reference")

    def _doubt(
        self, references: Mapping[str, Source], own: Mapping[str, Audio], those: Mapping[str, Audio], rate: int
    ) -> None:
        """Say why scores may not mean what they seem to. `own` and `those` are references and estimates in one form."""
        version = self.params.version
        for side, signals in (("", own), ("the estimate of ", those)):
            if silent := [name for name, audio in signals.items() if _is_silent(audio)]:
                self.messages.append(f"{side}{', '.join(silent)} is silent; all scores of the song by BSSEval are NaN")
        if len(own) == 1 and version != "v2":
            self.messages.append(f"{', '.join(own)} is the only reference; SIR is infinite; add the other sources")
        nb_samples, nb_channels = next(iter(own.values())).shape
        if TAPS[version] > 1 and nb_samples + TAPS[version] - 1 <= TAPS[version] * nb_channels * len(own):
            what = "are so few that filters fit any estimate; SAR and SIR may be rounding"
            self.messages.append(f"{nb_samples} samples {what}")
        floats = [name for name, one in references.items() if not one.exact]
        limits = {name: limit for name in floats if (limit := plausibility.bandwidth(own[name], rate)) is not None}
        if limits and version != "v2":
            self.messages.append(
                f"{', '.join(limits)}: nothing above {max(limits.values()) / 1000:.1f} kHz and not rounded to 16 bits;"
                " SIR and SAR depend on rounding by some dB (see docs/scoring.md)"
            )

    @property
    def lines(self) -> list[str]:
        """The messages; those that say the same of several files are one."""
        titles: dict[str, list[str]] = {}
        for message in self.messages:
            title, colon, what = message.partition(": ")
            titles.setdefault(what if colon else message, []).extend([title] if colon else [])
        return [f"{', '.join(names)}: {what}" if names else what for what, names in titles.items()]


def _is_silent(audio: Audio) -> bool:
    nb_samples = audio.shape[0]
    return not any(np.any(audio[start : min(start + BLOCK, nb_samples)]) for start in range(0, nb_samples, BLOCK))
