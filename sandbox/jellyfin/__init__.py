"""A stand-in for Jellyfin: a library of audiobooks that it refreshes, and libraries with pictures."""

API_KEY = "sandbox-jellyfin-key"
