"""
A queue in partitions: one by name, for who enqueues, and several in Redis.

    MAIL = Queue("mail", partitions=4)

    @job(queue=MAIL)
    async def send(ctx: Context, to: str) -> str: ...

    class MailWorker(WorkerSettings):
        queue = MAIL
        jobs = (send,)

Each partition is a queue of its own: `mail`, `mail~1`, `mail~2` and `mail~3`. One may lie on
another Redis than the others, which is how a queue outgrows a server.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, Final, Self

from runner.broker import keys
from runner.checks import optional, seconds, text, whole
from runner.codec import encode
from runner.errors import ConfigurationError, refuse

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_PARTITIONS: Final = 1000
MOST_PRIORITY: Final = 100
PRIORITY_STEP_S: Final = 600.0
_LONGEST_STEP_S: Final = 86_400.0


class Queue(str):
    """
    A queue's name that says, too, into how many partitions its jobs go.

    by: the name of the argument that chooses the partition: jobs with equal values go into one. By
    default the job's id does. There is no order across partitions, and each id is unique within its
    own; with *by*, one id with two values may be in two. priority_step_s: by how much a job goes
    ahead for each step of its priority.

    Raises:
        ConfigurationError: The name or the number cannot be one.
    """

    __slots__ = ("by", "names", "priority_step_s")

    by: str | None
    priority_step_s: float
    names: tuple[str, ...]
    """The partitions' own names, of which the first is the queue's."""

    def __new__(
        cls,
        name: str,
        *,
        partitions: int = 1,
        by: str | None = None,
        priority_step_s: float = PRIORITY_STEP_S,
    ) -> Self:
        """Check and keep what is said of the queue."""
        refuse(
            "Queue",
            keys.queue_problem("name", name),
            whole("partitions", partitions, least=1, most=MOST_PARTITIONS),
            optional(text("by", by), by),
            seconds("priority_step_s", priority_step_s, above=0, most=_LONGEST_STEP_S),
        )
        if keys.whole_queue(name) != keys.own_name(name):
            refuse("Queue", f"{name} names a partition: give what stands before the ~")
        made = super().__new__(cls, name)
        made.by, made.priority_step_s = by, priority_step_s
        own = str(name)
        made.names = (own, *(f"{own}{keys.PARTITION}{at}" for at in range(1, partitions)))
        return made

    def of(self, value: str | bytes) -> str:
        """
        Return the partition of *value*: a job's id, or the JSON of what *by* names.

        It is the CRC-32 of its UTF-8 bytes (as zlib has it) modulo the number of partitions.
        """
        data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
        return self.names[zlib.crc32(data) % len(self.names)]

    def of_call(self, job_id: str, arguments: Mapping[str, Any]) -> str:
        """
        Return the partition of a job with this id and these arguments by the names of parameters.

        Raises:
            ConfigurationError: The argument that *by* names is not among them.
            CodecError: It has no JSON form.
        """
        if self.by is None:
            return self.of(job_id)
        if self.by not in arguments:
            raise ConfigurationError(
                f"the queue {self} is partitioned by {self.by!r}, and the job has no such "
                "argument: give it one, or another queue"
            )
        return self.of(encode(arguments[self.by], f"the argument {self.by}"))


def head_start_ms(queue: str, priority: int) -> int:
    """Return by how much a job of this priority goes ahead in *queue*, ms."""
    step_s = queue.priority_step_s if isinstance(queue, Queue) else PRIORITY_STEP_S
    return round(priority * step_s * 1000)


def in_partitions(queue: str) -> tuple[str, ...]:
    """Return the names of the partitions of *queue*; of a plain name, that one."""
    return queue.names if isinstance(queue, Queue) else (str(queue),)
