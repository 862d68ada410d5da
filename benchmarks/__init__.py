"""Speed, memory and quality of skactive, peers beside: ``python -m benchmarks --help``."""
