"""The page, answered by Python on this machine: standard library only.

What protects the person who runs it; tests/playground/test_server.py tries each:

- A page in another tab asks the server: the token of the address comes in a header, `Origin` must
  be the server's own, and nothing is ever answered for CORS.
- A name that leads to 127.0.0.1 (DNS rebinding): `Host` must be an IP address, localhost, or a
  name that was allowed.
- Another machine connects: bound to 127.0.0.1, unless `host` says otherwise.
- A hostile picture: four formats; bytes, pixels and frames are counted before decoding.
- A hostile message: every field is bounded, examples are names and no paths, code is never taken.
- A flood: one run at a time, few may wait, few connections.
- A slow client: seconds for its message as a whole, and for taking each event.
- A client that has gone: the run ends at its next event.
"""

from __future__ import annotations

import hmac
import ipaddress
import json
import logging
import secrets
import select
import socket
import sys
import threading
import time
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any
from urllib.parse import urlsplit

from ..errors import UserError
from .answers import Playground
from .protocol import MOST_BYTES, Event

LOG = logging.getLogger("numpygit")
MOST_BODY = MOST_BYTES * 4 // 3 + 200_000
MOST_WAITING = 8  # messages, one of which is answered
MOST_CONNECTIONS = 24
PATIENCE = 15.0  # seconds for a client to send its message, or to take an event
LONGEST_RUN = 120.0  # seconds
KINDS = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "mjs": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self' http://localhost:* http://127.0.0.1:*"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # the token is in the address
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def page_files() -> dict[str, bytes]:
    """Read the files of the page: name -> content."""
    folder = resources.files(__package__) / "page"
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def own_address() -> str:
    """Find the address by which others in the network know this machine; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address that is nobody's
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


class Server(ThreadingHTTPServer):
    """The local server. `url` is the address to open; it holds the token."""

    daemon_threads = True
    request_queue_size = 16

    def __init__(
        self,
        playground: Playground,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        names: Iterable[str] = (),
    ) -> None:
        self.playground = playground
        self.names = {name.lower() for name in names}
        self.token = secrets.token_urlsafe(16)
        self.files = page_files()
        self.turn = threading.Lock()  # whose run it is
        self.waiting = threading.BoundedSemaphore(MOST_WAITING)
        self.connections = threading.BoundedSemaphore(MOST_CONNECTIONS)
        if ":" in host:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((host, port), Handler)
        except OSError as error:
            raise UserError(
                f"cannot listen on {host} port {port}: {error.strerror or error}; "
                "another --port may be free"
            ) from None
        self.is_local = ipaddress.ip_address(str(self.server_address[0])).is_loopback

    @property
    def url(self) -> str:
        """The address of the page, token included."""
        host, port = str(self.server_address[0]), self.server_address[1]
        shown = own_address() if host in ("0.0.0.0", "::") else host
        return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/#token={self.token}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Refuse a connection more than there may be."""
        if not self.connections.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer a connection in its thread, and let the next one in."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say in one line what went wrong, unless the client has just gone away."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            LOG.error("play: %s: %s", type(error).__name__, error)

    def accepts(self, host: str) -> bool:
        """Judge a `Host`: an IP address cannot be rebound, and a name must be a known one."""
        name = urlsplit(f"//{host}").hostname or ""
        if name == "localhost" or name in self.names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not self.is_local


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    server_version = "numpygit"
    sys_version = ""
    timeout = PATIENCE

    def log_message(self, format: str, *arguments: Any) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        """Give a file of the page. They hold no secret; the token stays in the browser."""
        if not self.is_for_us():
            return
        name = urlsplit(self.path).path.removeprefix("/") or "index.html"
        content = self.server.files.get(name)
        if content is None:
            self.refuse(404, "there is no such file")
            return
        self.reply(200, KINDS.get(name.rsplit(".", 1)[-1], "application/octet-stream"), content)

    def do_POST(self) -> None:
        """Answer a message with events, one a line, as they come."""
        if not (self.is_for_us() and self.is_allowed()):
            return
        message = self.message()
        if message is None:
            return
        if not self.server.waiting.acquire(blocking=False):
            self.refuse(429, "too much is being computed; try again in a moment")
            return
        try:
            self.answer(message)
        finally:
            self.server.waiting.release()

    def is_for_us(self) -> bool:
        """Check the name by which the client knows this server."""
        if self.server.accepts(self.headers.get("Host", "")):
            return True
        self.refuse(421, "this server does not know that name; allow it with --allow-host")
        return False

    def is_allowed(self) -> bool:
        """Check path, origin and token."""
        origin = self.headers.get("Origin")
        if urlsplit(self.path).path != "/ask":
            self.refuse(404, "there is nothing to ask here")
        elif origin is not None and urlsplit(origin).netloc != self.headers.get("Host", ""):
            self.refuse(403, "pages of other origins may not ask")
        elif not hmac.compare_digest(
            self.headers.get("X-Token", "").encode(), self.server.token.encode()
        ):
            self.refuse(403, "the address lacks its token; open the one that was printed")
        elif self.headers.get_content_type() != "application/json":
            self.refuse(415, "messages are application/json")
        else:
            return True
        return False

    def message(self) -> Any:
        """Read the message, in time and not longer than may be; None after refusing."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            self.refuse(411, "a message has a Content-Length")
            return None
        if int(length) > MOST_BODY:
            self.refuse(413, f"a message has at most {MOST_BODY:,} bytes")
            return None
        body = self.body(int(length))
        try:
            return json.loads(body) if body is not None else None
        except (ValueError, RecursionError):
            self.refuse(400, "the message is not JSON")
            return None

    def body(self, length: int) -> bytes | None:
        """Read so many bytes within PATIENCE altogether, however slowly they come."""
        until, parts = time.monotonic() + PATIENCE, []
        while length:
            try:
                self.connection.settimeout(max(0.01, until - time.monotonic()))
                part = self.rfile.read1(min(length, 65_536))
            except OSError:
                part = b""
            if not part or time.monotonic() > until:
                self.refuse(408, "the message did not come in time")
                return None
            parts.append(part)
            length -= len(part)
        self.connection.settimeout(PATIENCE)
        return b"".join(parts)

    def answer(self, message: Any) -> None:
        """Wait for the turn, then write events as long as somebody takes them."""
        while not self.server.turn.acquire(timeout=0.05):
            if self.has_gone():
                return
        try:
            self.send_response(200)
            self.send_header("Content-Type", "application/x-ndjson")
            self.send_common_headers()
            self.end_headers()
            until = time.monotonic() + LONGEST_RUN
            for event in self.server.playground.handle(message):
                self.write(event)
                if time.monotonic() > until:
                    self.write({"event": "error", "text": f"stopped after {LONGEST_RUN:.0f} s"})
                    break
                if self.has_gone():
                    break
        except OSError:
            pass  # nobody listens any more
        except Exception as error:
            self.server.handle_error(None, None)
            self.write({"event": "error", "text": f"a fault: {type(error).__name__}: {error}"})
        finally:
            self.close_connection = True
            self.server.turn.release()

    def has_gone(self) -> bool:
        """Tell whether the client has closed its connection."""
        readable, _, _ = select.select([self.connection], [], [], 0)
        try:
            return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def write(self, event: Event) -> None:
        """Write one event as a line."""
        self.wfile.write(json.dumps(event, allow_nan=False).encode() + b"\n")
        self.wfile.flush()

    def refuse(self, status: int, text: str) -> None:
        """Answer with a status and a sentence, and close."""
        self.close_connection = True
        self.reply(status, "application/json", json.dumps({"error": text}).encode())

    def reply(self, status: int, kind: str, content: bytes) -> None:
        """Answer as a whole."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_common_headers()
        self.end_headers()
        self.wfile.write(content)

    def send_common_headers(self) -> None:
        """Say what the browser may do with an answer."""
        for name, value in HEADERS.items():
            self.send_header(name, value)
