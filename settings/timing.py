"""The runner's timings and limits: the part of the configuration that is rarely touched."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class RunnerTiming(BaseModel):
    """
    Times in seconds and limits, named and explained as in `runner.options.WorkerOptions`.

    keep_result_s: how long the results of jobs are kept. idle_poll_s: longest wait for a job
    that a stock arq client enqueued; those of ours are found at once.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    timeout_s: float = Field(300.0, gt=0)
    keep_result_s: float = Field(3600.0, ge=0)
    lease_s: float = Field(30.0, gt=0)
    heartbeat_s: float = Field(5.0, gt=0)
    grace_s: float = Field(20.0, ge=0)
    abort_check_s: float = Field(1.0, gt=0)
    unknown_delay_s: float = Field(15.0, gt=0)
    idle_poll_s: float = Field(0.5, gt=0)
    blocked_warn_s: float = Field(1.0, gt=0)
    blocked_limit_s: float = Field(20.0, gt=0)
    max_crashes: int = Field(3, ge=1)
    offload_processes: int | None = Field(None, ge=1)
    dead_max_jobs: int | None = Field(None, ge=0)
    dead_max_age_s: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _lease_outlives_the_rest(self) -> Self:
        blocked_s = self.blocked_limit_s + self.heartbeat_s + self.blocked_warn_s
        for name, least in (("heartbeat_s", self.heartbeat_s * 2), ("blocked_limit_s", blocked_s)):
            if least > self.lease_s:
                raise ValueError(
                    f"{name} is {getattr(self, name):g} and lease_s {self.lease_s:g}; a lease must "
                    "outlive two heartbeats, and blocked_limit_s, blocked_warn_s and one together"
                )
        return self
