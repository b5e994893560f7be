"""Training: recipe, sampling, losses, optimiser steps and the training loop."""

from rnnsep.layers.backend import import_tensorflow
from rnnsep.running.packages import require

require("tensorflow", "keras")
import_tensorflow()  # first, also in workers, since its messages are silenced
