"""The symbols of the pages: places, actions, and one shape for each state of a job."""

from __future__ import annotations

from markupsafe import Markup

_DRAWN = {
    # places
    "overview": '<path d="M1 8.5h3L6 3l4 10 2-4.5h3"/>',
    "jobs": '<path d="M2 4h12M2 8h12M2 12h8"/>',
    "runs": '<path d="M2 4h6M5 8h6M8 12h6"/>',
    "queues": '<rect x="2" y="3" width="12" height="4" rx="1"/><rect x="2" y="9.5" width="12" '
    'height="4" rx="1"/>',
    "workers": '<rect x="4" y="4" width="8" height="8" rx="1.5"/><path d="M6.5 1.5V4m3-2.5V4'
    'm-3 8v2.5m3-2.5v2.5M1.5 6.5H4m-2.5 3H4m8-3h2.5m-2.5 3h2.5"/>',
    "batches": '<rect x="4.5" y="1.5" width="10" height="8" rx="1"/><path d="M11.5 12.5h-8a1 1 0 0 '
    '1-1-1v-6"/>',
    "lanes": '<path d="M2 3v10M14 3v10M8 3v2.5m0 2v2m0 2V13"/>',
    "schedules": '<circle cx="8" cy="8" r="6"/><path d="M8 4.5V8l2.5 1.5"/>',
    "metrics": '<path d="M3 14V9m5 5V3m5 11V6.5"/>',
    "play": '<rect x="1.5" y="3" width="13" height="10" rx="1.5"/><path class="full" '
    'd="M6.5 5.5v5l4-2.5z"/>',
    "page": '<path d="M4 1.5h5.5L12.5 4.5v10H4zM9 1.5v3.5h3.5M6.5 8.5h4m-4 3h4"/>',
    "sessions": '<circle cx="8" cy="5" r="3"/><path d="M2 14.5c.5-3.5 3-5 6-5s5.5 1.5 6 5"/>',
    "audit": '<path d="M8 1.5l5.5 2v4c0 3.5-2.5 6-5.5 7-3-1-5.5-3.5-5.5-7v-4z"/>',
    "more": '<path d="M3 8h.01M8 8h.01M13 8h.01"/>',
    # states
    "ready": '<circle cx="8" cy="8" r="5"/>',
    "running": '<path class="pale" d="M8 2.5a5.5 5.5 0 1 0 0 11"/><path d="M8 2.5a5.5 5.5 0 0 1 0 '
    '11"/><circle class="full" cx="8" cy="8" r="2"/>',
    "scheduled": '<circle cx="8" cy="8" r="5.5"/><path d="M8 5v3.2l2 1.3"/>',
    "retrying": '<path d="M13 8a5 5 0 1 1-1.5-3.6M13.5 2v3h-3"/>',
    "dead": '<circle class="full" cx="8" cy="8" r="6.5"/><path class="cut" d="M5.7 5.7l4.6 '
    '4.6m0-4.6l-4.6 4.6"/>',
    "done": '<path d="M3 8.5l3.5 3.5L13 4.5"/>',
    "parked": '<rect x="2.5" y="2.5" width="11" height="11" rx="2"/><path d="M6.5 '
    '11V5h2a1.8 1.8 0 0 1 0 3.6h-2"/>',
    "waiting": '<circle cx="4" cy="8" r="2"/><path d="M8.5 3.5l4.5 4.5-4.5 4.5"/>',
    "unknown": '<path d="M5.5 6a2.5 2.5 0 1 1 3.5 2.3c-.7.4-1 .8-1 1.7M8 12.5h.01"/>',
    # verdicts
    "well": '<path d="M3 8.5l3.5 3.5L13 4.5"/>',
    "error": '<path d="M8 4v5M8 12h.01"/>',
    "warning": '<path d="M8 2.5L14.5 13.5h-13zM8 6.5v3.5M8 11.8h.01"/>',
    # actions
    "search": '<circle cx="7" cy="7" r="4.5"/><path d="M10.5 10.5L14 14"/>',
    "delete": '<path d="M2.5 4.5h11M6 4.5V2.5h4v2M4 4.5l.7 9.5h6.6l.7-9.5"/>',
    "stop": '<rect x="4" y="4" width="8" height="8" rx="1"/>',
    "pause": '<path d="M6 3.5v9m4-9v9"/>',
    "add": '<path d="M8 3v10M3 8h10"/>',
    "copy": '<rect x="5.5" y="5.5" width="8" height="8" rx="1"/><path d="M10.5 3H3v7.5"/>',
    "open": '<path d="M6 3.5L10.5 8 6 12.5"/>',
    "close": '<path d="M4 4l8 8m0-8l-8 8"/>',
    "up": '<path d="M3.5 10L8 5.5l4.5 4.5"/>',
    # themes
    "light": '<circle cx="8" cy="8" r="3"/><path d="M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 '
    '1m8 8l1 1M3 13l1-1m8-8l1-1"/>',
    "dark": '<path d="M13 9.5A5.5 5.5 0 0 1 6.5 3 5.5 5.5 0 1 0 13 9.5z"/>',
    "system": '<rect x="1.5" y="2.5" width="13" height="9" rx="1"/><path d="M5.5 14h5"/>',
}


def icon(name: str) -> Markup:
    """The symbol *name*, in the colour of the text around it; screen readers pass it."""
    return Markup('<svg class="i" viewBox="0 0 16 16" aria-hidden="true">{}</svg>').format(
        Markup(_DRAWN[name])  # noqa: S704 -- from the table above
    )
