"""
What an operator sees and does: one read model for the page, the API and the terminal.

    queues      counts, oldest wait, who paused it; depth over time
    jobs        a queue's jobs by state, filtered, page by page
    job         one job in full: attempts, result, progress, who holds it
    why         why a job is not running yet, in one sentence
    processes   who works, on what, and how they are
    schedules   next and last run, missed ticks, in words
    metrics     throughput, failures and durations of each job
    store       memory, policy and durability of Redis
    actions     what changes something; each is written into the audit log
    bulk        one action on all jobs that match
    audit       who did what when
    job_ids     ids as text, where they are bytes
    spans       lengths of time as text

Functions take a Redis client and return dataclasses. None of those that a page calls reads a whole
queue: lists are paged, a search looks at jobs for a bounded time and says at how many.
"""
