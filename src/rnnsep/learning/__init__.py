"""Training: recipe, sampling, losses, optimiser steps and the training loop."""
