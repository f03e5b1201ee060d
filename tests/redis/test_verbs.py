"""Each face offers an operator exactly what the table of verbs says, in every state."""

from __future__ import annotations

import asyncio
import json
import re
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from html import unescape
from typing import TYPE_CHECKING, Any

import click
import httpx
import pytest

from runner import Context, JobState, Periodic, job
from runner.broker import keys
from runner.commands.jobs import dead, jobs, retries, scheduled
from runner.commands.queues import queues
from runner.commands.run_command import run_command
from runner.commands.schedules import schedules
from runner.commands.workers import workers
from runner.configuration import use_config_file
from runner.operations.actions import Operator
from runner.operations.catalog import Catalog
from runner.operations.jobs import list_jobs
from runner.operations.processes import processes
from runner.operations.queues import queue
from runner.operations.session import OperatorSession
from runner.operations.verbs import (
    ACTIVE,
    JOB_VERBS,
    PAUSED,
    PROCESS_VERBS,
    QUEUE_VERBS,
    QUIET,
    SCHEDULE_VERBS,
    Asks,
    JobVerb,
    Role,
    Verb,
    job_verbs,
    offered,
)
from runner.program import cli
from runner.states import LISTED
from runner.terminal.bindings import bindings
from runner.terminal.orders import ORDERS
from runner.web.app import dashboard_app
from runner.web.dashboard import Dashboard
from runner.web.live import Live
from runner.web.login import LoginSettings
from settings import app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from runner import QueueClient

QUEUE = "default"
KEY = keys.ARQ.queue_key(QUEUE)
ALL_VERBS: list[Verb] = [
    *JOB_VERBS.values(),
    *QUEUE_VERBS.values(),
    *PROCESS_VERBS.values(),
    *SCHEDULE_VERBS.values(),
]
AT = (datetime.now(UTC) + timedelta(days=1)).isoformat()
ANSWERS = {Asks.TIME: AT, Asks.QUEUE: "analytics"}
TOKENS = {"token-of-a-viewer": Role.VIEW, "token-of-an-operator": Role.OPERATE}


@job(queue=QUEUE)
async def sync(ctx: Context) -> None:
    """Do nothing: the jobs here never run."""


SCHEDULE = (Periodic("nightly", sync, "0 3 * * *"),)
CATALOG = Catalog.of([sync])


STATES = [state for state in LISTED if state is not JobState.DONE]
"""Of what is done there is nothing more to do."""


async def place(redis: QueueClient, state: JobState) -> None:
    """Let the job `one` be in *state*, and no other job be there."""
    await redis.flushdb()
    now_ms = time.time() * 1000
    later = {"one": now_ms + 600_000}
    await redis.set(keys.ARQ.job_prefix + "one", b'{"t":null,"f":"sync","a":[],"k":{},"et":1}')
    match state:
        case JobState.READY:
            await redis.zadd(KEY, {"one": now_ms - 1000})
        case JobState.SCHEDULED:
            await redis.zadd(KEY, later)
        case JobState.RETRYING:
            await redis.zadd(KEY, later)
            await redis.zadd(KEY + keys.RETRYING_SUFFIX, later)
        case JobState.PARKED:
            await redis.zadd(KEY + keys.PARKED_SUFFIX, {"one": now_ms - 1000})
        case JobState.WAITING:
            await redis.zadd(KEY + keys.WAITING_SUFFIX, {"one": now_ms - 1000})
        case JobState.DEAD:
            await redis.zadd(KEY + keys.DEAD_SUFFIX, {"one": now_ms - 1000})
        case _:
            await redis.zadd(KEY, later)
            await redis.hset(KEY + keys.RUNNING_SUFFIX, "one", "w:1|x")  # type: ignore[misc]
            await redis.set(keys.ARQ.in_progress_prefix + "one", "w", px=600_000)


async def place_others(redis: QueueClient, *, paused: bool) -> None:
    """Let queue and schedule be paused, and the process quiet, or not."""
    await redis.flushdb()
    if paused:
        await redis.set(KEY + keys.PAUSED_SUFFIX, b"{}")
        await redis.hset(keys.ARQ.schedule_paused, "nightly", "{}")  # type: ignore[misc]
    entry = {"id": "w", "queue": QUEUE, "host": "h", "pid": 1, "quiet": paused}
    await redis.zadd(KEY + keys.WORKERS_SUFFIX, {"w": 1.0})
    await redis.set(keys.ARQ.worker_prefix + "w", json.dumps(entry))


@asynccontextmanager
async def visiting(
    redis: QueueClient, role: Role = Role.OPERATE
) -> AsyncIterator[httpx.AsyncClient]:
    """A visitor of the pages, with that role."""
    (token,) = [token for token, its in TOKENS.items() if its is role]
    dashboard = Dashboard(
        redis=redis,
        queues=(QUEUE, "analytics"),
        catalog=CATALOG,
        schedule=SCHEDULE,
        login=LoginSettings(tokens=TOKENS),
        live=Live(redis, (QUEUE,)),
        secret="of the test, and of nobody else: 0123456789",  # noqa: S106 -- nobody else's
    )
    app = dashboard_app(dashboard, hosts=("localhost",))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url="http://localhost",
        headers={"authorization": f"Bearer {token}"},
    ) as browser:
        yield browser
    await dashboard.close()


def session(redis: QueueClient) -> OperatorSession:
    """What the terminal works with."""
    return OperatorSession(redis, (QUEUE,), {}, SCHEDULE, CATALOG, Operator(redis, "tester"))


def answers(verb: JobVerb) -> dict[str, str]:
    """What the verb asks for, answered."""
    return {} if verb.asks is None else {verb.asks: ANSWERS[verb.asks]}


def buttons(page: str) -> list[tuple[str, str, str]]:
    """Path or action, label and question of each button that changes something."""
    found = []
    for form in re.findall(r"<form method=\"post\".*?</form>", page, re.DOTALL):
        path = re.search(r'action="([^"]*)"', form)
        hidden = re.search(r'<input type="hidden" name="action" value="(\w+)"', form)
        for tag, label in re.findall(r"<button([^>]*)>(.*?)</button>", form, re.DOTALL):
            own = re.search(r'value="(\w+)"', tag)
            action = own or hidden or path
            question = re.search(r'data-confirm="([^"]*)"', tag)
            assert action is not None
            found.append((action[1], label, unescape(question[1]) if question else ""))
    return [one for one in found if one[0] != "/logout"]


def expected(
    verbs: Sequence[Verb], target: str, path: str = "", state: JobState | None = None
) -> list[tuple[str, str, str]]:
    """The buttons of *verbs*."""
    return [
        (
            path + verb.name,
            verb.button_in(state) if isinstance(verb, JobVerb) and state else verb.button,
            verb.asked(target),
        )
        for verb in verbs
    ]


@pytest.mark.parametrize("state", STATES)
async def test_pages_offer_what_the_table_says(redis: QueueClient, state: JobState) -> None:
    """A job's own page, the lists, for the selected rows and for all, and the question before."""
    await place(redis, state)
    verbs = job_verbs(state)
    plain = [verb for verb in verbs if verb.asks is None]
    for_all = [verb for verb in verbs if state not in verb.not_for_all]
    assert plain

    async with visiting(redis) as browser:
        page = (await browser.get(f"/jobs/{QUEUE}/one")).text
        asking = [verb for verb in verbs if verb.asks is not None]
        assert sorted(buttons(page)) == sorted(expected(verbs, "this job", state=state))
        for verb in asking:
            assert f'name="{verb.asks}"' in page

        listed = (await browser.get(f"/jobs?queue={QUEUE}&state={state}&by=each")).text
        in_list = expected(plain, "the selected jobs", state=state)
        assert [one for one in buttons(listed) if "/" not in one[0]] == in_list
        links = re.findall(r'href="/all\?action=(\w+)[^>]*>([^<]*)…<', listed)
        assert links == [(verb.name, verb.button_in(state)) for verb in for_all]

        for verb in for_all:
            query = f"action={verb.name}&queue={QUEUE}&state={state}"
            confirm = (await browser.get(f"/all?{query}")).text
            word = verb.name_in(state).capitalize()
            assert f"<h1>{word} 1 job?</h1>" in confirm
            assert buttons(confirm) == [(verb.name, f"{word} 1 job", "")]
            assert (f'name="{verb.asks}"' in confirm) is (verb.asks is not None)


@pytest.mark.parametrize("paused", [False, True])
async def test_pages_offer_for_the_rest_what_the_table_says(
    redis: QueueClient, *, paused: bool
) -> None:
    """Queues, processes and schedules, paused or quiet, or not; each button does what it says."""
    state = PAUSED if paused else ACTIVE
    on_queue = offered(QUEUE_VERBS, state)
    on_process = offered(PROCESS_VERBS, QUIET if paused else ACTIVE)
    on_schedule = offered(SCHEDULE_VERBS, state)
    await place_others(redis, paused=paused)

    async with visiting(redis) as browser:
        for path, verbs, target, prefix in (
            (f"/queues/{QUEUE}", on_queue, QUEUE, f"/queues/{QUEUE}/"),
            ("/workers", on_process, "h:1", "/processes/h%3A1/"),
            ("/schedules", on_schedule, "nightly", "/schedules/nightly/"),
        ):
            page = (await browser.get(path)).text
            # Jinja leaves a colon in a path as it is.
            found = [(one.replace(":", "%3A"), *more) for one, *more in buttons(page)]
            assert found == expected(verbs, target, prefix)
        of_all_queues = buttons((await browser.get("/queues")).text)
        assert of_all_queues[: len(on_queue)] == expected(on_queue, QUEUE, f"/queues/{QUEUE}/")

        for path, verbs in (
            (f"/queues/{QUEUE}", on_queue),
            ("/processes/h:1", on_process),
            ("/schedules/nightly", on_schedule),
        ):
            for verb in verbs:
                await place_others(redis, paused=paused)
                answer = await browser.post(f"{path}/{verb.name}")
                message = unescape((await browser.get(answer.headers["location"])).text)
                target = path.rpartition("/")[2]
                assert verb.said.format(target, "\0").partition("\0")[0] in message
                assert await redis.xlen(keys.ARQ.audit) == 1
            assert (await browser.post(f"{path}/shrink")).status_code == 404


@pytest.mark.parametrize("state", STATES)
async def test_pages_and_api_act_in_the_states_of_the_table(
    redis: QueueClient, state: JobState
) -> None:
    """In others they change nothing, and say so."""
    async with visiting(redis) as browser:
        for verb in JOB_VERBS.values():
            acts = state in verb.acts_in
            await place(redis, state)
            answer = await browser.post(
                f"/api/queues/{QUEUE}/jobs/one", json={"action": verb.name, **answers(verb)}
            )
            assert answer.json()["done"] is acts, verb.name

            await place(redis, state)
            fields = {"action": verb.name, "queue": QUEUE, "id": "one", **answers(verb)}
            shown = await browser.post("/act", data=fields, follow_redirects=True)
            assert verb.said.format("1 job" if acts else "0 jobs") in shown.text
            assert ("1 job had moved on" in shown.text) is not acts


async def test_api_has_every_verb(redis: QueueClient) -> None:
    """Actions on jobs in its document; the others each at a path of its own."""
    async with visiting(redis) as browser:
        document = (await browser.get("/api/openapi.json")).json()
        schemas = document["components"]["schemas"]
        assert schemas["Action"]["enum"] == list(JOB_VERBS)
        assert set(schemas["ActionBody"]["properties"]) == {"action", *Asks}

        for path, verbs in (
            (f"/api/queues/{QUEUE}", QUEUE_VERBS),
            ("/api/processes/h:1", PROCESS_VERBS),
            ("/api/schedules/nightly", SCHEDULE_VERBS),
        ):
            for name in verbs:
                await place_others(redis, paused=False)
                assert (await browser.post(f"{path}/{name}")).status_code == 200
                assert await redis.xlen(keys.ARQ.audit) == 1
            assert (await browser.post(f"{path}/shrink")).status_code in {400, 404, 405}


@pytest.mark.parametrize("role", Role)
async def test_role_uses_the_verbs_that_it_may(redis: QueueClient, role: Role) -> None:
    """Others have no button for it, and are refused on the pages and in the API."""
    may = role.allowed(ALL_VERBS)
    assert may == [verb for verb in ALL_VERBS if role is Role.OPERATE or verb.role is role]
    requests: list[tuple[Verb, str, Mapping[str, Any]]] = []
    for on_job in JOB_VERBS.values():
        fields = {"action": on_job.name, **answers(on_job)}
        requests.append((on_job, "/act", {"data": {"queue": QUEUE, "id": "one", **fields}}))
        requests.append((on_job, f"/all?queue={QUEUE}&state=ready", {"data": fields}))
        requests.append((on_job, f"/api/queues/{QUEUE}/jobs/one", {"json": fields}))
    for kind, verbs in (
        (f"queues/{QUEUE}", QUEUE_VERBS),
        ("processes/h:1", PROCESS_VERBS),
        ("schedules/nightly", SCHEDULE_VERBS),
    ):
        for verb in verbs.values():
            requests += [(verb, f"/{kind}/{verb.name}", {}), (verb, f"/api/{kind}/{verb.name}", {})]

    await place_others(redis, paused=False)
    async with visiting(redis, role) as browser:
        for verb, path, body in requests:
            answer = await browser.post(path, **body)
            assert (answer.status_code < 400) is (verb in may), path
        for state in STATES:
            await place(redis, state)
            shown = buttons((await browser.get(f"/jobs/{QUEUE}/one")).text)
            assert len(shown) == len(role.allowed(job_verbs(state)))


@pytest.mark.parametrize("state", STATES)
async def test_keys_of_top_act_in_the_states_of_the_table(
    redis: QueueClient, state: JobState
) -> None:
    """Every verb that has a key, on a job in each state."""
    for verb in JOB_VERBS.values():
        if not verb.key:
            continue
        await place(redis, state)
        (row,) = (await list_jobs(redis, QUEUE, state, CATALOG)).rows
        order = ORDERS[verb.key]
        assert order.question([row]) == f"{verb.name.capitalize()} sync one?"
        message = await order.carry_out(session(redis), [row])
        done = message == f"sync one: {verb.done}"
        assert done is (state in verb.acts_in)
        assert done or "not touched" in message


@pytest.mark.parametrize("paused", [False, True])
async def test_keys_of_top_do_to_the_rest_what_the_table_says(
    redis: QueueClient, *, paused: bool
) -> None:
    """P and Q do the one verb of theirs that is offered in the state of the row."""
    await place_others(redis, paused=paused)
    (process,) = await processes(redis, (QUEUE,))
    for target in (await queue(redis, QUEUE), process):
        (verb,) = [verb for verb in target.verbs if verb.key]
        order = ORDERS[verb.key]
        assert order.question([target]) == f"{verb.name.capitalize()} {target.name}?"
        message = await order.carry_out(session(redis), [target])
        assert message == f"{target.name}: {verb.done}"


def test_top_binds_the_keys_of_the_table() -> None:
    """Each with what it does in words; what asks for more than a yes has no key."""
    with_keys = {verb.key for verb in ALL_VERBS if verb.key}
    assert set(ORDERS) == with_keys
    assert {one.key for one in bindings() if one.action.startswith("order")} == with_keys
    assert not any(verb.key for verb in JOB_VERBS.values() if verb.asks)
    for verb in ALL_VERBS:
        if verb.key:
            assert verb.help[1:] in ORDERS[verb.key].help


def test_commands_are_those_of_the_table() -> None:
    """`jobs` has every verb; the groups of one state those that it offers, by all their names."""
    looks = {"list", "ls", "show"}
    assert set(jobs.commands) - looks == set(JOB_VERBS)
    for state, group in (
        (JobState.SCHEDULED, scheduled),
        (JobState.RETRYING, retries),
        (JobState.DEAD, dead),
    ):
        verbs = [verb for verb in job_verbs(state) if verb.in_groups]
        names = {verb.name for verb in verbs} | {verb.name_in(state) for verb in verbs}
        assert set(group.commands) - looks == names
    for group, table in (
        (queues, QUEUE_VERBS),
        (workers, PROCESS_VERBS),
        (schedules, SCHEDULE_VERBS),
    ):
        assert set(group.commands) - looks == set(table)
        for name, verb in table.items():
            assert group.commands[name].help == verb.help
    for on_job in JOB_VERBS.values():
        command = jobs.commands[on_job.name]
        assert command.help == on_job.help
        needed = {
            one.name for one in command.params if isinstance(one, click.Option) if one.required
        }
        assert needed == ({on_job.asks} if on_job.asks else set())


@pytest.mark.parametrize("state", STATES)
async def test_commands_act_in_the_states_of_the_table(
    redis: QueueClient,
    state: JobState,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With the words of the table; in other states they say that nothing was done, and exit 1."""
    monkeypatch.setenv("PIPELINE_HOME", str(tmp_path))
    use_config_file(None)  # which reads REDIS_URL anew
    for verb in JOB_VERBS.values():
        await place(redis, state)
        options = [word for name, value in answers(verb).items() for word in (f"--{name}", value)]
        command = partial(
            run_command, cli, ["jobs", verb.name, "one", *options], expected=app.expected_errors
        )
        status = await asyncio.to_thread(command)
        done = capsys.readouterr().out == f"one: {verb.done}\n"
        assert done is (state in verb.acts_in)
        assert status == (0 if done else 1)
