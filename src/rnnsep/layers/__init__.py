"""The blocks of a network as Keras layers, with which networks are trained."""

from rnnsep.running.packages import require

require("tensorflow", "keras")
