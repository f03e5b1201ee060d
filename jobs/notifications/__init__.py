"""
What people are told, when, and by which way.

    event.py      what there is to tell, and of which kind
    rules.py      an analysis → events. Pure
    timing.py     quiet hours and digests. Pure
    message.py    one or several notifications → one message. Pure
    target.py     one address with its wishes
    sender.py     what every way of sending can do; one file for each: apprise, webhook, log
    dispatch.py   due notifications of the store → one target, at most once
"""
