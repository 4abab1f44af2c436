"""Pictures that lie elsewhere."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from PIL import Image

from numpygit.errors import NotFoundError, UserError
from numpygit.huggingface.processing.picture_steps import open_picture
from numpygit.huggingface.reading import PictureOptions, address


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
        elif self.path == "/picture.png":
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
