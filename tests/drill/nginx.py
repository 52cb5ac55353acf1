"""The shipped proxy configuration, run as it is but for its places and its certificate."""

import contextlib
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from drill.servers import wait_for
from processes import free_port
from recommender.adapters.child_process import end_child, start_child

DEPLOY = Path(__file__).parents[2] / "deploy"


def local_configuration(folder: Path, port: int, web_port: int) -> str:
    """Return deploy/nginx.conf for a private port without TLS."""
    text = (DEPLOY / "nginx.conf").read_text()
    places = {
        "/run/nginx.pid": str(folder / "nginx.pid"),
        "/var/log/nginx/": f"{folder}/",
        "/var/cache/nginx/": f"{folder}/cache-",
        "/etc/nginx/recommender-locations.conf": str(DEPLOY / "recommender-locations.conf"),
        "127.0.0.1:8000": f"127.0.0.1:{web_port}",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{port};",
        "listen 80 default_server;": f"listen 127.0.0.1:{free_port()} default_server;",
    }
    for shipped, local in places.items():
        assert shipped in text, shipped
        text = text.replace(shipped, local)
    text = re.sub(r"(?m)^\s*(listen \[::\]|ssl_|add_header Strict).*$", "", text)
    return f"user root;\n{text}"


def _accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@contextlib.contextmanager
def proxy(folder: Path, web_port: int) -> Iterator[str]:
    """Run nginx before the web server; give its address.

    Raises:
        FileNotFoundError: nginx is not installed.
    """
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if program is None:
        raise FileNotFoundError("nginx is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(local_configuration(folder, port, web_port))
    argv = [program, "-c", str(config), "-e", str(folder / "error.log"), "-g", "daemon off;"]
    subprocess.run([*argv[:-2], "-t"], check=True, capture_output=True)
    with (folder / "output.log").open("wb") as log:
        child = start_child(argv, output=log)
    try:
        wait_for(lambda: _accepts(port), seconds=60, what="nginx")
        yield f"http://127.0.0.1:{port}"
    finally:
        end_child(child, patience_seconds=10)
