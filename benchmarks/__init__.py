"""Benchmarks: one file per subject; mostly ratios to something everybody has, so that machines compare."""
