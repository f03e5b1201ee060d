"""
Flask: jobs that run in the application's context, and a blueprint for the state of jobs.

    app.register_blueprint(job_states(build_report), url_prefix="/jobs")

    class Reports(WorkerSettings):
        queue = "reports"
        jobs = (build_report,)
        middleware = (AppContext(create_app),)

A view calls `enqueue_sync`, which goes to `REDIS_URL`, whether gunicorn has forked or not.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from runner.contrib.job_status import Statuses, UnknownJobError
from runner.extras import extra
from runner.threads import surrounded

with extra("flask", "runner.contrib.flask"):
    from flask import Blueprint, Flask, abort, jsonify

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response

    from runner.context import Context
    from runner.decorator import BoundJob, Job
    from runner.middleware import Handler


class AppContext:
    """
    A middleware: each attempt runs in the context of *app*, as a request does.

    So `current_app` and extensions such as Flask-SQLAlchemy work in jobs. The context of a plain
    function is pushed and popped in its thread, as in a request, and closes what it opened there.

    app: the application, or the factory that makes it, called once, at the first job.
    """

    def __init__(self, app: Flask | Callable[[], Flask]) -> None:
        self._given = app

    @cached_property
    def _app(self) -> Flask:
        return self._given if isinstance(self._given, Flask) else self._given()

    async def __call__(self, ctx: Context, call_next: Handler, /) -> Any:
        """Run the attempt."""
        if ctx.job.in_thread:
            with surrounded(self._app.app_context):
                return await call_next(ctx)
        with self._app.app_context():
            return await call_next(ctx)


def job_states(*jobs: Job[Any, Any] | BoundJob[Any, Any]) -> Blueprint:
    """
    Return a blueprint with `GET /<job>/<job_id>`: the state of one of *jobs*, and its result.

    The view is `jobs.job_state`. It answers 404 for a job that is not among them or not known.
    Whoever knows an id, 128 random bits unless you chose it, reads the result: check who asks in a
    `before_request` of the blueprint, if that is not enough. A job that is enqueued into another
    queue than its own is given as `job.options(queue=…)`.

    Raises:
        ConfigurationError: One of them is no job, or two have one name.
    """
    statuses = Statuses(jobs)
    blueprint = Blueprint("jobs", __name__)

    @blueprint.get("/<job>/<job_id>")
    def job_state(job: str, job_id: str) -> Response:
        try:
            return jsonify(statuses.of_sync(job, job_id))
        except UnknownJobError as unknown:
            abort(404, str(unknown))

    return blueprint
