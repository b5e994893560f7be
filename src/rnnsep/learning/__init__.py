"""Training: recipe, sampling, losses, optimiser steps and the training loop."""

import rnnsep.layers  # noqa: F401 - first, since it imports TensorFlow with our settings
from rnnsep.running.packages import require

require("tensorflow", "keras")
