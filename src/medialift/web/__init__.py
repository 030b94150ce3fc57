"""The dashboard: one API and its pages for everything that runs."""
