"""A server before a server: forwards completions, after the faults that a test asks for."""

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Fault = Callable[[BaseHTTPRequestHandler], None]


def status(code: int, **headers: str) -> Fault:
    """Return a fault that answers with an error status."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", "0")
        handler.end_headers()

    return answer


def cut(handler: BaseHTTPRequestHandler) -> None:
    """End the connection in the middle of a reply."""
    handler.send_response(200)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"id":')
    handler.wfile.flush()
    handler.close_connection = True


class FaultyProxy:
    """`faults`, by the number of the request; `bodies`: what was asked; `busiest`: at a time."""

    def __init__(self, target: str, edit: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self.target = target
        self.edit = edit
        self.faults: dict[int, Fault] = {}
        self.bodies: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self.busy = self.busiest = 0
        self.lock = threading.Lock()
        self.url = ""

    def forward(self, body: dict[str, Any]) -> tuple[int, bytes]:
        """Return status and content of the target's answer."""
        connection = http.client.HTTPConnection(self.target.removeprefix("http://"))
        content = json.dumps(self.edit(body))
        connection.request("POST", "/v1/completions", content, {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read()


@contextmanager
def faulty_proxy(
    target: str, edit: Callable[[dict[str, Any]], dict[str, Any]] = lambda body: body
) -> Iterator[FaultyProxy]:
    """Run a proxy of the server at `target`; `edit` changes a request's body on its way."""
    proxy = FaultyProxy(target, edit)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with proxy.lock:
                fault = proxy.faults.get(len(proxy.bodies))
                proxy.bodies.append(body)
                proxy.keys.add(self.headers["authorization"])
                proxy.busy += 1
                proxy.busiest = max(proxy.busiest, proxy.busy)
            try:
                if fault:
                    fault(self)
                    return
                code, content = proxy.forward(body)
                self.send_response(code)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            finally:
                with proxy.lock:
                    proxy.busy -= 1

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
