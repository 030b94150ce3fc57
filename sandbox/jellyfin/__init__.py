"""A stand-in for Jellyfin, as far as audiobooks need it: a library that is refreshed when it is told to."""

API_KEY = "sandbox-jellyfin-key"
