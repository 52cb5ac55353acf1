"""The console script called in this process: the same entry, the same lines, the same status.

For what a command does and says; a process of its own costs a second only to begin.
"""

import contextlib
import contextvars
import logging
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import structlog
from click.testing import CliRunner, Result

from recommender.bootstrap import Services
from recommender.cli import common
from recommender.cli.main import main


class _Script:
    name = "recommender"

    def main(self, args: tuple[str, ...], **_: Any) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["recommender", *args])
            main()


def called(*words: str, environ: Mapping[str, str], stdin: str = "") -> Result:
    """Call the script with further settings; what it raises beyond its own errors is raised."""
    built: list[Services] = []

    def bootstrap(*args: Any, **named: Any) -> Services:
        built.append(original(*args, **named))
        return built[-1]

    original = common.bootstrap
    with own_logging(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(common, "bootstrap", bootstrap)
        # In a context of its own: a command says who acts.
        run = contextvars.copy_context().run
        result = run(CliRunner().invoke, _Script(), words, stdin, env=environ)  # type: ignore[arg-type]
    for services in built:
        services.database.dispose()
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@contextlib.contextmanager
def own_logging() -> Iterator[None]:
    """Take back what a command chose for this process's logs."""
    handlers = logging.root.handlers[:]
    try:
        yield
    finally:
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
        logging.root.handlers[:] = handlers
