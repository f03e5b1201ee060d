"""Commands that need more than keys: transactions, scripts, waiting, and the server itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias

from runner.simulation.redis.arguments import SYNTAX, glob, integer, pairs, real
from runner.simulation.redis.command import fits, wrong_arity
from runner.simulation.redis.info import info_text
from runner.simulation.redis.lists import taken_from
from runner.simulation.redis.lua import sha_of
from runner.simulation.redis.reply import NIL_ARRAY, OK, Reply, ReplyError, Status
from runner.simulation.redis.session import Blocked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runner.simulation.redis.keyspace import Keyspace
    from runner.simulation.redis.session import Session


class Server(Protocol):
    """What these commands use of the server."""

    db: Keyspace
    version: tuple[int, int, int]
    now_us: int
    started_us: int
    password: bytes | None
    config: dict[bytes, bytes]
    scripts: dict[bytes, bytes]
    blocked: dict[Session, None]

    def run(self, command: Sequence[bytes], session: Session) -> Reply:
        """Run a command that was checked before."""
        ...

    def run_script(self, sha: bytes, keys: list[bytes], argv: list[bytes]) -> Reply:
        """Run a loaded script."""
        ...

    def load_script(self, text: bytes) -> bytes:
        """Know a script from now on."""
        ...

    def block(self, session: Session) -> Reply:
        """Let a session wait for what its `blocked` says."""
        ...


Run: TypeAlias = "Callable[[Server, Session, list[bytes]], Reply]"


class SessionCommand(NamedTuple):
    """A command, how many words it has (as in Command), and whether a script may call it."""

    run: Run
    arity: int
    in_scripts: bool

    def fits(self, words: int) -> bool:
        """Whether it takes so many words, its name included."""
        return fits(self.arity, words)


_RESP2: Final = 2

SESSION_COMMANDS: Final[dict[bytes, SessionCommand]] = {}


def _command(name: str, arity: int, *, in_scripts: bool = False) -> Callable[[Run], Run]:
    def add(run: Run) -> Run:
        SESSION_COMMANDS[name.encode()] = SessionCommand(run, arity, in_scripts)
        return run

    return add


def _not_known(command: str, args: Sequence[bytes]) -> ReplyError:
    word = args[0].decode(errors="replace") if args else ""
    return ReplyError(f"ERR unknown subcommand '{word}': the simulated Redis has no such {command}")


@_command("MULTI", 1)
def multi(server: Server, session: Session, args: list[bytes]) -> Reply:
    """MULTI."""
    del server, args
    if session.queue is not None:
        raise ReplyError("ERR MULTI calls can not be nested")
    session.queue = []
    return OK


@_command("EXEC", 1)
def exec_(server: Server, session: Session, args: list[bytes]) -> Reply:
    """EXEC: run what was queued, unless it was refused or a watched key has changed."""
    del args
    if session.queue is None:
        raise ReplyError("ERR EXEC without MULTI")
    try:
        if session.failed:
            raise ReplyError("EXECABORT Transaction discarded because of previous errors.")
        if session.spoilt:
            return NIL_ARRAY
        replies: list[Reply] = []
        for command in session.queue:
            try:
                replies.append(server.run(command, session))
            except ReplyError as error:
                replies.append(error)
        return replies
    finally:
        session.leave_transaction(server.db)


@_command("DISCARD", 1)
def discard(server: Server, session: Session, args: list[bytes]) -> Reply:
    """DISCARD."""
    del args
    if session.queue is None:
        raise ReplyError("ERR DISCARD without MULTI")
    session.leave_transaction(server.db)
    return OK


@_command("WATCH", -2)
def watch(server: Server, session: Session, args: list[bytes]) -> Reply:
    """WATCH key..."""
    if session.queue is not None:
        raise ReplyError("ERR WATCH inside MULTI is not allowed")
    for key in args:
        session.watch(key, server.db)
    return OK


@_command("UNWATCH", 1)
def unwatch(server: Server, session: Session, args: list[bytes]) -> Reply:
    """UNWATCH."""
    del args
    session.unwatch(server.db)
    return OK


def _timeout_us(text: bytes) -> int:
    timeout = real(text, ReplyError("ERR timeout is not a float or out of range"))
    if timeout < 0:
        raise ReplyError("ERR timeout is negative")
    return round(timeout * 1_000_000)


def _blocking_pop(server: Server, session: Session, args: list[bytes], *, left: bool) -> Reply:
    keys = args[:-1]
    timeout_us = _timeout_us(args[-1])
    for key in keys:
        held = server.db.list(key)
        if held:
            element = taken_from(held, left=left)
            server.db.after_removal(key, held)
            return [key, element]
    if session.queue is not None:
        return NIL_ARRAY
    deadline = server.now_us + timeout_us if timeout_us else None
    session.blocked = Blocked(tuple(keys), deadline, left)
    return server.block(session)


@_command("BLPOP", -3)
def blpop(server: Server, session: Session, args: list[bytes]) -> Reply:
    """BLPOP key... timeout; in a transaction it does not wait."""
    return _blocking_pop(server, session, args, left=True)


@_command("BRPOP", -3)
def brpop(server: Server, session: Session, args: list[bytes]) -> Reply:
    """BRPOP key... timeout."""
    return _blocking_pop(server, session, args, left=False)


@_command("WAIT", 3)
def wait(server: Server, session: Session, args: list[bytes]) -> Reply:
    """WAIT numreplicas timeout: there is no replica, so it waits for one in vain."""
    wanted = integer(args[0])
    timeout_ms = integer(args[1], ReplyError("ERR timeout is not an integer or out of range"))
    if timeout_ms < 0:
        raise ReplyError("ERR timeout is negative")
    if wanted <= 0 or session.queue is not None:
        return 0
    deadline = server.now_us + timeout_ms * 1000 if timeout_ms else None
    session.blocked = Blocked((), deadline, in_vain=0)
    return server.block(session)


def _keys_and_arguments(args: list[bytes]) -> tuple[list[bytes], list[bytes]]:
    count = integer(args[1])
    if count > len(args) - 2:
        raise ReplyError("ERR Number of keys can't be greater than number of args")
    if count < 0:
        raise ReplyError("ERR Number of keys can't be negative")
    return args[2 : 2 + count], args[2 + count :]


@_command("EVAL", -3)
def eval_(server: Server, session: Session, args: list[bytes]) -> Reply:
    """EVAL script numkeys key... argument..."""
    del session
    keys, argv = _keys_and_arguments(args)
    return server.run_script(server.load_script(args[0]), keys, argv)


@_command("EVALSHA", -3)
def evalsha(server: Server, session: Session, args: list[bytes]) -> Reply:
    """EVALSHA sha1 numkeys key... argument..."""
    del session
    keys, argv = _keys_and_arguments(args)
    sha = args[0].lower()
    if sha not in server.scripts:
        raise ReplyError("NOSCRIPT No matching script. Please use EVAL.")
    return server.run_script(sha, keys, argv)


@_command("SCRIPT", -2)
def script(server: Server, session: Session, args: list[bytes]) -> Reply:
    """SCRIPT LOAD text | EXISTS sha... | FLUSH [ASYNC | SYNC] | KILL."""
    del session
    match args[0].upper(), args[1:]:
        case b"LOAD", [text]:
            server.load_script(text)
            return sha_of(text)
        case b"EXISTS", [_, *_] as shas:
            return [int(sha.lower() in server.scripts) for sha in shas]
        case b"FLUSH", [] | [b"ASYNC" | b"SYNC" | b"async" | b"sync"]:
            server.scripts.clear()
            return OK
        case b"KILL", []:
            raise ReplyError("NOTBUSY No scripts in execution right now.")
        case _:
            raise _not_known("SCRIPT", args)


@_command("PING", -1, in_scripts=True)
def ping(server: Server, session: Session, args: list[bytes]) -> Reply:
    """PING [message]."""
    del server, session
    if len(args) > 1:
        raise wrong_arity(b"ping")
    return args[0] if args else Status(b"PONG")


@_command("ECHO", 2, in_scripts=True)
def echo(server: Server, session: Session, args: list[bytes]) -> Reply:
    """ECHO message."""
    del server, session
    return args[0]


@_command("QUIT", -1)
def quit_(server: Server, session: Session, args: list[bytes]) -> Reply:
    """QUIT: the owner closes the connection after the reply."""
    del server, session, args
    return OK


@_command("TIME", 1, in_scripts=True)
def time(server: Server, session: Session, args: list[bytes]) -> Reply:
    """TIME: seconds and microseconds."""
    del session, args
    seconds, us = divmod(server.now_us, 1_000_000)
    return [b"%d" % seconds, b"%d" % us]


@_command("SELECT", 2, in_scripts=True)
def select(server: Server, session: Session, args: list[bytes]) -> Reply:
    """SELECT index: there is database 0 alone."""
    del server, session
    if integer(args[0], ReplyError("ERR invalid DB index")) != 0:
        raise ReplyError("ERR DB index is out of range: the simulated Redis has database 0 alone")
    return OK


@_command("PUBLISH", 3, in_scripts=True)
def publish(server: Server, session: Session, args: list[bytes]) -> Reply:
    """PUBLISH channel message: nobody can subscribe here."""
    del server, session, args
    return 0


def _authenticate(server: Server, session: Session, words: list[bytes]) -> None:
    if server.password is None and len(words) == 1:
        raise ReplyError(
            "ERR AUTH <password> called without any password configured for the default user. "
            "Are you sure your configuration is correct?"
        )
    *user, password = words
    if user not in ([], [b"default"]) or server.password not in {None, password}:
        raise ReplyError("WRONGPASS invalid username-password pair or user is disabled.")
    session.authenticated = True


@_command("AUTH", -2)
def auth(server: Server, session: Session, args: list[bytes]) -> Reply:
    """AUTH [username] password."""
    if len(args) > 2:  # noqa: PLR2004 -- a name and a password
        raise SYNTAX
    _authenticate(server, session, args)
    return OK


@_command("HELLO", -1)
def hello(server: Server, session: Session, args: list[bytes]) -> Reply:
    """HELLO [2 [AUTH username password] [SETNAME name]]; RESP3 is not spoken here."""
    version_error = ReplyError("ERR Protocol version is not an integer or out of range")
    if args and integer(args[0], version_error) != _RESP2:
        raise ReplyError("NOPROTO unsupported protocol version")
    rest = args[1:]
    while rest:
        match [rest[0].upper(), *rest[1:]]:
            case [b"AUTH", name, password, *rest]:
                _authenticate(server, session, [name, password])
            case [b"SETNAME", name, *rest]:
                session.name = name
            case _:
                raise ReplyError(b"ERR Syntax error in HELLO option '%b'" % rest[0])
    if server.password is not None and not session.authenticated:
        raise ReplyError(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the "
            "HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and "
            "select the RESP protocol version at the same time"
        )
    version = ".".join(map(str, server.version)).encode()
    told: list[Reply] = [b"server", b"redis", b"version", version, b"proto", 2]
    told += [b"id", session.number, b"mode", b"standalone", b"role", b"master", b"modules", []]
    return told


@_command("CLIENT", -2)
def client(server: Server, session: Session, args: list[bytes]) -> Reply:
    """CLIENT SETNAME name | GETNAME | ID | SETINFO attribute value (since 7.2)."""
    match args[0].upper(), args[1:]:
        case b"SETNAME", [name]:
            if any(not 33 <= byte <= 126 for byte in name):  # noqa: PLR2004 -- '!' and '~'
                raise ReplyError(
                    "ERR Client names cannot contain spaces, newlines or special characters."
                )
            session.name = name
            return OK
        case b"GETNAME", []:
            return session.name or None
        case b"ID", []:
            return session.number
        case b"SETINFO", [_, _] if server.version >= (7, 2, 0):
            return OK
        case _:
            raise _not_known("CLIENT", args)


@_command("CONFIG", -2)
def config(server: Server, session: Session, args: list[bytes]) -> Reply:
    """CONFIG GET pattern... | SET name value..."""
    del session
    match args[0].upper(), args[1:]:
        case b"GET", [_, *_] as patterns:
            matches = [glob(pattern.lower()).fullmatch for pattern in patterns]
            found = [one for one in server.config if any(match(one) for match in matches)]
            return [part for one in found for part in (one, server.config[one])]
        case b"SET", [_, _, *_] as given if len(given) % 2 == 0:
            for name, value in pairs(given):
                if name.lower() not in server.config:
                    raise ReplyError(
                        b"ERR Unknown option or number of arguments for CONFIG SET - '%b'" % name
                    )
                server.config[name.lower()] = value
            return OK
        case _:
            raise _not_known("CONFIG", args)


@_command("INFO", -1, in_scripts=True)
def info(server: Server, session: Session, args: list[bytes]) -> Reply:
    """INFO [section...]."""
    del session
    return info_text(
        [section.lower().decode(errors="replace") for section in args],
        version=".".join(map(str, server.version)),
        uptime_s=max(0, server.now_us - server.started_us) // 1_000_000,
        config=server.config,
        blocked=len(server.blocked),
        keys=len(server.db.values),
        expires=len(server.db.expires),
    )
