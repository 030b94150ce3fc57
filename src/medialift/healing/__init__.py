"""Healing: stuck workers are noticed, understood, repaired and proven well, or stopped and reported."""
