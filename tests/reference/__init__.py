"""Slow, obvious versions of the algorithms, for comparison."""
