"""Who may look, act and administer: people, tokens, sessions, and what a reverse proxy says."""
