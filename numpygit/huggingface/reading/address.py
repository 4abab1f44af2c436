"""Pictures that lie elsewhere: http and https addresses, data URIs, open files."""

from __future__ import annotations

import base64
import binascii
import os
from typing import Any
from urllib.parse import unquote_to_bytes

from ...errors import NotFoundError, UserError, shown

MOST_BYTES = 2**28  # 256 MB
SECONDS = 30.0
HANDLERS = (  # no ftp, and no file: a server must not lead to the files of this computer
    "ProxyHandler",
    "HTTPHandler",
    "HTTPSHandler",  # a Python without ssl, as inside a browser, has none
    "HTTPRedirectHandler",
    "HTTPDefaultErrorHandler",
    "HTTPErrorProcessor",
)


def is_offline() -> bool:
    """Tell whether the environment forbids the network, as it does for the Hub."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def is_address(text: str) -> bool:
    """Tell an address or a data URI from the name of a file."""
    return text[:8].lower().startswith(("http://", "https://", "data:"))


def fetch_address(
    address: str, *, local_files_only: bool = False, timeout: float = SECONDS
) -> tuple[bytes, str]:
    """Fetch a picture: -> its bytes, and its name for messages; `timeout` in seconds.

    Raises UserError for an address while `local_files_only` (or HF_HUB_OFFLINE) holds, for one
    with more than 256 MB, and for a data URI that is damaged; NotFoundError where nothing answers.
    """
    name = shown(address)
    if address[:5].lower() == "data:":
        return data_of(address), shown(address, 40)
    if local_files_only or is_offline():
        raise UserError(f"{name} is an address, and no network may be used; give a file instead")
    import urllib.error  # these take a while, and only addresses need them
    import urllib.request

    director = urllib.request.OpenerDirector()
    for handler in HANDLERS:
        if hasattr(urllib.request, handler):
            director.add_handler(getattr(urllib.request, handler)())
    request = urllib.request.Request(address, headers={"User-Agent": "numpygit"})
    try:
        with director.open(request, timeout=timeout) as answer:
            content = answer.read(MOST_BYTES + 1)
    except urllib.error.HTTPError as error:
        raise NotFoundError(f"{name} cannot be fetched: the server says {error.code}") from None
    except (OSError, ValueError) as error:  # URLError is an OSError; http.client's are below
        reason = getattr(error, "reason", None) or error
        raise NotFoundError(f"{name} cannot be fetched: {shown(str(reason))}") from None
    except Exception as error:  # http.client.HTTPException: a server that does not speak HTTP
        raise NotFoundError(f"{name} cannot be fetched: {type(error).__name__}") from None
    if len(content) > MOST_BYTES:
        raise UserError(f"{name} has more than {MOST_BYTES // 2**20} MB, too much for a picture")
    return content, name


def data_of(uri: str) -> bytes:
    """Decode a data URI, in base64 or in percent signs (RFC 2397)."""
    head, comma, body = uri.partition(",")
    if not comma:
        raise UserError(f"{shown(uri, 40)} is a data URI without its data: there is no comma")
    if not head.lower().endswith(";base64"):
        return unquote_to_bytes(body)
    try:
        return base64.b64decode(
            "".join(unquote_to_bytes(body).decode("ascii").split()), validate=True
        )
    except (binascii.Error, UnicodeDecodeError) as error:
        raise UserError(
            f"{shown(uri, 40)} is a data URI whose base64 is damaged: {error}"
        ) from None


def content_of(file: Any, name: str) -> bytes:
    """Read an open file from its start, or from where it is if it cannot go back."""
    try:
        if hasattr(file, "seek") and getattr(file, "seekable", bool)():
            file.seek(0)
        content = file.read()
    except (OSError, ValueError) as error:
        raise UserError(f"{name} cannot be read: {error}") from None
    if not isinstance(content, bytes):
        raise UserError(f"{name} is open as text; open picture files with mode 'rb'")
    return content
