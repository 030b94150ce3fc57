"""A stand-in for Plex Media Server: its databases, its API and its awkward ways."""
