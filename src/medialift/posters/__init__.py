"""Posters: pictures of a Jellyfin library, downloaded in bulk and put back, each once and proven."""
