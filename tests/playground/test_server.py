"""What a hostile page, name, message, flood or slow client can do to the local server: nothing.

Checks cli/play.py, playground/notebook.py.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from numpygit.cli.play import announce
from numpygit.errors import UserError
from numpygit.playground import Live, Playground, Server, server
from numpygit.playground.protocol import Event
from numpygit.storybook import EXAMPLES

HELLO = {"version": 1, "op": "hello"}
CAPTION = {"version": 1, "op": "caption", "picture": {"example": "row.png"}}


@pytest.fixture
def live(storybook: Any) -> Iterator[Live]:
    made = Live(storybook)
    yield made
    made.close()


def port_of(made: Live | Server) -> int:
    found = made.server if isinstance(made, Live) else made
    return int(found.server_address[1])


def request(
    made: Live | Server, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port_of(made), timeout=30)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, data, dict(answer.getheaders())


def head_of(made: Live, length: str) -> bytes:
    lines = ("POST /ask HTTP/1.1", "Host: 127.0.0.1", f"X-Token: {made.server.token}",
             "Content-Type: application/json", f"Content-Length: {length}", "", "")  # fmt: skip
    return "\r\n".join(lines).encode()


def ask(made: Live, message: Any, **changes: str) -> tuple[int, list[Any]]:
    headers = {
        "X-Token": made.server.token,
        "Content-Type": "application/json",
        "Origin": f"http://127.0.0.1:{port_of(made)}",
        **changes,
    }
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    status, data, _ = request(made, "POST", "/ask", body, **headers)
    return status, [json.loads(line) for line in data.splitlines()]


def test_the_page_and_its_answers(live: Live, storybook: Any) -> None:
    kinds = {"/": "text/html", "/app.js": "text/javascript", "/style.css": "text/css"}
    for path, kind in kinds.items():
        status, data, headers = request(live, "GET", path)
        assert (status, headers["Content-Type"].split(";")[0]) == (200, kind)
        assert data
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
    status, events = ask(live, CAPTION)
    assert status == 200
    assert events[-1]["text"] == storybook.caption(EXAMPLES / "row.png")


def test_a_page_of_another_origin_gets_nothing(live: Live) -> None:
    for origin in (
        "https://evil.example",
        "null",
        "http://127.0.0.1:1",
        "http://localhost.evil.example",
    ):
        status, events = ask(live, HELLO, Origin=origin)
        assert status == 403
        assert "event" not in events[0]
    status, _, headers = request(live, "OPTIONS", "/ask", None, Origin="https://evil.example")
    assert status == 501
    assert not any(name.lower().startswith("access-control") for name in headers)
    # a form needs no permission of CORS, but cannot send the token or this kind of content
    status, _ = ask(live, HELLO, **{"X-Token": "", "Content-Type": "text/plain"})
    assert status == 403
    status, _ = ask(live, HELLO, **{"Content-Type": "text/plain"})
    assert status == 415


@pytest.mark.parametrize("token", ["", "x", "é", "0" * 5000])
def test_without_the_token_nothing_is_answered(live: Live, token: str) -> None:
    assert ask(live, HELLO, **{"X-Token": token.encode().decode("latin-1")})[0] == 403
    status, _, _ = request(live, "POST", f"/ask?token={live.server.token}", b"{}")
    assert status == 403


def test_the_files_of_the_page_hold_no_token(live: Live) -> None:
    for name in live.server.files:
        assert live.server.token.encode() not in request(live, "GET", f"/{name}")[1]


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "192.168.1.5", "a b"]
)
def test_a_name_that_was_rebound_is_refused(live: Live, host: str) -> None:
    assert request(live, "GET", "/", None, Host=host)[0] == 421
    assert ask(live, HELLO, Host=host, Origin=f"http://{host}")[0] == 421


def test_a_name_may_be_allowed(storybook: Any) -> None:
    made = Server(Playground(storybook), names=["hub.example"])
    try:
        assert made.accepts("hub.example:443")
        assert made.accepts("LOCALHOST:1")
        assert made.accepts("[::1]:80")
        assert not made.accepts("other.example")
    finally:
        made.server_close()


@pytest.mark.parametrize(
    "path",
    ["/../captioner.py", "/%2e%2e/server.py", "/etc/passwd", "//etc/passwd", "/page/app.js", "/."],
)
def test_only_files_of_the_page_are_given(live: Live, path: str) -> None:
    assert request(live, "GET", path)[0] == 404


def test_messages_that_are_none(live: Live) -> None:
    assert ask(live, b"no json")[0] == 400
    assert ask(live, b"[" * 100_000)[0] == 400
    status, events = ask(live, [])
    assert (status, events[0]["event"]) == (200, "error")
    status, events = ask(live, {"version": 1, "op": "edit", "name": "layers.softmax", "source": ""})
    assert "browser version only" in events[0]["text"]


def test_large_and_lengthless_messages_are_refused_unread(live: Live) -> None:
    for length, status in ((str(10**12), 413), ("-1", 411), ("1e3", 411), ("", 411)):
        with socket.create_connection(("127.0.0.1", port_of(live)), timeout=10) as client:
            client.sendall(head_of(live, length))
            assert client.recv(200).split(b" ")[1] == str(status).encode()


@pytest.mark.slow
def test_a_slow_client_is_given_up(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "PATIENCE", 0.6)
    monkeypatch.setattr(server.Handler, "timeout", 0.6)
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port_of(live)), timeout=20) as client:
        client.sendall(b"POST /ask HT")  # a head that never ends
        assert client.recv(100) == b""
    with socket.create_connection(("127.0.0.1", port_of(live)), timeout=20) as client:
        client.sendall(head_of(live, "1000"))
        answer = b""
        while not answer:  # a byte now and then: each in time, the whole not
            client.sendall(b" ")
            time.sleep(0.15)
            client.settimeout(0.05)
            try:
                answer = client.recv(100)
            except TimeoutError:
                continue
    assert b"408" in answer
    assert time.monotonic() - began < 15
    assert ask(live, HELLO)[0] == 200


class Slow(Playground):
    """Answers for ever, one event every 50 ms, and counts."""

    count = 0
    open = 0

    def handle(self, message: Any) -> Iterator[Event]:
        self.open += 1
        try:
            while True:
                self.count += 1
                yield {"event": "progress"}
                time.sleep(0.05)
        finally:
            self.open -= 1


@pytest.fixture
def slow(live: Live, storybook: Any) -> Slow:
    live.server.playground = Slow(storybook)
    return live.server.playground


def open_ask(live: Live) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port_of(live)), timeout=10)
    body = json.dumps(HELLO).encode()
    client.sendall(head_of(live, str(len(body))) + body)
    return client


def until(true: Any, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_work_that_nobody_waits_for_ends(live: Live, slow: Slow) -> None:
    client = open_ask(live)
    until(lambda: slow.count > 2)
    client.close()
    until(lambda: slow.open == 0)
    before = slow.count
    time.sleep(0.3)
    assert slow.count == before


@pytest.mark.slow
def test_who_waits_and_goes_never_runs(live: Live, slow: Slow) -> None:
    first = open_ask(live)
    until(lambda: slow.open == 1)
    second = open_ask(live)
    time.sleep(0.2)
    assert slow.open == 1  # one run at a time
    second.close()
    time.sleep(0.3)
    first.close()
    until(lambda: slow.open == 0)
    time.sleep(0.2)
    assert slow.open == 0
    until(lambda: live.server.waiting.acquire(blocking=False))
    live.server.waiting.release()


@pytest.mark.slow
def test_a_flood_is_turned_away(live: Live, slow: Slow) -> None:
    before = threading.active_count()  # of other tests, whose pools of threads sleep
    clients = [open_ask(live) for _ in range(server.MOST_WAITING)]
    try:
        until(lambda: slow.open == 1)
        time.sleep(0.3)
        clients.append(open_ask(live))
        assert b" 429 " in clients[-1].recv(100)
        clients += [
            socket.create_connection(("127.0.0.1", port_of(live)), timeout=10)
            for _ in range(2 * server.MOST_CONNECTIONS)
        ]
        time.sleep(0.3)
        assert threading.active_count() - before < server.MOST_CONNECTIONS + 15
    finally:
        for client in clients:
            client.close()
    until(lambda: slow.open == 0)


def test_a_run_has_an_end(live: Live, slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "LONGEST_RUN", 0.3)
    status, events = ask(live, HELLO)
    assert status == 200
    assert events[-1]["event"] == "error"
    assert "stopped after" in events[-1]["text"]


def test_a_fault_is_told_and_the_server_lives(
    live: Live, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(message: Any) -> Iterator[Event]:
        raise ZeroDivisionError("by hand")
        yield {}

    with monkeypatch.context() as patch:
        patch.setattr(live.server.playground, "handle", broken)
        assert "ZeroDivisionError" in ask(live, HELLO)[1][-1]["text"]
    assert "ZeroDivisionError" in caplog.text
    assert ask(live, HELLO)[1][0]["event"] == "ready"


def test_it_listens_to_this_machine_only(live: Live) -> None:
    assert live.server.server_address[0] == "127.0.0.1"
    assert live.url.startswith("http://127.0.0.1:")
    with pytest.raises(UserError, match="another --port may be free"):
        Server(live.server.playground, port=port_of(live))


def test_others_are_let_in_only_when_asked_and_with_a_warning(
    storybook: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    made = Server(Playground(storybook), host="0.0.0.0")
    try:
        assert made.accepts("192.168.1.5:8742")  # an address cannot be rebound
        assert not made.accepts("evil.example")
        announce(made, opens=False)
    finally:
        made.server_close()
        signal.signal(signal.SIGTERM, before)
    said = capsys.readouterr()
    assert "warning: whoever is in this network" in said.err
    assert f"#token={made.token}" in said.out
    assert "0.0.0.0" not in said.out


def test_a_notebook_shows_the_page_in_a_frame(live: Live) -> None:
    assert f'src="{live.url}"' in live._repr_html_()
    assert live.server.token in repr(live)


# ---------------------------------------------------------------- the command


def command(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "numpygit", "play", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C another way")
def test_ctrl_c_ends_it_cleanly() -> None:
    # A suite in the background of a shell ignores the signal, and so would its children.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = command("--no-browser", "--port", "0")
    signal.signal(signal.SIGINT, before)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    port = int(url.split(":")[2].split("/")[0])
    with socket.create_connection(("127.0.0.1", port), timeout=10):
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=20)
    assert process.returncode == 0
    assert error == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "70000"], "--port is 70000"),
        (["--pyodide", "here"], "--pyodide is for --static"),
        (["--static", "site", "--model", "microsoft/git-base"], "only storybook is small enough"),
        (["--host", "no such host", "--no-browser"], "cannot listen on no such host"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], said: str, capsys: Any) -> None:
    from numpygit.cli import main

    assert main(["play", *arguments]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
