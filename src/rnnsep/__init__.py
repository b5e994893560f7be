"""Recurrent music source separation as a reproducible experiment pipeline."""
