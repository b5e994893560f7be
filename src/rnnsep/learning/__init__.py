"""The recurrent network and its training."""
