"""Corpora: where songs come from; every corpus becomes the same tree of WAV files."""
