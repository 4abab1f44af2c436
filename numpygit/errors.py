"""The mistakes a user can make: one line each, saying what was given and what to do."""


class UserError(ValueError):
    """Something that was given cannot be used; the text says what, and what to do instead."""


class NotFiniteError(UserError, ArithmeticError):
    """Infinities or NaN came out of the model."""


class NotFoundError(UserError, OSError):
    """A file, a folder or a model is not where it was looked for."""
