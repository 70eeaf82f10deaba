"""Stands in for a service: says that it is ready and shows its environment; ends when told to."""

import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Face(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"argv": sys.argv[1:], "env": dict(os.environ)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_DELETE(self) -> None:
        os._exit(3)

    def log_message(self, *_: object) -> None:
        pass


signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
if os.environ.get("YIZHAN_STUB_FAILS"):
    sys.exit("as told")
ThreadingHTTPServer(("127.0.0.1", int(os.environ["YIZHAN_HTTP_PORT"])), Face).serve_forever()
