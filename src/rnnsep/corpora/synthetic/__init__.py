"""Synthetic songs, composed and rendered from a seed."""
