"""Doors: one file a transport, a few lines each. A door parses nothing that a source could parse."""
