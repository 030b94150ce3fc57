"""A stand-in for an OpenAI-compatible server: it answers by script, also wrongly, late and maliciously."""
