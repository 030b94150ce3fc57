"""Benchmarks: one file per figure. A figure is a ratio to something everybody has, so machines compare."""
