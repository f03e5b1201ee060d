"""Logs, StatsD metrics and traces, with secrets redacted."""
