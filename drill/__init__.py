"""Rehearsals: a practice tenant, a local host and scenarios. Never deployed."""
