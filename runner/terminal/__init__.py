"""
The live dashboard of `pipeline top`, on the read model and the verbs of pages and commands.

    app          the tabs and what each key does; it reads Redis every second
    bindings     the table of keys, for Textual, the footer and the help
    orders       the keys in capitals: they change something, and ask first
    live_table   a table whose rows change in place and can be marked
    pane         a tab: what it reads, its tables and the line above them
    overview     what is wrong, the last hour, all queues, what fails, runs and comes next
    charts       bars over time in characters, on the axis and scales of the pages' charts
    jobs         jobs of one queue, and of all queues in one state
    job          one job in full
    running      processes, and the jobs that they run
    schedules    when each periodic job runs next, and ran last
    metrics      what ended in the last hour, by job
    confirm      the question before an order
    help         the list of keys
"""
