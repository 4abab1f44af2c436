"""Checkpoints from the Hub: against a small server that answers as the Hub does, and offline.

Checks loading/hub/download.py.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import huggingface_hub
import numpy as np
import pytest
from huggingface_hub.utils import HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled
from PIL import Image

from numpygit import loading
from numpygit.errors import NotFoundError, UserError
from numpygit.loading.config import GitConfig

pytestmark = pytest.mark.slow

Run = Callable[..., "subprocess.CompletedProcess[str]"]

GOLDEN = Path(__file__).parents[2] / "golden"
NAME = "somebody/tiny-git"
GOLDEN = Path(__file__).parents[2] / "golden"
PROGRAM = """
import sys, numpygit
try:
    captioner = numpygit.load(sys.argv[1], revision=sys.argv[2] or None)
except numpygit.UserError as error:
    print(type(error).__name__, error, sep=": ")
else:
    assert captioner.model.generation_config.num_beams == 4
    print("loaded", captioner.name, captioner.model.config.vocab_size)
"""


@dataclass
class Hub:
    """What the server serves: revision -> file name -> content; and what it was asked."""

    revisions: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refuse: tuple[int, str] | None = None  # an answer to everything: status, error code
    damaged: bool = False  # the weights arrive with one bit changed
    short: bool = False  # the weights lack their last hundred bytes
    breaks: int = 0  # so many times the connection ends in the middle of the weights
    holds: bool = False  # half of the weights come, and then nothing more
    is_held: threading.Event = field(default_factory=threading.Event)
    let_go: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)
    begun: list[int] = field(default_factory=list)  # where in the weights an answer began
    address: str = ""
    elsewhere: str = ""  # another name for the same place, as the Hub keeps large files elsewhere

    def commit(self, revision: str) -> str:
        return hashlib.sha1(revision.encode()).hexdigest()

    def files(self, revision: str) -> dict[str, bytes] | None:
        """Look up a branch, a pull request or a commit."""
        known = {self.commit(name): files for name, files in self.revisions.items()}
        return self.revisions.get(revision) or known.get(revision)

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Answer one address: status, headers, content."""
        if self.refuse:
            return self.refuse[0], {"X-Error-Code": self.refuse[1]}, b'{"error": "refused"}'
        if path.startswith(f"/api/models/{NAME}"):
            rest = path.removeprefix(f"/api/models/{NAME}").strip("/") or "revision/main"
            kind, revision = rest.split("/", 1)
            files = self.files(revision)
            if files is None:
                return 404, {"X-Error-Code": "RevisionNotFound"}, b"{}"
            if kind == "tree":
                body: Any = [
                    {"type": "file", "path": name, "size": len(content), "oid": etag(content)}
                    for name, content in files.items()
                ]
            else:
                siblings = [{"rfilename": name} for name in files]
                sha = self.commit(revision)
                body = {"id": NAME, "modelId": NAME, "sha": sha, "siblings": siblings,
                        "private": False, "tags": [], "downloads": 0, "likes": 0}  # fmt: skip
            return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()
        if path.startswith(f"/{NAME}/resolve/"):
            revision, name = path.removeprefix(f"/{NAME}/resolve/").split("/", 1)
            content = (self.files(revision) or {}).get(name)
            if content is None:
                return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": revision}, b""
            if not name.endswith((".safetensors", ".bin")):
                return 200, {"ETag": f'"{etag(content)}"', "X-Repo-Commit": revision}, content
            large = {"Location": f"{self.elsewhere}/cdn/{revision}/{name}",
                     "X-Linked-ETag": f'"{hashlib.sha256(content).hexdigest()}"',
                     "X-Linked-Size": str(len(content)), "X-Repo-Commit": revision}  # fmt: skip
            return 302, large, b""
        if path.startswith("/cdn/"):
            revision, name = path.removeprefix("/cdn/").split("/", 1)
            content = (self.files(revision) or {})[name]
            if self.damaged:
                content = content[:-1] + bytes([content[-1] ^ 1])
            return 200, {}, content[:-100] if self.short else content
        return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"


def etag(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


@pytest.fixture
def hub() -> Iterator[Hub]:
    """Run a Hub on this computer."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.asked.append(path)
            status, headers, content = hub.answer(path)
            start = int(self.headers.get("Range", "bytes=0-")[len("bytes=") : -1])
            if start and path.startswith("/cdn/"):
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
                status, content = 206, content[start:]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET" and path.startswith("/cdn/"):
                hub.begun.append(start)
                self.send_large(content)
            elif self.command == "GET":
                self.wfile.write(content)

        def send_large(self, content: bytes) -> None:
            half = len(content) // 2
            self.wfile.write(content[:half])
            if hub.holds:  # whoever asked is killed meanwhile
                hub.is_held.set()
                hub.let_go.wait(60)
                self.close_connection = True
                return
            if hub.breaks:
                hub.breaks -= 1
                self.close_connection = True
                return
            self.wfile.write(content[half:])

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    hub.address = f"http://127.0.0.1:{server.server_port}"
    hub.elsewhere = f"http://localhost:{server.server_port}"
    yield hub
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def ask(hub: Hub, offline: dict[str, str]) -> Callable[..., str]:
    """Get a function that loads a model in a process of its own and returns what it prints."""

    def run(name: str = NAME, revision: str = "", *, online: bool = True) -> str:
        environment = offline | {"HF_ENDPOINT": hub.address}
        environment["HF_HUB_OFFLINE"] = "0" if online else "1"
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, name, revision],
            env=environment, capture_output=True, text=True, encoding="utf-8", timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.fixture
def files(tiny_folder: Path) -> dict[str, bytes]:
    (tiny_folder / "generation_config.json").write_text('{"num_beams": 4, "max_length": 9}')
    return {path.name: path.read_bytes() for path in tiny_folder.iterdir()}


# ---------------------------------------------------------------- against the server


def test_a_model_is_downloaded_once_and_works_offline_afterwards(
    hub: Hub, ask: Callable[..., str], files: dict[str, bytes], offline: dict[str, str]
) -> None:
    big = {"pytorch_model.bin": b"pickle", "README.md": b"# hello"}
    hub.revisions["main"] = files | big
    assert ask() == f"loaded {NAME} 149"
    fetched = {path.rsplit("/", 1)[1] for path in hub.asked if "/resolve/" in path}
    assert fetched == set(files), "it fetches what it needs and nothing else"
    hub.asked.clear()
    assert ask(online=False) == f"loaded {NAME} 149"
    assert not hub.asked
    # the Hub is switched on but cannot be reached
    hub.address = "http://127.0.0.1:9"
    assert ask() == f"loaded {NAME} 149"
    said = ask("somebody/else")
    assert said.startswith("NotFoundError: the Hub cannot be reached (")
    assert "and somebody/else is not complete in the cache" in said


def test_some_files_come_without_the_rest(
    hub: Hub, offline: dict[str, str], files: dict[str, bytes]
) -> None:
    small = {"config.json", "vocab.txt"}
    hub.revisions["main"] = files
    program = "import sys; from numpygit import loading as c; "
    program += "folder = c.find(sys.argv[1], files=(*c.CONFIG_FILES, *c.WORD_FILES)); "
    program += "print(c.read_config(folder).vocab_size, *sorted(p.name for p in folder.iterdir()))"
    environment = offline | {"HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-c", program, NAME]
    for _ in range(2):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert done.stdout.split() == ["149", *sorted(small)], done.stderr
        fetched = {path.rsplit("/", 1)[1] for path in hub.asked if "/resolve/" in path}
        assert fetched == small
        environment["HF_HUB_OFFLINE"] = "1"


def test_a_shard_by_shard_model_is_downloaded(
    hub: Hub, ask: Callable[..., str], files: dict[str, bytes]
) -> None:
    whole = files.pop("model.safetensors")
    shard = "model-00001-of-00001.safetensors"
    names = json.loads(whole[8 : 8 + int.from_bytes(whole[:8], "little")])
    index = json.dumps({"weight_map": dict.fromkeys(names, shard)}).encode()
    hub.revisions["main"] = files | {shard: whole, "model.safetensors.index.json": index}
    assert ask() == f"loaded {NAME} 149"


def test_safetensors_are_found_in_the_pull_request_that_converted_them(
    hub: Hub, ask: Callable[..., str], files: dict[str, bytes]
) -> None:
    hub.revisions["refs/pr/1"] = files
    hub.revisions["main"] = {n: c for n, c in files.items() if n != "model.safetensors"}
    assert ask() == f"loaded {NAME} 149"
    assert ask(online=False) == f"loaded {NAME} 149"


def test_an_adapter_is_downloaded_and_its_base_model_is_found(
    hub: Hub, ask: Callable[..., str], tmp_path: Path
) -> None:
    base = tmp_path / "base"
    shutil.copytree(GOLDEN / "saved" / "tiny", base)
    (base / "generation_config.json").write_text('{"num_beams": 4, "max_length": 9}')
    plain = GOLDEN / "adapters" / "plain"
    settings = json.loads((plain / "adapter_config.json").read_text())
    settings |= {"base_model_name_or_path": str(base), "revision": None}
    hub.revisions["main"] = {
        "adapter_config.json": json.dumps(settings).encode(),
        "adapter_model.safetensors": (plain / "adapter_model.safetensors").read_bytes(),
        "README.md": b"# an adapter",
    }
    assert ask() == f"loaded {NAME} 149"
    fetched = {path.rsplit("/", 1)[1] for path in hub.asked if "/resolve/" in path}
    assert fetched == {"adapter_config.json", "adapter_model.safetensors"}
    assert ask(online=False) == f"loaded {NAME} 149"
    del hub.revisions["main"]["adapter_model.safetensors"]
    hub.revisions["other"] = hub.revisions["main"]
    assert "adapter_model.safetensors" in ask(revision="other")


def test_a_revision_is_honoured(hub: Hub, ask: Callable[..., str], files: dict[str, bytes]) -> None:
    hub.revisions |= {"main": {"README.md": b"empty"}, "v1.0": files}
    assert ask(revision="v1.0") == f"loaded {NAME} 149"
    assert ask(revision="v2.0") == f"NotFoundError: {NAME} has no revision 'v2.0' on the Hub"


@pytest.mark.parametrize("kind", ["bin", "bin_shards"])
def test_what_main_has_is_taken_also_when_that_is_pytorch_model_bin(
    hub: Hub, ask: Callable[..., str], files: dict[str, bytes], kind: str
) -> None:
    small = {n: c for n, c in files.items() if n not in ("model.safetensors", "config.json")}
    torch_files = {path.name: path.read_bytes() for path in (GOLDEN / "files" / kind).iterdir()}
    vocabulary = json.loads(torch_files["config.json"])["vocab_size"]
    hub.revisions |= {"main": small | torch_files, "refs/pr/1": files}
    assert ask() == f"loaded {NAME} {vocabulary}"
    fetched = {path.rsplit("/", 1)[1] for path in hub.asked if "/resolve/" in path}
    assert fetched == set(hub.revisions["main"])
    assert ask(online=False) == f"loaded {NAME} {vocabulary}"


def test_a_repository_without_weights_is_told(
    hub: Hub, ask: Callable[..., str], files: dict[str, bytes]
) -> None:
    small = {name: content for name, content in files.items() if name != "model.safetensors"}
    hub.revisions["main"] = {**small, "flax_model.msgpack": b"x"}
    nothing = f"NotFoundError: {NAME} has no model.safetensors and no pytorch_model.bin"
    assert ask() == f"{nothing}, neither at main nor at refs/pr/1"
    assert ask(revision="main") == f"{nothing}, at main"


def test_a_model_that_the_hub_does_not_have(hub: Hub, ask: Callable[..., str]) -> None:
    said = ask("somebody/nothing")
    assert said.startswith("NotFoundError: there is no folder 'somebody/nothing', and the Hub has")
    assert said.endswith("'storybook' needs no download, but is for its own drawings only")
    assert "\n" not in said


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (403, "GatedRepo", "asks for an agreement"),
        (401, "RepoNotFound", "the Hub has no public model"),
        (401, "", "the bundled model 'storybook' needs no download"),
        (403, "", "the Hub cannot be reached (403 Forbidden"),
        (500, "", "the Hub cannot be reached ("),
    ],
)
def test_what_the_hub_refuses_is_one_sentence(
    hub: Hub, ask: Callable[..., str], status: int, code: str, said: str
) -> None:
    """An answer 401 or 403 without a code comes from a proxy or a wrong password."""
    hub.refuse = status, code
    answer = ask()
    assert said in answer
    assert NAME in answer
    assert code or str(status) in answer
    assert "\n" not in answer


def test_an_interrupted_download_is_not_taken_for_a_model(
    hub: Hub, ask: Callable[..., str], files: dict[str, bytes], offline: dict[str, str]
) -> None:
    hub.revisions["main"] = files
    ask()
    weights = list(Path(offline["HF_HOME"]).rglob("snapshots/*/model.safetensors"))
    assert len(weights) == 1
    weights[0].unlink()
    said = ask(online=False)
    assert said.startswith("NotFoundError: no network, and")
    assert f"{NAME} is not complete in the cache ({offline['HF_HOME']}" in said


def test_a_person_who_watches_sees_a_bar(
    hub: Hub, files: dict[str, bytes], offline: dict[str, str]
) -> None:
    pty = pytest.importorskip("pty", reason="only systems with pseudo-terminals")
    termios, fcntl = pytest.importorskip("termios"), pytest.importorskip("fcntl")
    hub.revisions["main"] = files
    environment = offline | {"HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0"}
    environment["HF_HUB_DISABLE_PROGRESS_BARS"] = "0"
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, 100, 0, 0))  # lines, columns
    command = [sys.executable, "-c", PROGRAM, NAME, ""]
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=theirs, timeout=60
    )
    shown = os.read(ours, 100_000).decode()
    os.close(theirs)
    os.close(ours)
    assert done.stdout.decode() == f"loaded {NAME} 149\n"
    assert "model.safetensors: 100%" in shown


@pytest.fixture
def large_files(
    write_folder: Callable[..., Path], tiny_config: GitConfig, tmp_path: Path
) -> dict[str, bytes]:
    """The files of a model with 24 MB of weights: it has places for very long texts."""
    config = replace(tiny_config, max_position_embeddings=300_000)
    rng = np.random.default_rng(8)
    shapes = loading.tensor_shapes(config)
    tensors = {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}
    folder = write_folder(tmp_path / "large", config=config.to_dict(), tensors=tensors)
    (folder / "generation_config.json").write_text('{"num_beams": 4}')
    return {path.name: path.read_bytes() for path in folder.iterdir()}


ARRIVED = 10 * 2**20  # huggingface_hub writes pieces of 10 MB


def test_a_connection_that_breaks_half_way_goes_on_where_it_broke(
    hub: Hub, ask: Callable[..., str], large_files: dict[str, bytes]
) -> None:
    hub.revisions["main"] = large_files
    hub.breaks = 1
    said = ask()
    if said != f"loaded {NAME} 149":  # versions that do not try again by themselves
        assert said.startswith(f"UserError: could not download {NAME}"), said
        assert ask() == f"loaded {NAME} 149"
    assert hub.breaks == 0
    assert hub.begun == [0, ARRIVED]


def test_a_download_that_was_killed_goes_on_where_it_stopped(
    hub: Hub, ask: Callable[..., str], large_files: dict[str, bytes], offline: dict[str, str]
) -> None:
    hub.revisions["main"] = large_files
    hub.holds = True
    environment = offline | {"HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0"}
    with subprocess.Popen([sys.executable, "-c", PROGRAM, NAME, ""], env=environment) as first:
        assert hub.is_held.wait(60)
        cache = Path(offline["HF_HOME"])
        while not any(p.stat().st_size >= ARRIVED for p in cache.rglob("*.incomplete")):
            time.sleep(0.01)
        first.kill()
    hub.let_go.set()
    hub.holds = False
    assert ask(online=False).startswith("NotFoundError: no network, and")
    assert ask() == f"loaded {NAME} 149"
    assert hub.begun == [0, ARRIVED]
    assert not list(cache.rglob("*.incomplete"))
    assert ask(online=False) == f"loaded {NAME} 149"


def test_weights_that_arrive_too_short_are_told_and_completed(
    hub: Hub, ask: Callable[..., str], files: dict[str, bytes]
) -> None:
    hub.revisions["main"] = files
    hub.short = True
    size = len(files["model.safetensors"])
    said = ask()
    assert said.startswith(f"UserError: could not download {NAME} into the cache (")
    assert f"file should be of size {size} but has size {size - 100} (model.safetensors)" in said
    assert "\n" not in said
    hub.short = False
    assert ask() == f"loaded {NAME} 149"
    assert hub.begun == [0, size - 100]


def test_two_that_want_the_same_model_fetch_it_once(
    hub: Hub, large_files: dict[str, bytes], offline: dict[str, str]
) -> None:
    hub.revisions["main"] = large_files
    environment = offline | {"HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-c", PROGRAM, NAME, ""]
    both = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [each.communicate(timeout=60)[0] for each in both] == [f"loaded {NAME} 149\n"] * 2
    assert hub.begun == [0]


WITHOUT_LINKS = """
import sys
import huggingface_hub.file_download as download
download.are_symlinks_supported = lambda *folders: False
"""


def test_without_symlinks_weights_are_stored_once_and_whole(
    hub: Hub, large_files: dict[str, bytes], offline: dict[str, str]
) -> None:
    hub.revisions["main"] = large_files
    environment = offline | {"HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-c", WITHOUT_LINKS + PROGRAM, NAME, ""]

    def run() -> str:
        ran = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, text=True, timeout=60, check=True
        )
        return ran.stdout

    assert run() == f"loaded {NAME} 149\n"
    cache = Path(offline["HF_HOME"]) / "hub" / f"models--{NAME.replace('/', '--')}"
    size = len(large_files["model.safetensors"])

    def stored() -> list[Path]:
        found = [path for path in cache.rglob("*") if path.is_file() and not path.is_symlink()]
        return [path for path in found if path.stat().st_size == size]

    (place,) = stored()
    assert place.name == "model.safetensors"
    assert run() == f"loaded {NAME} 149\n"
    assert hub.begun == [0]
    # as it is after a copy that broke, or in a cache from a time with links
    whole = cache / "blobs" / hashlib.sha256(large_files["model.safetensors"]).hexdigest()
    place.rename(whole)
    place.with_name("model.safetensors.incomplete").write_bytes(b"half a file")
    assert run() == f"loaded {NAME} 149\n"
    assert place.read_bytes() == large_files["model.safetensors"]
    assert not list(cache.rglob("*.incomplete"))
    assert hub.begun == [0]


def test_what_cannot_be_a_part_of_the_file_is_thrown_away(
    hub: Hub, ask: Callable[..., str], files: dict[str, bytes], offline: dict[str, str]
) -> None:
    hub.revisions["main"] = files
    blobs = Path(offline["HF_HOME"]) / "hub" / f"models--{NAME.replace('/', '--')}" / "blobs"
    blobs.mkdir(parents=True)
    whole = files["model.safetensors"]
    part = blobs / f"{hashlib.sha256(whole).hexdigest()}.incomplete"
    part.write_bytes(whole + b"!")
    assert ask() == f"loaded {NAME} 149"
    assert hub.begun == [0]


def test_a_whole_that_was_not_yet_checked_is_not_fetched_again(
    hub: Hub, ask: Callable[..., str], files: dict[str, bytes], offline: dict[str, str]
) -> None:
    hub.revisions["main"] = files
    blobs = Path(offline["HF_HOME"]) / "hub" / f"models--{NAME.replace('/', '--')}" / "blobs"
    blobs.mkdir(parents=True)
    whole = files["model.safetensors"]
    part = blobs / f"{hashlib.sha256(whole).hexdigest()}.incomplete"
    part.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert "arrived damaged" in ask()
    part.write_bytes(whole)
    assert ask() == f"loaded {NAME} 149"
    assert hub.begun == []


def test_a_disk_that_is_full_is_told_before_and_while_it_fills(
    hub: Hub, large_files: dict[str, bytes], offline: dict[str, str]
) -> None:
    hub.revisions["main"] = large_files
    environment = offline | {"HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0"}
    full = "import shutil, types; free = types.SimpleNamespace(free=3_000_000)\n"
    full += "shutil.disk_usage = lambda path: free\n"
    limit = "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (2**20, 2**20))\n"
    said = []
    for trouble in (full, limit):
        command = [sys.executable, "-c", trouble + PROGRAM, NAME, ""]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        said.append(done.stdout)
    assert f"UserError: {NAME} needs 24 MB more, and the disk of the cache (" in said[0]
    assert "has 3 MB free" in said[0]
    assert said[1].startswith(f"UserError: could not download {NAME} into the cache (")
    assert "File too large; what has arrived of its weights is kept" in said[1]
    assert [text.count("\n") for text in said] == [1, 1]


def test_weights_with_a_wrong_checksum_are_removed_and_told(
    hub: Hub, ask: Callable[..., str], files: dict[str, bytes], offline: dict[str, str]
) -> None:
    hub.revisions["main"] = files
    hub.damaged = True
    assert ask() == (
        f"UserError: model.safetensors of {NAME} arrived damaged (its checksum is wrong) and has "
        "been removed from the cache; try again"
    )
    assert not list(Path(offline["HF_HOME"]).rglob("model.safetensors"))
    hub.damaged = False
    assert ask() == f"loaded {NAME} 149"


PARTS = """
import os, pathlib, sys, numpygit
for name in sys.argv[2:]:
    part = getattr(numpygit, name).from_pretrained(sys.argv[1])
    files = pathlib.Path(os.environ["HF_HOME"]).glob("hub/*/snapshots/*/*")
    print(name, type(part).__name__, *sorted(path.name for path in files))
"""


def test_what_needs_no_weights_fetches_none(
    hub: Hub, offline: dict[str, str], files: dict[str, bytes]
) -> None:
    hub.revisions["main"] = files
    config, options = "config.json", "generation_config.json"
    pictures, words = "preprocessor_config.json", "vocab.txt"
    there = {  # after each, in this order
        "GitVisionConfig": [config], "GitConfig": [config], "AutoConfig": [config],
        "GenerationConfig": [config, options],
        "AutoImageProcessor": [config, options, pictures],
        "AutoTokenizer": [config, options, pictures, words],
        "AutoProcessor": [config, options, pictures, words],
    }  # fmt: skip
    for switched_off in ("0", "1"):  # from the cache afterwards
        done = subprocess.run(
            [sys.executable, "-c", PARTS, NAME, *there],
            env=offline | {"HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": switched_off},
            capture_output=True, text=True, encoding="utf-8", timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        said = [line.split() for line in done.stdout.splitlines()]
        made = {n: n.replace("Auto", "Git") for n in there}
        made["AutoImageProcessor"] = "CLIPImageProcessor"
        assert [tuple(line[:2]) for line in said] == list(made.items())
        if switched_off == "0":
            assert [line[2:] for line in said] == list(there.values())


def test_a_processor_alone_fetches_no_config(
    hub: Hub, offline: dict[str, str], files: dict[str, bytes]
) -> None:
    hub.revisions["main"] = files
    environment = offline | {"HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-c", PARTS, NAME, "AutoProcessor"]
    subprocess.run(command, env=environment, check=True, timeout=60)
    fetched = {path.rsplit("/", 1)[1] for path in hub.asked if "/resolve/" in path}
    assert fetched == {"preprocessor_config.json", "vocab.txt"}


def test_after_its_small_files_a_model_is_fetched_whole(
    hub: Hub, ask: Callable[..., str], offline: dict[str, str], files: dict[str, bytes]
) -> None:
    hub.revisions["main"] = files
    program = f"import numpygit; numpygit.AutoProcessor.from_pretrained({NAME!r})"
    environment = offline | {"HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=60)
    said = ask(online=False)
    assert said.startswith(f"NotFoundError: no network, and {NAME} is not complete in the cache")
    assert ask() == f"loaded {NAME} 149"
    assert ask(online=False) == f"loaded {NAME} 149"


# ---------------------------------------------------------------- without a network


def test_offline_and_not_in_the_cache(ask: Callable[..., str], offline: dict[str, str]) -> None:
    said = ask(online=False)
    assert said.startswith(f"NotFoundError: no network, and {NAME} is not complete in the cache")
    assert offline["HF_HOME"] in said
    assert "the bundled model 'storybook' needs no download" in said
    assert "\n" not in said


def test_the_command_says_it_in_one_line(offline: dict[str, str], tmp_path: Path) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "picture.png")
    command = [sys.executable, "-m", "numpygit", "caption", str(tmp_path / "picture.png")]
    done = subprocess.run(
        command, env=offline, capture_output=True, text=True, encoding="utf-8", timeout=60
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("numpygit: no network, and microsoft/git-base-coco is not")
    assert done.stderr.count("\n") == 1
    assert offline["HF_HOME"] in done.stderr
    assert "the bundled model 'storybook' needs no download" in done.stderr


# ---------------------------------------------------------------- every kind of exception


def local_entry_not_found(reason: Exception | None) -> Exception:
    error = LocalEntryNotFoundError("Cannot find an appropriate cached snapshot folder\nfor it")
    error.__cause__ = reason
    return error


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (local_entry_not_found(None), NotFoundError, "no network, and a/b is not complete in the"),
        (local_entry_not_found(OSError("Name or service not known")), NotFoundError,
         "the Hub cannot be reached (Name or service not known), and a/b is not complete in the"),
        (OfflineModeIsEnabled("offline\nmode"), NotFoundError, "no network, and a/b is not"),
        (HFValidationError("Repo id must use alphanumeric chars"), NotFoundError,
         "'a/b' cannot be the name of a model on the Hub: Repo id must use alphanumeric chars"),
        (OSError(errno.ENOSPC, "No space left on device"), UserError,
         "could not download a/b into the cache"),
        (ConnectionResetError("peer went\naway"), UserError, "peer went; what has arrived"),
        (RuntimeError(), UserError, "RuntimeError; what has arrived"),
    ],
)  # fmt: skip
def test_every_exception_becomes_one_sentence(
    error: Exception, kind: type, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(kind) as caught:
        loading.find("a/b")
    assert type(caught.value) is kind
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is error


def test_a_keyboard_interrupt_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(huggingface_hub, "snapshot_download", stop)
    with pytest.raises(KeyboardInterrupt):
        loading.find("a/b")


@pytest.mark.parametrize("name", ["a b/c", "a/b--c", "-a/b", "a/b.git", "C:/models"])
def test_names_that_the_hub_does_not_allow(name: str) -> None:
    with pytest.raises(NotFoundError, match="cannot be the name of a model on the Hub"):
        loading.find(name, local_files_only=True)


def test_the_network_can_be_switched_off(
    monkeypatch: pytest.MonkeyPatch, tiny_folder: Path
) -> None:
    asked = []

    def note(name: str, **options: object) -> str:
        asked.append((name, options["revision"], options["local_files_only"]))
        return str(tiny_folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", note)
    assert loading.find("a/b", local_files_only=True) == tiny_folder
    assert loading.find("a/b", revision="v1") == tiny_folder
    assert asked == [("a/b", None, True), ("a/b", "v1", False)]
