"""Estimates to scores and tables."""
