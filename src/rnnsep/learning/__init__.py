"""Training: recipe, sampling, losses, optimiser steps and the training loop."""

from rnnsep.running.packages import require

require("tensorflow", "keras")
