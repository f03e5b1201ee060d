"""A queue in partitions: which one a job goes into, and who works which."""

from __future__ import annotations

import zlib
from uuid import UUID

import pytest

from runner import App, Context, Flow, JobHandle, Queue, WorkerSettings, job
from runner.broker.servers import servers_of
from runner.errors import ConfigurationError
from runner.testing import collect, drain

MAIL = Queue("mail", partitions=4)
BY_TENANT = Queue("tenants", partitions=4, by="tenant")


@job(queue=MAIL)
async def send(_: Context, to: str) -> str:
    """Say to whom."""
    return to


@job(queue=BY_TENANT)
async def bill(_: Context, tenant: UUID | int = 7) -> None:
    """Do nothing for a tenant."""


@job(queue="plain")
async def other(_: Context) -> None:
    """Has no partitions."""


class Mail(WorkerSettings):
    """Works the whole queue."""

    queue = MAIL
    jobs = (send,)
    concurrency = 10


async def test_id_chooses_the_partition() -> None:
    """By its CRC-32, so that another language can tell, too; the handle carries the partition."""
    with collect():
        handles = await send.enqueue_many([{"to": "ada"}] * 200)
        one = await send.options(job_id="one").enqueue("ada")
    for handle in (*handles, one):
        assert handle.queue == MAIL.names[zlib.crc32(handle.id.encode()) % 4]
    assert {handle.queue for handle in handles} == {"mail", "mail~1", "mail~2", "mail~3"}
    assert type(one.queue) is str


async def test_argument_chooses_the_partition() -> None:
    """Equal values go into one, however the call gives them; a default counts as a value."""
    with collect():
        by_name = [await bill.enqueue(tenant=number) for number in range(40)]
        by_place = [await bill.enqueue(number) for number in range(40)]
        left_out = await bill.enqueue()
        into_mail = await other.options(queue=MAIL).enqueue()
        with pytest.raises(ConfigurationError, match="partitioned by 'tenant', and the job has no"):
            await other.options(queue=BY_TENANT).enqueue()
    assert [one.queue for one in by_name] == [one.queue for one in by_place]
    assert len({one.queue for one in by_name}) == 4
    assert left_out.queue == by_name[7].queue
    assert into_mail.queue in MAIL.names


async def test_nodes_of_flows_go_into_partitions() -> None:
    """Each by its own id, so that a repeated start finds what is there."""
    flow = Flow("letters")
    for number in range(20):
        flow.add(send.call(f"ada{number}"))
    async with drain(workers=[Mail]) as kit:
        await flow.start()
        await kit.run()
    assert len({one.queue for one in kit.done}) > 1
    assert all(one.queue == MAIL.of(one.job_id) for one in kit.done)


def test_application_has_a_worker_for_each_partition() -> None:
    """They share the slots, rounded up; the plain class cannot be run for all of them."""
    app = App([Mail])
    assert app.queues == ["mail", "mail~1", "mail~2", "mail~3"]
    assert [one.concurrency for one in app.workers] == [3, 3, 3, 3]
    assert [job.name for job in app.jobs] == ["send"]
    with pytest.raises(ConfigurationError, match="has 4 partitions, each with a worker of its own"):
        Mail.worker()


def test_partition_is_where_its_queue_is_unless_it_has_a_server_of_its_own() -> None:
    """What is said of the queue holds for its partitions."""
    servers = servers_of("redis://a", {"mail": "redis://b", "mail~2": "redis://c"})
    assert [servers.of(name).host for name in ("mail", "mail~1", "mail~2", "plain")] == [
        *("b", "b", "c", "a")
    ]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"partitions": 0}, "partitions is 0"),
        ({"partitions": 1001}, "at most 1000"),
        ({"partitions": 2.0}, "a whole number"),
        ({"name": "ma il"}, "cannot be a queue's name"),
        ({"name": "mail~1"}, "give what stands before the ~"),
        ({"by": ""}, "by is empty"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, object], says: str) -> None:
    """Where it is written."""
    with pytest.raises(ConfigurationError, match=says):
        Queue(**{"name": "mail", **given})  # type: ignore[arg-type]


async def test_handle_of_a_whole_queue_is_refused() -> None:
    """The job is in one of several."""
    with pytest.raises(ConfigurationError, match="give that of the job"):
        await JobHandle("one", MAIL).state()
