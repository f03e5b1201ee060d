"""What a worker reports: logs, StatsD metrics, traces; with secrets redacted."""
