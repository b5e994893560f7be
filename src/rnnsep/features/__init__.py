"""Features: STFTs of the training songs and their files."""
