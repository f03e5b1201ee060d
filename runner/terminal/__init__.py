"""
The live dashboard of `pipeline top`, on the same read model and actions as pages and commands.

    app          the tabs, what a key does, one look at Redis each second
    bindings     every key, once: what binds them, the foot and the help read this table
    orders       the actions in capitals, which ask before they are done
    live_table   rows that change in place, marks, a filter
    pane         a tab: what it reads, its tables and the line above them
    overview     throughput and all queues
    jobs         jobs of one queue, and of all queues in one state
    job          one job in full
    running      processes, and the jobs that they run
    confirm      the question before an order
    help         the keys
"""
