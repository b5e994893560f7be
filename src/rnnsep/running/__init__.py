"""What every stage stands on: errors, files, workers, stages."""
