"""A shop on Django, which sends receipts in the background."""
