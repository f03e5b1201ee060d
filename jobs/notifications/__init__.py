"""
Notify people of what happens to their channels and jobs.

    event.py      the kinds of events
    rules.py      find the events in an analysis; pure
    timing.py     quiet hours and digests; pure
    message.py    join notifications into one message; pure
    target.py     one address and its preferences
    sender.py     the interface of senders; one file each: apprise, webhook, log
    dispatch.py   send the due notifications in the store to a target, at most once
"""
