"""The workers: each job runs in the application's context, as a request does."""

from runner import App, WorkerSettings
from runner.contrib.flask import AppContext
from shop.jobs import build_report
from shop.web import create_app


class Reports(WorkerSettings):
    """The queue of reports."""

    queue = "reports"
    jobs = (build_report,)
    middleware = (AppContext(create_app),)


app = App(workers=[Reports])
