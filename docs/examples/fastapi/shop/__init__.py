"""A shop on FastAPI, whose reports are built in the background."""
