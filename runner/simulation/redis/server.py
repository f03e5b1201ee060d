"""The server: it executes the commands of sessions, one by one, in the order in which they come."""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from runner.simulation.redis import generic, hashes, lists, sets, sorted_sets, streams, strings
from runner.simulation.redis.arguments import plain_score, shortest_score
from runner.simulation.redis.command import Command, Commands, wrong_arity
from runner.simulation.redis.keyspace import Keyspace, Value, copied
from runner.simulation.redis.lua import Lua, ScriptUseError, shared_lua
from runner.simulation.redis.reply import BLOCKED, Reply, ReplyError, Status
from runner.simulation.redis.session import Session
from runner.simulation.redis.session_commands import SESSION_COMMANDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

COMMANDS: Final = Commands()
for _module in (strings, hashes, lists, sets, sorted_sets, streams, generic):
    COMMANDS.update(_module.COMMANDS)


class Trouble(Enum):
    """A state in which a server refuses commands, by Redis's own rules."""

    FULL = "OOM command not allowed when used memory > 'maxmemory'."
    """What grows is refused; a script that has written goes on."""
    READ_ONLY = "READONLY You can't write against a read only replica."
    LOADING = "LOADING Redis is loading the dataset in memory"
    BUSY = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."


_ALWAYS: Final = {
    Trouble.LOADING: frozenset(
        b"AUTH CLIENT CONFIG DISCARD ECHO EXEC HELLO INFO MULTI QUIT SCRIPT SELECT TIME "
        b"UNWATCH WATCH".split()
    ),
    Trouble.BUSY: frozenset(b"AUTH DISCARD EXEC HELLO MULTI QUIT UNWATCH WATCH".split()),
}
_WITHOUT_PASSWORD: Final = frozenset({b"AUTH", b"HELLO", b"QUIT"})
_NOT_QUEUED: Final = frozenset({b"EXEC", b"DISCARD", b"MULTI", b"WATCH", b"QUIT"})

_QUEUED: Final = Status(b"QUEUED")

Refusal: TypeAlias = "Callable[[Sequence[bytes], Session], ReplyError | None]"


class Snapshot(NamedTuple):
    """The keys at one moment; `restore` may take it any number of times."""

    values: dict[bytes, Value]
    expires: dict[bytes, int]


class SimulatedRedis:
    """
    A server with one database.

    clock: returns the server's time in Unix µs. The owner may set it forward or back at any time;
    within a command, a script or a transaction it stands still.
    version: of the Redis that it resembles: since 7.0 script errors and some others read
    differently; since 7.2 scores are the shortest text that reads back.

    Its owner may set: `trouble`, a state in which it refuses commands; `refuse`, which is called
    with each command that a client sends, and may return an error to answer instead; `password`;
    `config`, what CONFIG GET and INFO show.

    A session that is blocked (`execute` returned BLOCKED) sends nothing more until its reply is
    delivered; the owner calls `wake_overdue` when `next_deadline` has come.
    """

    def __init__(
        self, clock: Callable[[], int], *, version: tuple[int, int, int] = (7, 0, 15)
    ) -> None:
        self.clock = clock
        self.version = version
        self.modern = version >= (7, 0, 0)
        self.shortest = version >= (7, 2, 0)
        self.db = Keyspace(shortest_score if self.shortest else plain_score, modern=self.modern)
        self.trouble: Trouble | None = None
        self.refuse: Refusal | None = None
        self.password: bytes | None = None
        self.config: dict[bytes, bytes] = {
            b"appendonly": b"yes",
            b"maxmemory": b"0",
            b"maxmemory-policy": b"noeviction",
            b"min-replicas-to-write": b"0",
            b"save": b"",
            b"timeout": b"0",
        }
        self.now_us = 0
        self.scripts: dict[bytes, bytes] = {}
        self.sessions_made = 0
        self.started_us = clock()
        self._lua: Lua = shared_lua()
        self._waiting: dict[bytes, list[Session]] = {}
        """Sessions blocked on a key, the longest first."""
        self.blocked: dict[Session, None] = {}
        self._script_wrote = False
        self._script_session = Session()
        self._script_session.queue = []  # it may not wait
        self.db.awaited = self._waiting

    def execute(self, command: Sequence[bytes], session: Session) -> Reply:
        """
        Execute a command, and return its reply, errors included; BLOCKED if there is none yet.

        Raises:
            ValueError: The session is blocked, or the command has no word.
        """
        if session.blocked is not None or not command:
            raise ValueError("the session waits for a reply" if command else "no command")
        self.now_us = self.clock()
        self.db.advance(self.now_us // 1000)
        try:
            name = self._check(command, session)
            if session.queue is not None and name not in _NOT_QUEUED:
                session.queue.append(list(command))
                return _QUEUED
            return self.run(command, session)
        except ReplyError as error:
            return error
        finally:
            if self.db.pushed:
                self._serve_blocked()

    def run(self, command: Sequence[bytes], session: Session) -> Reply:
        """Run a command that was checked before, or raise its error."""
        known = COMMANDS.get(command[0]) or COMMANDS.get(command[0].upper())
        if known is not None:
            return known.run(self.db, list(command[1:]))
        return SESSION_COMMANDS[command[0].upper()].run(self, session, list(command[1:]))

    def _check(self, command: Sequence[bytes], session: Session) -> bytes:
        """Return the command's name, or raise the error with which a server refuses it at once."""
        name = command[0].upper()
        refusal = self._refusal(command, name, session)
        if refusal is None:
            return name
        if session.queue is not None:
            if name == b"EXEC":
                session.leave_transaction(self.db)
                raise ReplyError(b"EXECABORT Transaction discarded because of: " + refusal.text)
            session.failed = True
        raise refusal

    def _refusal(
        self, command: Sequence[bytes], name: bytes, session: Session
    ) -> ReplyError | None:
        known = COMMANDS.get(name)
        meant = known or SESSION_COMMANDS.get(name)
        if meant is None:
            return unknown_command(command[0])
        if not meant.fits(len(command)):
            return wrong_arity(name)
        locked = self.password is not None and not session.authenticated
        if locked and name not in _WITHOUT_PASSWORD:
            return ReplyError("NOAUTH Authentication required.")
        if self.trouble is not None and self._in_trouble(self.trouble, name, known, session):
            return ReplyError(self.trouble.value)
        return None if self.refuse is None else self.refuse(command, session)

    def _in_trouble(
        self, trouble: Trouble, name: bytes, known: Command | None, session: Session
    ) -> bool:
        """Whether *trouble* refuses a command before it runs or is queued."""
        if trouble in _ALWAYS:
            return name not in _ALWAYS[trouble]
        meant = [known]
        if name == b"EXEC":
            meant = [COMMANDS.get(one[0].upper()) for one in session.queue or ()]
        if trouble is Trouble.READ_ONLY:
            return any(one is not None and one.writes for one in meant)
        # A queue may take any amount of memory.
        queues = session.queue is not None and name not in {b"EXEC", b"DISCARD", b"QUIT"}
        return queues or any(one is not None and one.grows for one in meant)

    def run_script(self, sha: bytes, keys: list[bytes], argv: list[bytes]) -> Reply:
        """Run a loaded script, and return its reply, or raise its error."""
        self._script_wrote = False
        return self._lua.run(sha, keys, argv, self)

    def load_script(self, text: bytes) -> bytes:
        """Know a script from now on; return its name, or raise why it does not compile."""
        sha = self._lua.load(text)
        self.scripts[sha] = text
        return sha

    def call_from_script(self, command: list[bytes]) -> Reply:
        """
        Execute a command of a script.

        Raises:
            ReplyError: It was refused, or failed.
        """
        name = command[0]
        known = COMMANDS.get(name)
        if known is None:
            name = name.upper()
            known = COMMANDS.get(name)
            if known is None:
                return self._session_command_in_script(command, name)
        if not known.fits(len(command)):
            raise self._wrong_arity_in_script()
        if known.writes:
            if self.trouble is not None and not self._script_wrote:
                self._check_trouble_in_script(self.trouble, known)
            self._script_wrote = True
        return known.run(self.db, command[1:])

    def _check_trouble_in_script(self, trouble: Trouble, known: Command) -> None:
        """Refuse a script's first write; once it has written, a server lets it finish."""
        if trouble is Trouble.READ_ONLY or (trouble is Trouble.FULL and known.grows):
            text = trouble.value
            raise ScriptUseError(text if self.modern else f"-{text}\r\n")

    def _session_command_in_script(self, command: list[bytes], name: bytes) -> Reply:
        known = SESSION_COMMANDS.get(name)
        if known is None:
            raise unknown_command(command[0])
        if not known.in_scripts:
            text = "ERR This Redis command is not allowed from script"
            raise ScriptUseError(text if self.modern else text.removeprefix("ERR ") + "s")
        if not known.fits(len(command)):
            raise self._wrong_arity_in_script()
        return known.run(self, self._script_session, command[1:])

    def _wrong_arity_in_script(self) -> ScriptUseError:
        if self.modern:
            text = "ERR Wrong number of args calling Redis command from script"
        else:
            text = "Wrong number of args calling Redis command From Lua script"
        return ScriptUseError(text)

    def block(self, session: Session) -> Reply:
        """Let a session wait for what its `blocked` says."""
        self.blocked[session] = None
        for key in dict.fromkeys(session.blocked.keys if session.blocked else ()):
            self._waiting.setdefault(key, []).append(session)
        return BLOCKED

    def _unblock(self, session: Session) -> None:
        blocked, session.blocked = session.blocked, None
        del self.blocked[session]
        for key in dict.fromkeys(blocked.keys if blocked else ()):
            sessions = self._waiting[key]
            sessions.remove(session)
            if not sessions:
                del self._waiting[key]

    def _serve_blocked(self) -> None:
        """Give what was pushed to the sessions that wait for it, the longest waiting first."""
        while self.db.pushed:
            key = next(iter(self.db.pushed))
            del self.db.pushed[key]
            while sessions := self._waiting.get(key):
                held = self.db.values.get(key)
                session, blocked = sessions[0], sessions[0].blocked
                if not isinstance(held, deque) or blocked is None:
                    break
                element = lists.taken_from(held, left=blocked.left)
                self.db.after_removal(key, held)
                self._unblock(session)
                session.deliver([key, element])

    def next_deadline(self) -> int | None:
        """Return when a blocked session's time ends, in µs of the server's clock; None if never."""
        ends = [one.blocked.deadline_us for one in self.blocked if one.blocked is not None]
        return min((end for end in ends if end is not None), default=None)

    def wake_overdue(self) -> None:
        """Deliver the replies of sessions that waited in vain until now."""
        now = self.clock()
        for session in list(self.blocked):
            blocked = session.blocked
            if blocked and blocked.deadline_us is not None and blocked.deadline_us <= now:
                self._unblock(session)
                session.deliver(blocked.in_vain)

    def disconnect(self, session: Session) -> None:
        """Forget a session whose connection is gone: its queue, its watches, and that it waits."""
        if session.blocked is not None:
            self._unblock(session)
        session.leave_transaction(self.db)

    def snapshot(self) -> Snapshot:
        """Return a copy of all keys."""
        values = {key: copied(value) for key, value in self.db.values.items()}
        return Snapshot(values, self.db.expires.copy())

    def restore(self, snapshot: Snapshot) -> None:
        """
        Be as after a restart with the data of *snapshot*.

        Scripts are gone. All sessions are forgotten: the owner cuts their connections.
        """
        self.scripts = {}
        self._waiting.clear()
        for session in self.blocked:
            session.blocked = None
        self.blocked = {}
        values = {key: copied(value) for key, value in snapshot.values.items()}
        self.db.replace(values, snapshot.expires.copy())
        self.started_us = self.clock()


def unknown_command(name: bytes) -> ReplyError:
    """Return the error for a command that the simulation does not know."""
    return ReplyError(
        b"ERR unknown command '%b': the simulated Redis knows only what the runner and arq use; "
        b"add it to runner/simulation/redis" % name[:64]
    )
