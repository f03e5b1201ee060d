"""Exports of YouTube Studio: a folder or a ZIP file with the tables of one channel."""
