"""The hypotheses: what could have made HEL1's scores."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from experiments.hel1 import mistakes
from experiments.hel1.mistakes import Mistake

Weights = Literal["random", "random per song", "trained"]
Group = Literal["random weights", "defects of andabi", "mistakes after training", "mistakes without training"]


@dataclass(frozen=True)
class Hypothesis:
    """
    Preset hel1 with `changes` to params.yaml, its `weights`, and a `mistake` made with its masks.

    `seeds` is a number of runs; a hypothesis about trained weights has one. Mistakes in different ways, such as all
    rotations of the sources, count as runs, too.
    """

    name: str
    about: str
    group: Group
    weights: Weights
    changes: Mapping[str, Any] = field(default_factory=dict)
    ways: tuple[Mistake, ...] = (mistakes.none,)
    seeds: int = 1


SEEDS = 8
TRAINING = {"training.epochs": 12, "training.patience": 3}
DEFECTS: dict[str, tuple[str, dict[str, Any]]] = {
    "half-mixture": ("the network's mixture is half the sum of the sources", {"defects.half_mixture": True}),
    "reset": ("the state is reset every 4 frames", {"defects.reset": 4}),
    "no-standardisation": ("the input is not standardised", {"input.standardise": False}),
    "one-clip": ("one clip per step", {"sampling.batch": 1}),
    "no-validation": ("no validation songs: the last epoch is kept", {"corpus.validation": "none"}),
}
ALL_DEFECTS = {key: value for _, changes in DEFECTS.values() for key, value in changes.items()}


def _random(name: str, about: str, weights: Weights = "random", **more: Any) -> Hypothesis:
    return Hypothesis(name, about, "random weights", weights, seeds=SEEDS, **more)


def _defect(name: str, about: str, changes: Mapping[str, Any]) -> Hypothesis:
    return Hypothesis(name, about, "defects of andabi", "trained", TRAINING | dict(changes))


def _mistake(name: str, about: str, *ways: Mistake) -> Hypothesis:
    return Hypothesis(name, about, "mistakes after training", "trained", TRAINING, ways)


HYPOTHESES = (
    _random("random", "preset hel1-untrained"),
    _random("random-per-song", "the same, drawn anew for each song", "random per song"),
    _random("random-no-standardisation", "input not standardised", changes={"input.standardise": False}),
    _random("random-half-mixture", "half mixture", changes={"defects.half_mixture": True}),
    _random("random-reset", "state reset every 4 frames", changes={"defects.reset": 4}),
    _random("random-rnn5", "five recurrent layers", changes={"rnn.layers": 5}),
    _random("random-mono", "mono estimates", ways=(mistakes.mono,)),
    _random("random-half-level", "estimates at half level", ways=(partial(mistakes.scaled, factor=0.5),)),
    _defect("trained", "preset hel1, no defect", {}),
    *(_defect(f"trained-{name}", about, changes) for name, (about, changes) in DEFECTS.items()),
    _defect("trained-all-defects", "all of these defects", ALL_DEFECTS),
    _mistake("other-masks", "masks of another song", mistakes.masks_of_the_next_song),
    _mistake("other-estimates", "estimates of another song", mistakes.estimates_of_the_next_song),
    _mistake("permuted", "sources permuted (three rotations)",
             *(partial(mistakes.permuted, by=number) for number in (1, 2, 3))),
    _mistake("transposed", "masks transposed in memory", mistakes.transposed),
    _mistake("interleaved", "sequences of 4 frames put together in the wrong order", mistakes.interleaved),
    _mistake("upside-down", "bins of the masks reversed", mistakes.reversed_bins),
    _mistake("delayed-short", "masks 0.1 s late", partial(mistakes.delayed, seconds=0.1)),
    _mistake("delayed", "masks 2 s late", partial(mistakes.delayed, seconds=2.0)),
    _mistake("mono", "mono estimates", mistakes.mono),
    _mistake("half-level", "estimates at half level", partial(mistakes.scaled, factor=0.5)),
    _mistake("double-level", "estimates at double level", partial(mistakes.scaled, factor=2.0)),
    _mistake("loud-input", "input of 16-bit integers instead of floats",
             partial(mistakes.other_input_level, factor=32768.0)),
    _mistake("quiet-input", "input of floats instead of 16-bit integers",
             partial(mistakes.other_input_level, factor=1 / 32768)),
)  # fmt: skip
