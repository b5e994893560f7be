"""Studies that use the pipeline's parts and are no stage of it. Run: `python -m experiments.<name>`."""
