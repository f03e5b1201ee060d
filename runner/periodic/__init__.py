"""Periodic work: crontabs, the poller that enqueues what is due, gauges, clean-up."""
