"""How pictures are read from files, and how they are fitted into the model's square."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import ImageColor

from ...errors import UserError, expect

FITS = ("crop", "squash", "pad")
SAMPLES = ("frames", "time")
DEPTHS = ("scale", "clip")


@dataclass(frozen=True)
class PictureOptions:
    """How pictures are read from files, and how they are fitted into the model's square.

    Parameters
    ----------
    turn : bool
        Turn a picture as its EXIF or, for a video, its display matrix says.
    depth : "scale" or "clip"
        Greys of 16 bits and of floats: scaled from their range to 0..255, or clipped at 255 as
        Pillow and the official code do.
    background : str or None
        A colour, such as "white", to lay transparent pictures on; None drops transparency.
    to_srgb : bool
        Convert colours by the ICC profile in the file.
    fit : "crop", "squash" or "pad"
        The centre square, the whole picture out of proportion, or the whole picture with borders.
    sample : "frames" or "time"
        Frames of a clip: evenly spaced by their number, or by the time they are shown at.
    local_files_only : bool
        Refuse addresses (http, https).
    timeout : float
        Seconds to wait for the server of an address.

    Raises
    ------
    UserError
        For another word than these, and for what is no colour.

    Examples
    --------
    >>> import numpygit
    >>> whole = numpygit.PictureOptions(fit="pad", background="white")
    >>> storybook = numpygit.load("storybook", pictures=whole)
    """

    turn: bool = True
    depth: str = "scale"
    background: str | None = None
    to_srgb: bool = False
    fit: str = "crop"
    sample: str = "frames"
    local_files_only: bool = False
    timeout: float = 30

    def __post_init__(self) -> None:
        for name, value, choices in (
            ("fit", self.fit, FITS), ("sample", self.sample, SAMPLES), ("depth", self.depth, DEPTHS)
        ):  # fmt: skip
            if value not in choices:
                raise UserError(f"{name} is {value!r}, expected one of {', '.join(choices)}")
        for name in ("turn", "to_srgb", "local_files_only"):
            expect(name, getattr(self, name), bool, "True or False")
        expect("timeout", self.timeout, (int, float), "a number of seconds")
        if not 0 < self.timeout < float("inf"):
            raise UserError(f"timeout is {self.timeout}, expected a number of seconds above 0")
        self.background_colour()

    def background_colour(self) -> tuple[int, int, int] | None:
        """Look up the colour that transparent pictures are laid on."""
        if self.background is None:
            return None
        try:
            return ImageColor.getrgb(self.background)[:3]
        except (ValueError, AttributeError, TypeError):
            raise UserError(
                f"background is {self.background!r}, expected a colour such as white or #808080"
            ) from None


DEFAULT = PictureOptions()
