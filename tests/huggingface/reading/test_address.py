"""Pictures that lie elsewhere."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from PIL import Image

from numpygit.errors import NotFoundError, UserError
from numpygit.huggingface.processing.picture_steps import open_picture
from numpygit.huggingface.reading import PictureOptions, address

SIGN_IN = "Basic bWU6YS9i"  # me:a/b


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "/picture.png")
            self.end_headers()
        elif self.path == "/inside":
            self.send_response(302)
            self.send_header("Location", "file:///etc/hostname")
            self.end_headers()
        elif self.path == "/locked.png" and self.headers["Authorization"] != SIGN_IN:
            self.send_error(401)
        elif self.path == "/elsewhere.png":
            self.send_response(302)
            self.send_header("Location", "/locked.png")  # as if it were another server
            self.end_headers()
        elif self.path == "/slow":
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):
                for _ in range(100):
                    self.wfile.write(b"a")
                    self.wfile.flush()
                    time.sleep(0.05)
        elif self.path in ("/picture.png", "/locked.png", "/a%20b/%C3%A9.png?a=%20&b=1"):
            file = io.BytesIO()
            Image.new("RGB", (7, 5), (200, 10, 10)).save(file, "PNG")
            self.send_response(200)
            self.end_headers()
            self.wfile.write(file.getvalue())
        else:
            self.send_error(404)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("http_proxy", "HTTP_PROXY", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    server = HTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", ["picture.png", "away"])
def test_a_picture_is_fetched_from_its_address(name: str, server: str) -> None:
    assert open_picture(f"{server}/{name}").getpixel((0, 0)) == (200, 10, 10)


def test_an_address_that_has_nothing_is_told(server: str) -> None:
    with pytest.raises(NotFoundError, match="the server says 404"):
        open_picture(f"{server}/nothing.png")
    with pytest.raises(NotFoundError, match="cannot be fetched"):
        open_picture(f"{server}/inside")  # a server must not lead to files of this computer
    with pytest.raises(NotFoundError, match="cannot be fetched"):
        open_picture("http://127.0.0.1:1/picture.png")


@pytest.mark.parametrize(
    "written", ["a%20b/%C3%A9.png?a=%20&b=1", "a b/é.png?a= &b=1", "a b/é.png?a= &b=1#part"]
)
def test_odd_letters_are_escaped_as_browsers_do(written: str, server: str) -> None:
    assert open_picture(f"{server}/{written}").size == (7, 5)


def test_a_name_and_a_password_sign_in_at_their_server_only(server: str) -> None:
    signed = server.replace("//", "//me:a%2Fb@")
    assert open_picture(f"{signed}/locked.png").size == (7, 5)
    for address_ in (f"{server}/locked.png", f"{signed}/elsewhere.png"):
        with pytest.raises(NotFoundError, match="the server says 401"):
            open_picture(address_)


@pytest.mark.parametrize("place", ["me:hush@127.0.0.1:1", "127.0.0.1:1", "a@b:hush@127.0.0.1:1"])
@pytest.mark.parametrize("rest", ["", "/a.png?token=hush", "/hush/../a.png?hush=hush#x"])
@pytest.mark.parametrize("offline", [True, False])
def test_no_message_holds_a_password_or_a_key(place: str, rest: str, offline: bool) -> None:
    with pytest.raises(UserError) as caught:
        open_picture(f"http://{place}{rest}", PictureOptions(local_files_only=offline))
    assert "hush" not in str(caught.value).replace("/hush/", "")
    assert "127.0.0.1:1" in str(caught.value)


@pytest.mark.parametrize("odd", ["http://[::1", "http://[a]/b", "http://", "http://a:b/c",
                                 "http://\0/", "http://a b/c", f"http://{'x' * 300}/"])  # fmt: skip
def test_what_is_no_address_is_told(odd: str) -> None:
    with pytest.raises(NotFoundError, match="cannot be fetched"):
        open_picture(odd)


def test_a_server_that_sends_a_little_at_a_time_is_given_up(server: str) -> None:
    with pytest.raises(NotFoundError, match="takes more than 1 s"):
        open_picture(f"{server}/slow", PictureOptions(timeout=0.06))


def test_too_much_is_not_fetched(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "MOST_BYTES", 20)
    with pytest.raises(UserError, match="too much for a picture"):
        open_picture(f"{server}/picture.png")


def test_without_a_network_nothing_is_fetched(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="no network may be used"):
        open_picture(f"{server}/picture.png", PictureOptions(local_files_only=True))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match="no network may be used"):
        open_picture(f"{server}/picture.png")


@pytest.mark.parametrize("uri", ["data:image/png;base64,%%%", "data:image/png;base64", "data:,no"])
def test_a_damaged_data_uri_is_told(uri: str) -> None:
    with pytest.raises(UserError, match=r"base64 is damaged|no comma|not a picture"):
        open_picture(uri)
