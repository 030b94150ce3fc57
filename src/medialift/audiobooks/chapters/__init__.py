"""The chapters of a book: where each begins, to the sample, and what it is called."""

from medialift.audiobooks.chapters.planning import ChapterPlan, plan

__all__ = ["ChapterPlan", "plan"]
