"""Exports of YouTube Studio: the tables of one channel in one folder."""
