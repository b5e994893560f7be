"""Instruments: notes to samples."""
