"""
`make simulate`: play many schedules, each in a world of its own, and judge each.

    make simulate ARGS="--seeds 1000"
    make simulate ARGS="--seeds 100000 --from 40000 --processes 2"
    make simulate ARGS="--seed 4711"
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter

from tests.simulation.many import play_all
from tests.simulation.play import play
from tests.simulation.schedule import draw
from tests.simulation.shrink import described, shrink


def main(arguments: list[str]) -> int:
    """Play what was asked for; return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="make simulate")
    parser.add_argument("--seeds", type=int, default=300, help="how many schedules to play")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--seed", type=int, help="play this one, and show its smallest form")
    parser.add_argument("--large", action="store_true", help="only large schedules")
    parser.add_argument("--small", action="store_true", help="only small schedules")
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--digests", action="store_true", help="print each history's hash, alone")
    asked = parser.parse_args(arguments)
    large = True if asked.large else False if asked.small else None
    if asked.seed is not None:
        return _one(asked.seed, large=large)
    if asked.digests:
        for seed in range(asked.first, asked.first + asked.seeds):
            sys.stdout.write(f"{seed} {play(draw(seed, large=large)).digest}\n")
        return 0
    started = time.monotonic()
    broken, played, commands = 0, 0, 0
    seen: Counter[str] = Counter()
    for seed, verdict in play_all(asked.first, asked.seeds, asked.processes, large=large):
        played += 1
        commands += verdict.commands
        seen.update(verdict.seen)
        if verdict.faults:
            broken += 1
            sys.stdout.write(f"seed {seed}: {verdict.faults[0]}\n")
            sys.stdout.write(f'  again: make simulate ARGS="--seed {seed}{_flag(large)}"\n')
            sys.stdout.flush()
    took_s = time.monotonic() - started
    sys.stdout.write(
        f"{played:,} schedules from seed {asked.first}, {commands:,} commands, {took_s:.0f} s "
        f"({played / took_s * 60:,.0f} a minute): {broken} broke a promise\n"
    )
    rare = ", ".join(f"{name} {count:,}" for name, count in sorted(seen.items()))
    sys.stdout.write(f"met: {rare}\n")
    return 1 if broken else 0


def _flag(large: bool | None) -> str:  # noqa: FBT001 -- as `draw` has it
    return {None: "", True: " --large", False: " --small"}[large]


def _one(seed: int, *, large: bool | None) -> int:
    verdict = play(draw(seed, large=large))
    for fault in verdict.faults:
        sys.stdout.write(f"{fault}\n")
    if not verdict.faults:
        sys.stdout.write(f"seed {seed}: all promises kept, {verdict.commands:,} commands\n")
        return 0
    smallest, verdict = shrink(draw(seed, large=large))
    sys.stdout.write(f"\nThe smallest form found:\n{described(smallest)}\n{verdict.faults[0]}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
