"""A stand-in for plex.tv: an account that hands out claim tokens, and servers that exchange them once."""

ACCOUNT_TOKEN = "sandbox-account-token-01"
"""The token of the sandbox's only account: what a user would find in their own Plex account."""

CLAIM_VALIDITY = 240
"""Seconds a claim token is good for, as on the real plex.tv."""
