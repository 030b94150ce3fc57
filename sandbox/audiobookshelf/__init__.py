"""A stand-in for Audiobookshelf: it knows its libraries, scans their folders and says what it found there."""

TOKEN = "sandbox-audiobookshelf-admin"
USER_TOKEN = "sandbox-audiobookshelf-user"
"""Of a user who may listen and not scan."""
