"""The engine: a job's way from its claim to its settlement. Nothing here knows arq."""
