"""Estimates to scores: SDR, ISR, SIR, SAR, uSDR and SI-SDR of each song, as JSON in museval's format."""
