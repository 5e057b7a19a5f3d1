"""Processes, signals, files. Nothing here knows of learning."""
