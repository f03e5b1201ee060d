"""A shop on Flask, whose reports are built in the background."""
