"""BSSEval versions 4 and 3: museval's numbers at a fraction of its time and memory."""
