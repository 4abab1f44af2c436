"""What the fixtures that write checkpoint folders take and give."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

Tensors = dict[str, np.ndarray]
WriteFolder = Callable[..., Path]
