"""Transfer learning: a training that starts from the weights of a trained model (`training.start`)."""

from pathlib import Path

from rnnsep.features.storage import Features
from rnnsep.layers.network import MaskNetwork
from rnnsep.network.model import load_model
from rnnsep.params import ParamError


def start_from(folder: Path, number: int, features: Features, network: MaskNetwork) -> str:
    """Copy weights of equal path and shape to `network`, to be trained on `features`, and return what was done.

    Network `number` of an ensemble, counted from 1, begins with that of the same number of the model in `folder`, or
    else the last one. Weights that belong to sources are copied only between models of the same sources in the same
    order. Raises `UserError` for a damaged model and if nothing fits.
    """
    model = load_model(folder)
    given = model.networks[min(number, len(model.networks)) - 1]
    own = set() if features.sources == model.sources else given.architecture.of_sources
    left, taken = [], 0
    for path, weight in network.named_weights().items():
        source = given.weights.get(path)
        if source is not None and source.shape == weight.shape and path not in own:
            weight.assign(source)
            taken += 1
        else:
            left.append(path)
    if not taken:
        raise ParamError("training.start", f"no weights of {folder} fit this network; see model.json there")
    layers = ", ".join(dict.fromkeys(path.rpartition("/")[0] for path in left))
    return (
        f"starting from {taken} of {taken + len(left)} arrays of weights of {folder}"
        + (f"; not from {layers}" if left else "")
        + ("" if features.stft == model.stft else f"; warning: it was trained on {model.stft}")
    )
