"""The revisions of the ledger, one file per change, run by Alembic in order."""
