"""What a network is: its blocks, their forward pass in NumPy, and model files."""
