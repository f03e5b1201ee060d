"""Channels on YouTube by its Data API: their names, what a sync asks for, and what that costs."""
