"""The blocks of a network as Keras layers, with which networks are trained."""
