"""The playground in a notebook's cell: `captioner.play()`."""

from __future__ import annotations

import threading

from .answering.takes import Captioner
from .answers import Playground
from .server import Server


class Live:
    """A running playground. A notebook shows its page in the cell; `url` opens it elsewhere.

    It ends with the process, or with `close()`.
    """

    def __init__(self, captioner: Captioner, *, port: int = 0, height: int = 900) -> None:
        self.server = Server(Playground(captioner), port=port)
        self.height = height
        # every 0.05 s it looks whether it was closed
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        """The address of the page."""
        return self.server.url

    def close(self) -> None:
        """Stop the server."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def __repr__(self) -> str:
        return f"playground at {self.url}"

    def _repr_html_(self) -> str:
        """Show the page in a frame."""
        style = "width:100%;border:0;border-radius:12px"
        return f'<iframe src="{self.url}" height="{self.height}" style="{style}"></iframe>'
