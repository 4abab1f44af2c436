"""A model's parameters under the official names: `model.git.encoder.layer[0].attention`, ...

A `Part` is a view of all parameters whose names begin alike. It reads; parameters are changed by
`load_state_dict`, `set_input_embeddings` and their like, because the arrays may be shared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import UserError
from ...model.params import Array
from .torch_only import why_missing


class Part:
    """Parameters whose official names begin with `prefix`: by attribute, or by number in a list.

    `weight` and `bias` are arrays, anything above them is another Part. An embedding and a linear
    layer say their sizes as in torch: num_embeddings, embedding_dim, in_features, out_features.
    """

    def __init__(self, tensors: Mapping[str, Array], prefix: str) -> None:
        self.__dict__.update(tensors=dict(tensors), prefix=prefix)

    def __getattr__(self, name: str) -> Any:
        found = part_of(self.tensors, name)
        if found is not None:
            return named(found, f"{self.prefix}.{name}")
        if name == "img_temporal_embedding":
            return getattr(self, "img_temperal_embedding")  # noqa: B009
        size = self.sizes().get(name)
        if size is not None:
            return size
        names = ", ".join(self.children())
        raise why_missing(self, name) or AttributeError(
            f"{self.prefix} has no part {name!r}; it has: {names}"
        )

    def __setattr__(self, name: str, value: Any) -> None:
        raise UserError(
            f"{self.prefix}.{name} cannot be set: parts of a model are read here; change "
            "parameters with model.load_state_dict({name: array}, strict=False)"
        )

    def __getitem__(self, key: int) -> Any:
        index = key + len(self) if key < 0 else key
        if not 0 <= index < len(self):
            raise IndexError(f"{self.prefix} has {len(self)} parts; there is no number {key}")
        return getattr(self, self.children()[index])

    def __len__(self) -> int:
        return len(self.children())

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if "weight" not in self.tensors:
            raise UserError(
                f"{self.prefix} is no single array; it has: {', '.join(self.children())}"
            )
        return self.tensors["weight"].astype(dtype or "float32", copy=bool(copy))

    def __repr__(self) -> str:
        shapes = ", ".join(
            f"{name}: {array.shape}" for name, array in list(self.tensors.items())[:6]
        )
        more = f", ... {len(self.tensors)} tensors" if len(self.tensors) > 6 else ""
        return f"{self.prefix}({shapes}{more})"

    def children(self) -> list[str]:
        """List the names below this one."""
        return list(dict.fromkeys(name.split(".")[0] for name in self.tensors))

    def sizes(self) -> dict[str, int]:
        """Name the sizes of a matrix as torch does."""
        weight = self.tensors.get("weight")
        if weight is None or weight.ndim != 2:
            return {}
        first, second = weight.shape
        return {"num_embeddings": first, "embedding_dim": second, "out_features": first,
                "in_features": second}  # fmt: skip

    def state_dict(self) -> dict[str, Array]:
        """List the parameters by what is left of their names."""
        return dict(self.tensors)

    def parameters(self, recurse: bool = True) -> Iterator[Array]:
        """Go through the parameters."""
        return iter(self.tensors.values())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True
    ) -> Iterator[tuple[str, Array]]:
        """Go through the parameters and their names."""
        ahead = f"{prefix}." if prefix else ""
        return ((ahead + name, array) for name, array in self.tensors.items())


def part_of(tensors: Mapping[str, Array], name: str) -> Any:
    """Find what is called so: an array, the tensors below the name, or None."""
    if name in tensors:
        return tensors[name]
    start = f"{name}."
    below = {n.removeprefix(start): a for n, a in tensors.items() if n.startswith(start)}
    return below or None


def named(found: Any, prefix: str) -> Any:
    """Make a Part of tensors; an array stays one."""
    return Part(found, prefix) if isinstance(found, dict) else found
