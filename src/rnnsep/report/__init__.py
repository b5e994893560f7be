"""The page of a run: figures, examples and tables."""
