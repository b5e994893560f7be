"""The sources of a song as streams, and the scores of estimates that may differ from their references in form."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnsep.app import plausibility
from rnnsep.app.layouts import ACCOMPANIMENT, INSTRUMENTS, STEM_FILE, STREAMS, SongFiles, named
from rnnsep.running.errors import UserError
from rnnsep.scoring.song_scores import TAPS, as_json, song_targets
from rnnsep.signal.corpus import EvaluationParams
from rnnsep.signal.decoding import decode
from rnnsep.signal.streams import Audio, Decoded, WithChannels, open_audio
from rnnsep.signal.writing import audio_sink
from rnnsep.tables import statistics

MOST = 32  # sources of a song
BLOCK = 1 << 16  # samples read at a time
VOCALS, OTHER = "vocals", "other"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is scored. Empty `songs` and `targets` stand for all; `align` removes constant delays of estimates."""

    subset: Literal["train", "test"] | None = None
    split: Literal["train", "valid", "test"] | None = None
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
    """The sum of `parts` from sample `start` of each on, (nb_samples, nb_channels); zeros where a part has none."""

    def __init__(self, parts: Sequence[Audio], shape: tuple[int, int], start: int = 0):
        self.parts, self.shape, self.start = parts, shape, start

    def __getitem__(self, part: slice, /) -> NDArray[np.float64]:
        first, stop, _ = part.indices(self.shape[0])
        total = np.zeros((max(stop - first, 0), self.shape[1]))
        begin = max(first + self.start, 0)
        for audio in self.parts:
            block = np.asarray(audio[begin : max(stop + self.start, begin)])
            at = begin - self.start - first
            total[at : at + len(block)] += block
        return total


def open_song(song: SongFiles, scratch: Path, stack: ExitStack, messages: list[str]) -> dict[str, Source]:
    """The sources of a song, in the order of `TARGETS`, with one line on each damaged file in `messages`."""
    opened: dict[str, Source] = {}
    if len(song.stems) > MOST:
        raise UserError(f"{song.place}: holds {len(song.stems)} files; expected a folder per song, a file per source")
    for name in statistics.ordered(song.sources, statistics.TARGETS):
        if versions := song.versions(name):
            raise UserError(f"{song.place}: {name} is there more than once ({versions}); keep one")
        parts = [_file(path, name, scratch / f"{name}-{k}.wav", messages) for k, path in enumerate(song.stems[name])]
        for part in parts:
            stack.callback(part.audio.close)
        named_parts = dict(zip(map(str, song.stems[name]), parts, strict=True))
        opened[name] = parts[0] if len(parts) == 1 else _added(named_parts)
    return opened


def _file(path: Path, source: str, scratch: Path, messages: list[str]) -> Source:
    """A source of a file. Compressed files are decoded to `scratch`, stems to 16 bits as by musdb."""
    subtype: Literal["PCM_16", "FLOAT"]
    blocks: Iterable[NDArray[Any]]
    if path.name.lower().endswith(STEM_FILE):
        rate, decoded = decode(path, STREAMS.index(source), messages.append)
        blocks, nb_samples, nb_channels, subtype = decoded, 0, 2, "PCM_16"
    else:
        audio = open_audio(path)
        if not isinstance(audio, Decoded):
            return Source(audio, audio.rate, audio.subtype == "PCM_16", path.name)
        messages += [audio.warning] if audio.warning else []
        rate, blocks, (nb_samples, nb_channels), subtype = audio.rate, audio.blocks(), audio.shape, "FLOAT"
    scratch.parent.mkdir(parents=True, exist_ok=True)
    with audio_sink(scratch, rate, nb_channels, subtype, nb_samples=nb_samples) as sink:
        for block in blocks:
            sink.write(block)
    return Source(open_audio(scratch), rate, subtype == "PCM_16", path.name)


def _added(sources: Mapping[str, Source]) -> Source:
    """The sum of sources of one rate, as long as the longest."""
    _one_rate(sources)
    shape = _shape(sources.values())
    parts = [_fitted(one, shape, "", []) for one in sources.values()]
    first = next(iter(sources.values()))
    return Source(_Sum(parts, shape), first.rate, all(one.exact for one in sources.values()), " + ".join(sources))


def _one_rate(sources: Mapping[str, Source]) -> None:
    if len({one.rate for one in sources.values()}) > 1:
        rates = ", ".join(f"{name} {one.rate} Hz" for name, one in sources.items())
        raise UserError(f"files differ in rate: {rates}; resample them")


def score_sources(
    references: Mapping[str, Source],
    estimates: Mapping[str, Source],
    params: EvaluationParams,
    options: Options,
    messages: list[str],
) -> str:
    """JSON of a song's scores by source name; one line on each doubt is added to `messages`.

    Raises `UserError` if estimates are missing, or rates or channels differ.
    """
    references, estimates = _same_sources(references, estimates, options, messages)
    if not references:
        raise UserError("no references")
    _one_rate(references)
    shape, rate = _shape(references.values()), next(iter(references.values())).rate
    own = {name: _fitted(one, shape, "another reference", messages) for name, one in references.items()}

    def like(reference: Audio, estimate: Source) -> Audio:
        aligned = _aligned(reference, estimate, rate, options.align, messages)
        return _fitted(aligned, shape, "the reference", messages)

    those = {name: like(own[name], one) for name, one in estimates.items() if name in own}
    _doubts(references, own, those, rate, params, messages)
    backing = next((name for name in ACCOMPANIMENT if name in own), None)
    audio = {name: one for name, one in own.items() if name != backing or len(own) < 3}
    mixture = _Sum(list(audio.values()), shape)
    targets = [name for name in audio if not options.targets or any(named(name, one) for one in options.targets)]
    if len(audio) < len(own) and not options.accompaniment:
        messages.append(f"{backing} overlaps with other references; not scored (see --accompaniment)")
    if not targets and not options.accompaniment:
        raise UserError(f"none of --targets is among {', '.join(audio)}")
    if missing := [name for name in targets if name not in those]:
        if not options.accompaniment or options.targets or VOCALS not in those:
            found = ", ".join(estimates) or "none"
            raise UserError(f"no estimate of {', '.join(missing)}; found {found}; --targets scores some sources only")
        messages.append(f"no estimate of {', '.join(missing)}; left out")
        targets = [name for name in targets if name in those]
    scored = song_targets(audio, those, rate, params, mixture, targets)
    if options.accompaniment and not any(name in audio for name in ACCOMPANIMENT):
        rest = [name for name in audio if name != VOCALS]
        if VOCALS not in own or not rest:
            raise UserError("--accompaniment needs references of the vocals and of other sources")
        estimate = next((estimates[name] for name in ACCOMPANIMENT if name in estimates), None)
        if estimate is None:
            if missing := [name for name in rest if name not in those]:
                raise UserError(f"--accompaniment needs an estimate of {', '.join(missing)}, or of the accompaniment")
            estimate = Source(_Sum([those[name] for name in rest], shape), rate, title="the accompaniment")
        both = {VOCALS: own[VOCALS], "accompaniment": own[backing] if backing else _Sum([own[n] for n in rest], shape)}
        vocals = {VOCALS: those[VOCALS]} if VOCALS in those else {}
        two = vocals | {"accompaniment": like(both["accompaniment"], estimate)}
        scored += song_targets(both, two, rate, params, mixture, ["accompaniment"])
    return as_json(scored, params)


def _shape(sources: Iterable[Source]) -> tuple[int, int]:
    """The most samples and channels of the sources."""
    shapes = [one.audio.shape for one in sources]
    return max(shape[0] for shape in shapes), max(shape[1] for shape in shapes)


def _same_sources(
    references: Mapping[str, Source], estimates: Mapping[str, Source], options: Options, messages: list[str]
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
                messages.append(f"the estimate of {name} is the sum of {', '.join(parts)}")
    for mine, others, side in ((those, own, "estimate"), (own, those, "reference")):
        parts = [one for one in mine if one in INSTRUMENTS and one not in others]
        if parts and OTHER in mine and OTHER in others and not set(parts) & set(options.targets):
            mine[OTHER] = _added({part: mine.pop(part) for part in (OTHER, *parts)})
            messages.append(f"the {side} of {OTHER} is the sum of {OTHER}, {', '.join(parts)}")
    scored = ACCOMPANIMENT if options.accompaniment else ()
    if extra := [name for name in those if name not in own and name not in scored]:
        hint = " (see --accompaniment)" if set(extra) & set(ACCOMPANIMENT) else ""
        messages.append(f"no reference of {', '.join(extra)}; not scored{hint}")
    return own, those


def _fitted(one: Source, shape: tuple[int, int], other: str, messages: list[str]) -> Audio:
    """A source with the samples and channels `shape` of `other`, the references."""
    audio: Audio = one.audio
    nb_samples, nb_channels = audio.shape
    if nb_channels != shape[1]:
        if nb_channels != 1:
            raise UserError(f"{one.title}: {nb_channels} channels, but {other} has {shape[1]}")
        messages.append(f"{one.title}: mono, {other} has {shape[1]} channels; it is the same in all of them")
        audio = WithChannels(one.audio, shape[1])
    if nb_samples != shape[0]:
        what = "cut" if nb_samples > shape[0] else "padded with zeros"
        messages.append(f"{one.title}: {nb_samples} samples, {other} {shape[0]}; it is {what}")
        audio = _Sum([audio], shape)
    return audio


def _aligned(reference: Audio, estimate: Source, rate: int, align: bool, messages: list[str]) -> Source:
    """The estimate without a constant delay, if `align`; raises `UserError` for another rate."""
    if estimate.rate != rate:
        raise UserError(f"{estimate.title}: {estimate.rate} Hz, but the reference has {rate} Hz; resample it")
    late = plausibility.delay(reference, estimate.audio)
    if late:
        when = f"{abs(late)} samples ({abs(late) / rate * 1000:.1f} ms) {'late' if late > 0 else 'early'}"
        messages.append(f"{estimate.title}: begins {when}; {'removed' if align else '--align removes the delay'}")
    if not (late and align):
        return estimate
    nb_samples, nb_channels = estimate.audio.shape
    return estimate._replace(audio=_Sum([estimate.audio], (max(nb_samples - late, 1), nb_channels), late))


def _doubts(
    references: Mapping[str, Source],
    own: Mapping[str, Audio],
    those: Mapping[str, Audio],
    rate: int,
    params: EvaluationParams,
    messages: list[str],
) -> None:
    for side, signals in (("", own), ("the estimate of ", those)):
        if silent := [name for name, audio in signals.items() if _is_silent(audio)]:
            messages.append(f"{side}{', '.join(silent)} is silent; all scores of the song by BSSEval are NaN")
    if len(own) == 1 and params.version != "v2":
        messages.append(f"{', '.join(own)} is the only reference; SIR is infinite; add the other sources")
    nb_samples, nb_channels = next(iter(own.values())).shape
    taps = TAPS[params.version]
    if taps > 1 and nb_samples + taps - 1 <= taps * nb_channels * len(own):
        messages.append(f"{nb_samples} samples are so few that filters fit any estimate; SAR and SIR may be rounding")
    limits = {
        name: limit
        for name, one in references.items()
        if not one.exact and (limit := plausibility.bandwidth(own[name], rate)) is not None
    }
    if limits and params.version != "v2":
        messages.append(
            f"{', '.join(limits)}: nothing above {max(limits.values()) / 1000:.1f} kHz and not rounded to 16 bits;"
            " SIR and SAR depend on rounding by some dB (see docs/scoring.md)"
        )


def _is_silent(audio: Audio) -> bool:
    nb_samples = audio.shape[0]
    return not any(np.any(audio[start : min(start + BLOCK, nb_samples)]) for start in range(0, nb_samples, BLOCK))


def merged(messages: Sequence[str]) -> list[str]:
    """Merge messages that say the same of several files."""
    titles: dict[str, list[str]] = {}
    for message in messages:
        title, colon, what = message.partition(": ")
        titles.setdefault(what if colon else message, []).extend([title] if colon else [])
    return [f"{', '.join(names)}: {what}" if names else what for what, names in titles.items()]
