"""Who is taken for a program, and that people are not."""

import re

import pytest

from recommender.events.bots import MAX_AGENT, bot_flag

PEOPLE = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0"
    ),
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 "
        "(KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1"
    ),
    "Mozilla/5.0 (Linux; Android 9; CUBOT NOVA Build/PPR1) AppleWebKit/537.36 Chrome/120.0 Mobile",
    "Mozilla/5.0 (Linux; Android 13; CUBOT_X70) AppleWebKit/537.36 Chrome/120.0 Mobile Safari",
    "Mozilla/5.0 (iPhone) AppleWebKit/605 [FBAN/FBIOS;FBAV/480.0;FBDV/iPhone14,5]",
]
PROGRAMS = [
    ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "googlebot"),
    ("Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)", "bot/"),
    ("Mozilla/5.0 (compatible; Baiduspider/2.0)", "spider"),
    ("Mozilla/5.0 (X11) AppleWebKit/537.36 HeadlessChrome/141.0.0.0 Safari/537.36", "headless"),
    ("python-requests/2.32", "python-requests"),
    ("curl/8.5.0", "curl/"),
    ("", "no-agent"),
    ("  ", "no-agent"),
]


@pytest.mark.parametrize("agent", PEOPLE)
def test_people_s_browsers_are_not_flagged(agent: str) -> None:
    assert bot_flag(agent) == ""


@pytest.mark.parametrize(("agent", "reason"), PROGRAMS)
def test_programs_are_flagged_with_version_and_reason(agent: str, reason: str) -> None:
    version, _, said = bot_flag(agent).partition(":")
    assert re.fullmatch("[0-9]+", version)
    assert said == reason


def test_a_page_fetched_ahead_is_nobody_s_visit() -> None:
    for purpose in ("prefetch", "prefetch;prerender", "Prerender"):
        assert bot_flag(PEOPLE[0], purpose).endswith(":prefetch")
    assert bot_flag(PEOPLE[0], "") == ""


def test_only_the_beginning_of_a_long_agent_is_read() -> None:
    assert bot_flag("x" * MAX_AGENT + "Googlebot") == ""
