"""The chapters of a book: where each begins, to the sample, and what it is called."""

from medialift.audiobooks.chapters.planning import AudnexusChapter, ChapterPlan, plan

__all__ = ["AudnexusChapter", "ChapterPlan", "plan"]
