"""
What an operator sees and does: one read model for pages, JSON API, terminal and command line.

    queues        jobs by state, oldest wait, pauses; depth over time
    jobs          a queue's jobs by state, filtered, page by page
    listing       one list of jobs over all queues and states
    searching     a search that goes on while nobody looks
    offers        what may be typed into the search: badges, and values of the last jobs
    groups        failed jobs by job and error
    search        which jobs match a filter
    paging        a sorted set of jobs, read piece by piece
    job           one job in full: attempts, result, progress, holder
    runs          what a job led to, a batch or a flow, as one graph; run_jobs: its jobs in any
                  state; run_tree: which led to which
    why           why a job is not running yet, in one sentence
    processes     who works: processes, their workers and what they run
    schedules     periodic jobs: last and next run, missed ticks
    fleet         processes, and those to look at first: silent, blocked, of another release
    one_worker    one of them: how it is, what it runs, what it ran
    snapshot      what stands in Redis at one moment, read once
    findings      what is wrong, the worst first: for overview, `top` and doctor
    metrics       throughput, failures and durations of each job
    redis_info    memory, policy and durability of Redis
    verbs         what an operator may do: the table that every face reads
    actions       what an operator does; all of it goes into the audit log
    foresight     what would follow from an action, and what is refused
    bulk          one action on all jobs that match
    audit         who did what when
    session       what commands and terminal work with
    sessions      who is logged in to the pages
    catalog       arguments by name, without secrets
    words         jobs, queues and processes in words; job_text: one job in full
    stored        values as they stand in Redis, whoever wrote them

Functions take a Redis client and return dataclasses. None that a page calls reads a whole queue:
lists are paged, and a search looks at jobs for a bounded time and says how many it looked at.
"""
