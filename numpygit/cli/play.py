"""The command `numpygit play`: the page, answered by this machine or written as files."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from ..errors import UserError, complain

if TYPE_CHECKING:
    from ..playground import Server


def add_command(commands: Any) -> None:
    """Describe the command."""
    play = commands.add_parser(
        "play",
        help="open a page to play with: stickers, photographs, words, attention, code",
        description="Open a page where pictures are composed or dropped, words come one by one, "
        "and all that led to them can be seen and changed. Ends with Ctrl-C.",
    )
    add_model_options(play)
    add_server_options(play)
    add_static_options(play)


def add_model_options(play: argparse.ArgumentParser) -> None:
    """Describe which model plays."""
    play.add_argument(
        "-m",
        "--model",
        default="storybook",
        metavar="NAME",
        help="'storybook' (bundled), an id on the Hugging Face Hub, or a folder "
        "(default: storybook)",
    )
    play.add_argument("--revision", metavar="REV", help="branch, tag or commit on the Hub")
    play.add_argument(
        "--offline", action="store_true", help="use what was downloaded before, no network"
    )
    play.add_argument("--threads", type=int, metavar="N", help="cores to use (default: all)")


def add_server_options(play: argparse.ArgumentParser) -> None:
    """Describe where the page is answered."""
    play.add_argument(
        "--port",
        type=int,
        default=8742,
        metavar="P",
        help="of the page; 0 takes any free one (default: 8742)",
    )
    play.add_argument("--no-browser", action="store_true", help="print the address only")
    play.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="an address of this machine; 0.0.0.0 lets others in the network in, such as a phone",
    )
    play.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="another host name of the page, behind a proxy",
    )


def add_static_options(play: argparse.ArgumentParser) -> None:
    """Describe the page as files."""
    static = play.add_argument_group("files in place of a server")
    static.add_argument(
        "--static",
        metavar="FOLDER",
        help="write the page as files for any web server: Python then runs inside the browser",
    )
    static.add_argument(
        "--pyodide",
        metavar="FOLDER",
        help="copy Pyodide from a distribution, for use offline (default: from its CDN)",
    )


def run_command(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C, or write the files."""
    from ..captioner import load
    from ..playground import Playground, Server, write_site

    if options.static is not None:
        if options.model != "storybook":
            raise UserError("inside a browser only storybook is small enough; leave --model out")
        folder = write_site(options.static, pyodide=options.pyodide)
        print(f"{folder}: try it with python -m http.server --directory {folder}")
        return 0
    if options.pyodide is not None:
        raise UserError("--pyodide is for --static")
    if not 0 <= options.port <= 65535:
        raise UserError(f"--port is {options.port}, expected 0 to 65535")
    captioner = load(
        options.model,
        revision=options.revision,
        local_files_only=options.offline,
        threads=options.threads,
    )
    server = Server(
        Playground(captioner), host=options.host, port=options.port, names=options.allow_host
    )
    try:
        announce(server, opens=not options.no_browser)
        server.serve_forever(poll_interval=0.1)
    except KeyboardInterrupt:
        print()
    finally:
        server.server_close()
    return 0


def announce(server: Server, *, opens: bool) -> None:
    """Print the address, warn if others can use it, and open it."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if not server.is_local:
        complain(
            "warning: whoever is in this network and has the address can use this machine to "
            "caption pictures"
        )
    print(f"{server.url}\nCtrl-C ends it", flush=True)
    if opens:
        import webbrowser

        threading.Thread(target=webbrowser.open, args=(server.url,), daemon=True).start()
