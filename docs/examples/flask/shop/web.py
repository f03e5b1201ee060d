"""The application: an order for a report is enqueued, and its state can be asked for."""

from datetime import date

from flask import Flask, request, url_for

from runner.contrib.flask import job_states
from shop.jobs import build_report


def create_app() -> Flask:
    """Make the application."""
    app = Flask(__name__)
    app.config["CURRENCY"] = "EUR"
    app.register_blueprint(job_states(build_report), url_prefix="/jobs")

    @app.post("/reports")
    def order_report() -> tuple[dict[str, str], int]:
        handle = build_report.enqueue_sync(day=date.fromisoformat(request.form["day"]))
        state = url_for("jobs.job_state", job=build_report.name, job_id=handle.id)
        return {"id": handle.id, "state": state}, 202

    return app
