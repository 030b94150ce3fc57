"""Mounts: is a mount really there, and do its files really read?"""
