"""Audio files and streams, STFT, the corpus on disk."""
