"""TensorFlow as the pipeline imports it."""

from rnnsep.layers.backend import import_tensorflow

import_tensorflow()
