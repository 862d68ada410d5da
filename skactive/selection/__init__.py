"""The selectors, one method or family a file."""
