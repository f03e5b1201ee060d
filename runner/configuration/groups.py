"""
The groups of settings that every application has: the runner's limits, and the pages.

Each is a table in the configuration file. docs/settings.md explains every setting.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from runner.options import WorkerLimits, number_problems

Port = Annotated[int, Field(ge=0, le=65535)]


class Group(BaseModel):
    """The base of each group: an unknown key in it is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class RunnerLimits(Group, WorkerLimits):
    """The limits of every worker, with the types and defaults of the runner's own."""

    @model_validator(mode="after")
    def _lease_outlives_the_rest(self) -> Self:
        for problem in number_problems(WorkerLimits, vars(self)):
            if problem is not None:
                raise ValueError(problem)
        blocked_s = self.blocked_limit_s + self.heartbeat_s + self.blocked_warn_s
        for name, least in (("heartbeat_s", self.heartbeat_s * 2), ("blocked_limit_s", blocked_s)):
            if least > self.lease_s:
                raise ValueError(
                    f"{name} is {getattr(self, name):g} and lease_s {self.lease_s:g}; a lease must "
                    "outlive two heartbeats, and blocked_limit_s, blocked_warn_s and one heartbeat "
                    "together"
                )
        return self


class Web(Group):
    """The pages for operators: where they are served, and who may log in."""

    host: str = "127.0.0.1"
    port: Port | None = None
    allowed_hosts: str = ""
    users: str = ""
    token: str = ""
    view_token: str = ""
    proxy_header: str = ""
    proxy_peers: str = "127.0.0.1 ::1"
    proxy_operators: str = ""
    secret: str = Field("", repr=False)
    session_s: int = Field(43_200, ge=60)
    session_idle_s: int = Field(1_800, ge=60)
    environment: str = Field("", max_length=40)
    environment_colour: Literal["red", "amber", "green", "blue", "violet", "grey"] | None = None
