"""All that knows arq's worker: our subclass, plain functions, cron jobs, arq's log lines."""
