"""Cordon's vocabulary: a module is a part of the machine, a folder a catalogue that you extend."""
