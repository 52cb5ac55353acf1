"""An application with one lane, for the tests of the worker that has them."""

import pathlib
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

import orjson
from flask import Flask, request

from recommender.adapters.direct_http import Answered

PATH = "/lane"

app = Flask(__name__)


@app.route(PATH, methods=["GET", "POST"])
@app.route("/other", methods=["GET", "POST"])
def answer() -> bytes:
    """Answer as the framework does."""
    return _told("framework", 1, request.get_data(), request.args.get("name", ""))


def answer_each(environs: Sequence[dict[str, Any]]) -> list[Answered]:
    """Answer as a lane does; what a request says of files is waited for, or fails."""
    return [_answer(environ, len(environs)) for environ in environs]


def _answer(environ: dict[str, Any], together: int) -> Answered:
    said = parse_qs(environ["QUERY_STRING"])
    if "fault" in said:
        raise RuntimeError("as asked for")
    if "begun" in said:
        pathlib.Path(said["begun"][0]).touch()
    while "until" in said and not pathlib.Path(said["until"][0]).exists():
        time.sleep(0.005)
    body = _told("lane", together, environ["wsgi.input"].read(), said.get("name", [""])[0])
    body += b" " * int(said.get("more", ["0"])[0])
    return "200 OK", [("Content-Length", str(len(body)))], body


def _told(by: str, together: int, body: bytes, name: str = "") -> bytes:
    return orjson.dumps({"by": by, "together": together, "body": len(body), "name": name})


app.extensions["direct"] = {("GET", PATH): answer_each, ("POST", PATH): answer_each}
