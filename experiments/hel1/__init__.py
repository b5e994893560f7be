"""Why HEL1 scored below the mixture: hypotheses about its scores, each simulated and scored (docs/hel1.md)."""
