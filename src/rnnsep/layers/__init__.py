"""The blocks of a network as Keras layers, with which networks are trained."""

from rnnsep.layers.backend import import_tensorflow
from rnnsep.running.packages import require

require("tensorflow", "keras")
import_tensorflow()  # first, also in workers, since its messages are silenced
