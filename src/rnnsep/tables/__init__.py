"""Scores to tables: medians, means, intervals, tests, and published systems for comparison."""
