"""Is the sender a person's browser? A flag on all its events, never a reason to drop one. Pure.

The same rule for both arms, and its version in the flag: a figure that leaves programs out can be
computed again. Rules are lower-case parts of a User-Agent, in `bot_rules.txt`.
"""

import functools
import re
from pathlib import Path

MAX_AGENT = 512
"""Characters of a User-Agent that are looked at."""

PREFETCH = "prefetch"
"""Reason of a flag on a page fetched ahead: nobody asked for the page, the person is one still."""

_PREFETCHING = ("prefetch", "prerender", "preview")


def bot_flag(user_agent: str, purpose: str = "") -> str:
    """Return `VERSION:REASON` when a program, or a page nobody asked for, is taken to have sent it.

    Args:
        user_agent: The request's header, may be empty.
        purpose: Its Sec-Purpose or Purpose header, may be empty.
    """
    if purpose and any(word in purpose.lower() for word in _PREFETCHING):
        return f"{_rules()[0]}:{PREFETCH}"
    return _flag_of_agent(user_agent[:MAX_AGENT])


@functools.lru_cache(maxsize=4096)
def _flag_of_agent(user_agent: str) -> str:
    version, pattern = _rules()
    if not user_agent.strip():
        return f"{version}:no-agent"
    found = pattern.search(user_agent.lower())
    return f"{version}:{found.group()}" if found else ""


@functools.cache
def _rules() -> tuple[str, re.Pattern[str]]:
    lines = Path(__file__).with_name("bot_rules.txt").read_text().splitlines()
    version = lines[0].removeprefix("# version ")
    parts = [line for line in lines if line and not line.startswith("#")]
    # Longer parts first: the flag names the most telling one.
    return version, re.compile("|".join(map(re.escape, sorted(parts, key=len, reverse=True))))
