"""
A Redis in memory, as exact as the runner needs, which follows a clock that its owner moves.

It knows the commands that the runner and stock arq send, and refuses all others by name. Scripts
are the real Lua texts, run by Lua 5.1. A differential test compares it with real servers.
"""

from runner.simulation.redis.reply import BLOCKED, CommandReader, ReplyError, Status, encode
from runner.simulation.redis.server import SimulatedRedis, Snapshot, Trouble
from runner.simulation.redis.session import Session

__all__ = [
    "BLOCKED",
    "CommandReader",
    "ReplyError",
    "Session",
    "SimulatedRedis",
    "Snapshot",
    "Status",
    "Trouble",
    "encode",
]
