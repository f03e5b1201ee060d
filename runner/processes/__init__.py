"""The processes of a fleet: a supervisor of many, several workers in one, health checks."""
