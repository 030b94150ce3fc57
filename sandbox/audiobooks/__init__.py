"""What the intake of audiobooks is tried on: books that are spoken here, and servers that stand in."""
