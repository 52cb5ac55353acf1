"""Which addresses the web server's own loop may have answered, past everything in front of them.

In come the two endpoints; out go functions that answer many requests at once.
"""

from collections.abc import Callable, Sequence
from typing import Any

from recommender.web import collect_endpoint, slate_endpoint
from recommender.web.answers import Answer
from recommender.web.collect_endpoint import CollectEndpoint
from recommender.web.proxy_check import ProxyCheck
from recommender.web.slate_endpoint import SlateEndpoint

AnswerEach = Callable[[Sequence[dict[str, Any]]], list[Answer]]


def direct_answers(
    slates: SlateEndpoint, collect: CollectEndpoint, proxy_check: ProxyCheck
) -> dict[tuple[str, str], AnswerEach]:
    """Return method and path → what answers requests for it, told as WSGI does, in their order."""

    def looked_at(answer_each: AnswerEach) -> AnswerEach:
        def answer(environs: Sequence[dict[str, Any]]) -> list[Answer]:
            for environ in environs:
                proxy_check.look(environ)
            return answer_each(environs)

        return answer

    return {
        ("GET", slate_endpoint.PATH): looked_at(slates.answer_each),
        ("POST", collect_endpoint.PATH): looked_at(collect.answer_each),
    }
