"""Scripts, in the real Lua 5.1: one state for all servers of a process, each text compiled once."""

from __future__ import annotations

from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, Protocol

from runner.extras import extra
from runner.simulation.redis.arguments import INT_MAX, INT_MIN, lua_number
from runner.simulation.redis.reply import Reply, ReplyError, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDEST: Final = 1000
"""Values that are passed to Lua on its stack; more go through a table, which is slower for few."""

_TEXTS: Final = {bytes}
_ERROR, _STATUS, _LIST, _LONG, _RAISED = b"error", b"status", b"list", b"long", b"raised"

_NOT_TEXT: Final = "command arguments must be strings or integers"
_NO_COMMAND: Final = "Please specify at least one argument for"


def sha_of(text: bytes) -> bytes:
    """Return the name by which EVALSHA knows a script."""
    return sha1(text).hexdigest().encode()  # noqa: S324 -- Redis's own name for it


class Caller(Protocol):
    """The server whose script runs."""

    modern: bool
    """Whether errors have the form that they have since Redis 7.0."""
    shortest: bool
    """Whether numbers are written as since Redis 7.2."""

    def call_from_script(self, command: list[bytes]) -> Reply:
        """Return the reply to a command; raise it if it is an error."""
        ...


class ScriptUseError(ReplyError):
    """A command that a script may not call so; before 7.0 its text names the line that called."""


class RaisedInLuaError(Exception):
    """An error on its way through Lua; *of_command*: whether it is the reply to a command."""

    def __init__(self, text: bytes, *, of_command: bool) -> None:
        self.text = text
        self.of_command = of_command
        super().__init__(text)


class Lua:
    """Redis's Lua."""

    def __init__(self) -> None:
        with extra("simulate", "the simulated Redis"):
            from lupa.lua51 import LuaRuntime

        lua = LuaRuntime(
            encoding=None,
            unpack_returned_tuples=True,
            register_eval=False,
            register_builtins=False,
        )
        prelude = (files(__package__) / "prelude.lua").read_bytes()
        offered = (self._call, self._pcall, self._sha1hex, self._decode, self._encode)
        given = lua.execute(prelude, *offered, self._text_of)
        self._compile, self._run, self._parts = given[b"compile"], given[b"run"], given[b"parts"]
        self._table_of, self._status = given[b"table_of"], given[b"status"]
        self._where = given[b"where"]
        self._lua_decode, self._lua_encode = given[b"decode"], given[b"encode"]
        self._table_from = lua.table_from
        self._table_type = type(lua.table())
        self._compiled: dict[bytes, Any] = {}
        self._caller: Caller
        """Whose script runs, or ran last."""
        self._fault: BaseException | None = None

    def load(self, text: bytes) -> bytes:
        """
        Compile a script, and return its name.

        Raises:
            ReplyError: It does not compile.
        """
        sha = sha_of(text)
        if sha not in self._compiled:
            compiled = self._compile(text)
            if isinstance(compiled, tuple):
                reason = compiled[1]
                raise ReplyError(b"ERR Error compiling script (new function): " + reason)
            self._compiled[sha] = compiled
        return sha

    def run(self, sha: bytes, keys: list[bytes], argv: list[bytes], caller: Caller) -> Reply:
        """
        Return what a loaded script returns; *caller* runs its commands.

        Raises:
            ReplyError: The script raised.
        """
        self._caller = caller
        script = self._compiled[sha]
        found = self._run(script, self._table(keys), self._table(argv), caller.modern)
        if self._fault is not None:
            fault, self._fault = self._fault, None
            raise fault
        if not isinstance(found, tuple):
            return [] if found == _LIST else None
        if found[0] == _RAISED:
            raise _located(sha, found, modern=caller.modern)
        return self._to_reply(found)

    def _to_reply(self, found: tuple[Any, ...]) -> Reply:
        kind = found[0]
        if kind == _LIST:
            return [self._value(item) for item in found[1:]]
        if kind == _ERROR:
            return ReplyError(found[1])
        if kind == _STATUS:
            return Status(found[1])
        if kind == _LONG:
            table = found[2]
            return [self._value(table[at]) for at in range(1, int(found[1]) + 1)]
        return self._value(found[1])

    def _value(self, value: Any) -> Reply:
        if type(value) is bytes:
            return value
        if type(value) is bool or value is None:
            return 1 if value else None
        if type(value) is int:
            return value if INT_MIN <= value <= INT_MAX else INT_MIN
        if type(value) is float:
            # Truncated; what does not fit is what the processor makes of it.
            return int(value) if INT_MIN <= value < INT_MAX else INT_MIN
        if type(value) is self._table_type:
            parts = self._parts(value)
            return self._to_reply(parts) if isinstance(parts, tuple) else []
        return None

    def _table(self, items: Sequence[Any]) -> Any:
        return self._table_of(*items) if len(items) <= _WIDEST else self._table_from(items)

    def _call(self, *words: Any) -> Any:
        """Be redis.call: errors are raised."""
        try:
            return self._to_lua(self._caller.call_from_script(self._command(words)))
        except ReplyError as error:
            raise RaisedInLuaError(self._told(error), of_command=True) from None
        except BaseException as fault:
            self._fault = fault
            raise

    def _pcall(self, *words: Any) -> Any:
        """Be redis.pcall: errors are returned."""
        try:
            return self._to_lua(self._caller.call_from_script(self._command(words)))
        except ReplyError as error:
            return self._to_lua(ReplyError(self._told(error)))
        except BaseException as fault:
            self._fault = fault
            raise

    def _command(self, words: tuple[Any, ...]) -> list[bytes]:
        if set(map(type, words)) == _TEXTS:
            return list(words)
        command: list[bytes] = []
        for word in words:
            if type(word) is bytes:
                command.append(word)
            elif type(word) is int or type(word) is float:
                command.append(lua_number(word, shortest=self._caller.shortest))
            else:
                lib = "ERR Lua redis lib" if self._caller.modern else "Lua redis()"
                raise ScriptUseError(f"{lib} {_NOT_TEXT}")
        if not command:
            modern = f"ERR {_NO_COMMAND} this redis lib call"
            raise ScriptUseError(modern if self._caller.modern else f"{_NO_COMMAND} redis.call()")
        return command

    def _to_lua(self, reply: Reply) -> Any:
        if type(reply) is bytes or type(reply) is int:
            return reply
        if isinstance(reply, list):
            return self._table([self._to_lua(item) for item in reply])
        if isinstance(reply, Status):
            return self._status(bytes(reply))
        if isinstance(reply, ReplyError):
            return self._table_from({b"err": reply.text})
        return False

    def _text_of(self, error: Any) -> tuple[bytes, bool]:
        if isinstance(error, RaisedInLuaError):
            return error.text, error.of_command
        return repr(error).encode(), False

    def _decode(self, *values: Any) -> Any:
        return self._checked(self._lua_decode(*values))

    def _encode(self, *values: Any) -> Any:
        return self._checked(self._lua_encode(*values))

    def _checked(self, found: Any) -> Any:
        """Return what a protected call returned, or raise its error at the script's line."""
        worked, value = found
        if worked:
            return value
        source, line = self._where()
        place = b"%b:%d: " % (source.removeprefix(b"@"), line) if line > 0 else b""
        raise RaisedInLuaError(place + value, of_command=False)

    def _told(self, error: ReplyError) -> bytes:
        if isinstance(error, ScriptUseError) and not self._caller.modern:
            source, line = self._where()
            return b"%b: %d: %b" % (source, line, error.text)
        return error.text

    def _sha1hex(self, text: Any = b"") -> bytes:
        return sha_of(text if isinstance(text, bytes) else lua_number(text, shortest=False))


def _located(sha: bytes, found: tuple[Any, ...], *, modern: bool) -> ReplyError:
    text, source, line = (*found[1:], None, None)[:3]
    if modern:
        where = b"" if source is None else b", on %b:%d" % (source, line)
        return ReplyError(b"%b script: %b%b." % (text, sha, where))
    where = b"" if source is None else b"%b:%d: " % (source, line)
    return ReplyError(b"ERR Error running script (call to f_%b): %b%b" % (sha, where, text))


@cache
def shared_lua() -> Lua:
    """Return the one Lua of this process."""
    return Lua()
