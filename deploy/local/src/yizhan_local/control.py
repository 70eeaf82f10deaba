"""How one process tells the supervisor of another what to do: a line of JSON on a Unix socket."""

import hashlib
import json
import socketserver
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from socket import AF_UNIX, socket
from typing import Any

Request = dict[str, Any]
Answer = dict[str, Any]

# A socket's path may have some 100 bytes, a folder's has no such limit.
LONGEST_PATH = 90


def socket_path(work_dir: Path) -> Path:
    """Return where the supervisor of a work folder listens."""
    near = work_dir / "control.sock"
    if len(str(near)) <= LONGEST_PATH:
        return near
    digest = hashlib.sha256(str(work_dir.resolve()).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"yizhan-{digest}.sock"


def serve(path: Path, handle: Callable[[Request], Answer]) -> socketserver.BaseServer:
    """Answer requests in the background until `shutdown()`."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            answer = handle(json.loads(self.rfile.readline()))
            self.wfile.write(json.dumps(answer).encode() + b"\n")

    path.unlink(missing_ok=True)
    server = socketserver.ThreadingUnixStreamServer(str(path), Handler)
    path.chmod(0o600)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="control", daemon=True).start()
    return server


def ask(path: Path, request: Request, timeout_s: float) -> Answer:
    """Send a request and wait for its answer; OSError if nobody listens."""
    with socket(AF_UNIX) as connection:
        connection.settimeout(timeout_s)
        connection.connect(str(path))
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile() as answers:
            answer: Answer = json.loads(answers.readline())
    return answer
