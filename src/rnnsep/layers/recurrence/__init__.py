"""Recurrent layers, fast on a CPU, that hand over to cuDNN on a GPU."""
