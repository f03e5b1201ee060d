"""The worker."""

import os

from runner import WorkerSettings
from shop.jobs import build_report


class Reports(WorkerSettings):
    """The queue of reports."""

    queue = "reports"
    jobs = (build_report,)
    redis = os.environ["REDIS_URL"]
