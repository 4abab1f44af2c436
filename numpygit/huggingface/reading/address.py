"""Pictures that lie elsewhere: http and https addresses, data URIs, open files."""

from __future__ import annotations

import base64
import binascii
import os
import time
from typing import Any
from urllib.parse import quote, unquote_to_bytes, urlsplit

from ...errors import NotFoundError, UserError, shown

MOST_BYTES = 2**28  # 256 MB
SECONDS = 30.0
MOST_WAITS = 20  # times as long, until a picture must be here
LETTERS = "!$%&'()*+,/:;=?@[]~"  # that a path and a query hold as they are
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
    if address[:5].lower() == "data:":
        return data_of(address), shown(address, 40)
    name = named(address)
    if local_files_only or is_offline():
        raise UserError(f"{name} is an address, and no network may be used; give a file instead")
    import urllib.error  # these take a while, and only addresses need them
    import urllib.request

    director = urllib.request.OpenerDirector()
    for handler in HANDLERS:
        if hasattr(urllib.request, handler):
            director.add_handler(getattr(urllib.request, handler)())
    try:
        plain, sign_in = without_sign_in(address)
        request = urllib.request.Request(plain, headers={"User-Agent": "numpygit"})
        if sign_in:  # for this server, not for one that it sends us to
            request.add_unredirected_header("Authorization", sign_in)
        with director.open(request, timeout=timeout) as answer:
            return read_within(answer, MOST_WAITS * timeout, name), name
    except UserError:
        raise
    except urllib.error.HTTPError as error:
        raise NotFoundError(f"{name} cannot be fetched: the server says {error.code}") from None
    except (OSError, ValueError) as error:  # URLError is an OSError; http.client's are below
        reason = getattr(error, "reason", None) or error
        raise NotFoundError(f"{name} cannot be fetched: {shown(str(reason))}") from None
    except Exception as error:  # http.client.HTTPException: a server that does not speak HTTP
        raise NotFoundError(f"{name} cannot be fetched: {type(error).__name__}") from None


def named(address: str) -> str:
    """Write an address for a message: without a password, and without what a query holds."""
    head, mark, _ = address.partition("?")
    scheme, slashes, rest = head.partition("//")
    place, slash, path = rest.partition("/")
    return shown(f"{scheme}{slashes}{place.rpartition('@')[2]}{slash}{path}{mark and '?...'}")


def without_sign_in(address: str) -> tuple[str, str]:
    """Take "name:password@" out of an address: -> it, its odd letters escaped, and a header."""
    parts = urlsplit(address)
    who, _, place = parts.netloc.rpartition("@")
    plain = parts._replace(netloc=place, path=quote(parts.path, LETTERS),
                           query=quote(parts.query, LETTERS), fragment="").geturl()  # fmt: skip
    if not who:
        return plain, ""
    return plain, f"Basic {base64.b64encode(unquote_to_bytes(who)).decode()}"


def read_within(answer: Any, seconds: float, name: str) -> bytes:
    """Read what a server sends, unless it is too much or takes too long altogether."""
    until, parts, size = time.monotonic() + seconds, list[bytes](), 0
    while part := answer.read1(2**16):
        parts.append(part)
        size += len(part)
        if size > MOST_BYTES:
            raise UserError(
                f"{name} has more than {MOST_BYTES // 2**20} MB, too much for a picture"
            )
        if time.monotonic() > until:
            raise NotFoundError(f"{name} cannot be fetched: it takes more than {seconds:.0f} s")
    return b"".join(parts)


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
