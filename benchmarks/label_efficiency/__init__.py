"""How many labels each selector saves: ``python -m benchmarks.label_efficiency --help``.

The page that comes out is benchmarks/LABELS.md.
"""
