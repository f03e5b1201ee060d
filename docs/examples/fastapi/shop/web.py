"""The service: an order for a report is enqueued, and its state can be asked for."""

from datetime import date

from fastapi import FastAPI, Request
from pydantic import BaseModel

from runner.contrib.fastapi import job_states, lifespan
from shop.jobs import build_report

app = FastAPI(lifespan=lifespan)
app.include_router(job_states(build_report), prefix="/jobs")


class Order(BaseModel):
    """What a client wants, or has ordered."""

    day: date


@app.post("/reports", status_code=202)
async def order_report(order: Order, request: Request) -> dict[str, str]:
    """Enqueue the report, and say where its state is."""
    handle = await build_report.enqueue(day=order.day)
    state = request.url_for("job_state", job=build_report.name, job_id=handle.id)
    return {"id": handle.id, "state": state.path}


@app.post("/reports/all", status_code=202)
def order_reports(orders: list[Order]) -> list[str]:
    """Do the same in a route without `async`, which FastAPI runs in a thread."""
    handles = build_report.enqueue_many_sync({"day": order.day} for order in orders)
    return [handle.id for handle in handles]
