"""The network: magnitudes of the mixture in, soft masks out."""
