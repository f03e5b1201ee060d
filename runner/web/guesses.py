"""
Guesses at passwords and tokens: counted in Redis before they are checked, for all servers alike.

An address may be wrong five times in five minutes, an account ten times from wherever. So whoever
guesses locks out their own address before the account that they guess at. What was right is taken
back, and only that: who knows one password gets no more guesses at another.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from redis.exceptions import ResponseError

from runner.broker import keys
from runner.broker.scripts import GUESS
from runner.broker.scripts.fields import GuessHead
from runner.broker.set_aside import is_wrong_type
from runner.chance import new_id
from runner.errors import RunnerError, UnreadableError
from runner.web.peers import one_place
from runner.wording import span

if TYPE_CHECKING:
    from redis.asyncio import Redis

_WINDOW_MS = 300_000
_MOST = {"address": 5, "account": 10, "bearer": 5}
"""The most wrong guesses in a window, of each kind of set."""


class TooManyGuessesError(RunnerError):
    """Nothing was checked. wait_s: seconds until another guess is."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"too many attempts: wait {span(wait_s)}")
        self.wait_s = wait_s


@dataclass(slots=True)
class Guess:
    """One guess that counts, until it turns out to be right."""

    _redis: Redis
    number: str = field(default_factory=new_id)
    counted_in: list[str] = field(default_factory=list)

    async def take_back(self) -> None:
        """Let it count no more; guesses of others stay."""
        async with self._redis.pipeline(transaction=True) as pipe:
            for key in self.counted_in:
                pipe.srem(key, self.number)
            await pipe.execute()


class Guesses:
    """Counts guesses. secret: without it nobody can tell from Redis what was guessed."""

    def __init__(self, redis: Redis, secret: str) -> None:
        self._redis = redis
        self._secret = secret.encode()

    async def count(self, address: str, account: str | None) -> Guess:
        """
        Count a guess at the password of *account*, or at a token, before it is checked.

        Raises:
            TooManyGuessesError: It is not to be checked.
            UnreadableError: What stands in the place of the guesses is none: nothing is checked.
        """
        guess = Guess(self._redis)
        await self._take(self._key("address", one_place(address)), _MOST["address"], guess.number)
        guess.counted_in.append(self._key("address", one_place(address)))
        if account is not None:
            at_account = self._key("account", account)
            try:
                await self._take(at_account, _MOST["account"], guess.number)
            except RunnerError:
                await guess.take_back()
                raise
            guess.counted_in.append(at_account)
        return guess

    async def bearer(self, address: str, wrong: str) -> None:
        """
        Count a token that was sent, if it is *wrong*; the same one counts once.

        Raises:
            TooManyGuessesError: Too many wrong ones came from there, so none is accepted.
        """
        guess = hmac.digest(self._secret, wrong.encode(), "sha256").hex()[:32] if wrong else ""
        await self._take(self._key("bearer", one_place(address)), _MOST["bearer"], guess)

    async def _take(self, key: str, most: int, guess: str) -> None:
        head = GuessHead(guess, most, _WINDOW_MS)
        try:
            wait_ms = await self._redis.eval(GUESS, 1, key, *head)  # type: ignore[misc,arg-type]
        except ResponseError as error:
            if is_wrong_type(error):
                raise UnreadableError(f"{key} holds what is no set of guesses") from None
            raise
        if wait_ms:
            raise TooManyGuessesError(wait_ms / 1000)

    def _key(self, kind: str, whose: str) -> str:
        digest = hashlib.sha256(whose.encode("utf-8", "surrogatepass")).hexdigest()[:32]
        return f"{keys.of(self._redis).guesses_prefix}{kind}:{digest}"
