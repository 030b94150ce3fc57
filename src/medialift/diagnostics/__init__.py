"""Diagnostics: what a host can tell about a run, collected without its secrets."""
