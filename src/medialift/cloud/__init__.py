"""Cloud: short-lived instances, what they cost, and the object store."""
