"""The command `manage.py pipeline`."""
