"""The networks with random weights that could have made HEL1's scores."""

from collections.abc import Mapping
from dataclasses import dataclass

from experiments.hel1.networks import Variant

INTEGERS = 0.0765 * 32768  # input.scale for samples of 16 bits read as integers


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """A network with random weights, and how many draws of them."""

    name: str
    about: str
    variant: Variant
    nb_draws: int = 16


def _window(window: int) -> Mapping[str, int]:
    return {"stft.window": window, "stft.hop": window // 2}


SUBMITTED = Hypothesis("submitted", "preset hel1-untrained: 256 / 128, 5 x 129, sequences of 4 frames", Variant(), 64)
RANDOM = (
    SUBMITTED,
    Hypothesis("silent", "masks are 0 where all outputs are, as in andabi", Variant(silent=True)),
    Hypothesis("layers-3", "three recurrent layers", Variant({"rnn.layers": 3}), 32),
    Hypothesis("whole", "the state is never reset", Variant({"defects.reset": 0})),
    Hypothesis("channels", "masks of each channel", Variant(per_channel=True)),
    Hypothesis("integers", "samples of 16 bits read as integers", Variant({"input.scale": INTEGERS})),
    Hypothesis("standardised", "standardised input", Variant({"input.standardise": True})),
    Hypothesis("states", "four networks, whose states are the outputs", Variant(states=True)),
    Hypothesis("window-512", "STFT of 512 / 256", Variant(_window(512))),
    Hypothesis("window-1024", "STFT of 1024 / 512", Variant(_window(1024))),
    Hypothesis("window-2048", "STFT of 2048 / 1024", Variant(_window(2048))),
    Hypothesis(
        "andabi-musdb18",
        "the network of preset andabi-musdb18: 2048 / 1024, 3 x 256, standardised, never reset",
        Variant(preset="andabi-musdb18"),
    ),
)
SCORED = {  # draws, with all measures
    one: 16 if one.name in ("submitted", "silent") else 4
    for one in RANDOM
    if one.name in ("submitted", "silent", "integers", "standardised", "andabi-musdb18")
}
FITTED = (SUBMITTED,)  # to whose submissions common gains are fitted
