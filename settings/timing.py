"""The runner's timings: the part of the configuration that is rarely touched."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class RunnerTiming(BaseModel):
    """
    Times in seconds, named as in `runner.options.WorkerOptions`.

    job_timeout_s: longest run of one attempt. keep_result_s: how long results are kept.
    lease_s: a worker that died has its jobs run again within it. heartbeat_s: how often a
    worker says that it lives. grace_s: on a stop, how long running jobs may go on.
    abort_check_s: how soon a running job learns that it is to stop. unknown_delay_s: how long a
    job rests whose name no worker knows. idle_poll_s: longest wait for jobs of stock arq clients.
    max_crashes: workers lost with the same job before it is dead as poison.
    dead_max_jobs, dead_max_age_s: what the dead set is trimmed to; unset keeps everything.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    job_timeout_s: float = Field(300.0, gt=0)
    keep_result_s: float = Field(3600.0, ge=0)
    lease_s: float = Field(30.0, gt=0)
    heartbeat_s: float = Field(5.0, gt=0)
    grace_s: float = Field(20.0, ge=0)
    abort_check_s: float = Field(1.0, gt=0)
    unknown_delay_s: float = Field(15.0, gt=0)
    idle_poll_s: float = Field(0.5, gt=0)
    max_crashes: int = Field(3, ge=1)
    dead_max_jobs: int | None = Field(None, ge=0)
    dead_max_age_s: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _lease_outlives_heartbeats(self) -> Self:
        if self.heartbeat_s * 2 > self.lease_s:
            raise ValueError(
                f"heartbeat_s is {self.heartbeat_s:g} and lease_s {self.lease_s:g}; "
                "a lease must outlive several heartbeats"
            )
        return self
