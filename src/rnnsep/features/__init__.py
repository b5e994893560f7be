"""Features: STFTs of the training songs."""
