"""The limit that the service is measured against: a Flask application that does nothing.

It answers the service's own addresses, so that both sides get the very same requests.
"""

from flask import Flask, Response, jsonify

app = Flask(__name__)


@app.get("/healthz")
@app.get("/v1/recommendations")
def answer() -> Response:
    """Answer a small JSON object."""
    return jsonify(status="ok")


@app.post("/v1/events")
def take() -> tuple[Response, int]:
    """Throw the body away."""
    return jsonify(status="ok"), 202
