"""What follows an analysis: charts and advice side by side, then the report of both."""

from __future__ import annotations

from jobs.recommend import recommend
from jobs.render_visualization import render_visualization
from jobs.visualize_data import visualize_data
from runner import Flow


def report_flow(analysis_id: str, flow_id: str, *, advise: bool, parent: str | None = None) -> Flow:
    """
    Return the flow that ends with the report of an analysis; it starts once under *flow_id*.

    advise: whether its recommendations are still to be made. parent: the batch that it is in.
    """
    flow = Flow("report", id=flow_id, parent=parent)
    parts = [flow.add(visualize_data.call(analysis_id=analysis_id))]
    if advise:
        parts.append(flow.add(recommend.call(analysis_id=analysis_id)))
    flow.add(render_visualization.call(analysis_id=analysis_id), after=parts)
    return flow
