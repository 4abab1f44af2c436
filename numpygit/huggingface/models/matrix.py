"""An embedding or a linear layer as an array that answers to torch's names too."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...model.params import Array


class Matrix(np.ndarray):
    """A matrix of parameters: an array, with the attributes of torch's Embedding and Linear.

    `matrix.weight` is the array, `matrix.bias` its bias if it has one. Called with token ids an
    embedding looks them up, (B, T) -> (B, T, D); called with vectors a head scores words.
    """

    bias: Array | None

    @classmethod
    def of(cls, weight: Array, bias: Array | None = None) -> Matrix:
        """Make a view of an array; nothing is copied."""
        matrix = weight.view(cls)
        matrix.bias = bias
        return matrix

    def __array_finalize__(self, source: Any) -> None:
        self.bias = getattr(source, "bias", None)

    @property
    def weight(self) -> Array:
        """The array itself."""
        return self.view(np.ndarray)

    @property
    def num_embeddings(self) -> int:
        """The number of rows: tokens."""
        return int(self.shape[0])

    @property
    def embedding_dim(self) -> int:
        """The width of a row."""
        return int(self.shape[1])

    out_features, in_features = num_embeddings, embedding_dim

    def __call__(self, given: Any) -> Array:
        """Look up token ids, or score vectors."""
        array = np.asarray(given)
        if np.issubdtype(array.dtype, np.integer):
            return np.asarray(self.weight[array])
        scores = array @ self.weight.T
        return scores if self.bias is None else scores + self.bias
