"""Plex: its server, its database, the burst that indexes it elsewhere and the way home."""
