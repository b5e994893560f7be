"""Separation: from masks to estimates."""
