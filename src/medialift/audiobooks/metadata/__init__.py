"""What a book is: found in local files and in Audible's catalogue, matched, merged and explained."""

from medialift.audiobooks.metadata.model import Candidate, Clues, Found, Metadata, Scores, Series, Unsure

__all__ = ["Candidate", "Clues", "Found", "Metadata", "Scores", "Series", "Unsure"]
