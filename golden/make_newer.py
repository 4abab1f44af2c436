"""Make `golden/newer.npz`: what only the newer official code can be asked, or answers rightly.

    python golden/make_newer.py         # torch and transformers 5.23.0, not 4.37.2; seconds

The model of `golden/tiny`, its end token likelier, so that texts end at many lengths: prompts
padded on the left, logits_to_keep, several new words after a cache, and generation from
inputs_embeds, from a cache, and with pictures of another shape.

Its cached steps take the number of image tokens for the padding mask from the config. So stills
go into a model without frames, clips have all frames, and pictures of another shape have as many
patches as the model's own.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from make_positions import build_tiny
from seeded import seeded_pixels

HERE = Path(__file__).parent
END, ENDING = 3, 0.6
PROMPTS = [[2, 17, 5, 40, 9], [2, 22], [2, 8, 31]]
KNOWN = 3  # words of the first prompt that a cache knows
OPTIONS: dict[str, dict[str, Any]] = {
    "greedy": {},
    "beams": {"num_beams": 3, "num_return_sequences": 2},
    "repetition_penalty": {"repetition_penalty": 1.7},
    "no_repeat": {"no_repeat_ngram_size": 1},
    "lengths": {"max_length": 12, "min_length": 9, "forced_eos_token_id": END},
    "new_lengths": {"max_new_tokens": 7, "min_new_tokens": 4},
    "decay": {"exponential_decay_length_penalty": (1, 1.9)},
}


def padded() -> tuple[torch.Tensor, torch.Tensor]:
    """Put the prompts into one array, padded on the left: -> ids and mask."""
    T = max(len(prompt) for prompt in PROMPTS)
    ids = [[0] * (T - len(prompt)) + prompt for prompt in PROMPTS]
    mask = [[0] * (T - len(prompt)) + [1] * len(prompt) for prompt in PROMPTS]
    return torch.tensor(ids), torch.tensor(mask)


def pixels_of(kind: str) -> torch.Tensor:
    """Draw stills, clips, or stills of another shape."""
    shape = {"still": (3, 3, 27, 27), "clip": (3, 4, 3, 27, 27), "wide": (3, 3, 10, 84)}[kind]
    return torch.from_numpy(seeded_pixels(shape, seed=9))


def forward(model: Any) -> dict[str, torch.Tensor]:
    """Ask for logits: padded on the left, the last few, in two steps."""
    ids, mask = padded()
    places = (mask.cumsum(1) - 1).clamp(min=0)  # the official forward does not count by itself
    given = {"pixel_values": pixels_of("still")}
    found = {"padded": model(ids, mask, places, **given).logits}
    for count in (1, 3):
        kept = model(ids, mask, places, **given, logits_to_keep=count)
        found[f"keep_{count}"] = kept.logits
    first = model(ids[:, :KNOWN], mask[:, :KNOWN], places[:, :KNOWN], **given, use_cache=True)
    later = {"past_key_values": first.past_key_values, "use_cache": True}
    # the mask of a later call covers all words
    found["later"] = model(ids[:, KNOWN:], mask, places[:, KNOWN:], **later).logits
    return {f"forward/{name}": logits for name, logits in found.items()}


def continued(model: Any) -> dict[str, torch.Tensor]:
    """Generate after a cache that knows the picture and the beginning of the prompt."""
    ids = torch.tensor([PROMPTS[0]] * 3)
    found = {}
    for name in ("greedy", "beams"):
        options = {"max_length": 15, **OPTIONS[name]}
        rows = torch.arange(3).repeat_interleave(options.get("num_beams", 1))
        # beams want a cache of as many rows; the picture of row 0, 0, 0, 1, 1, 1, ...
        first = model(ids[rows, :KNOWN], pixel_values=pixels_of("still")[rows], use_cache=True)
        past = first.past_key_values
        # given all words, it takes the image tokens of the cache for words and finds none left;
        # given the new ones, it wants a mask of all
        found[f"continued/{name}"] = model.generate(
            ids[:, KNOWN:], past_key_values=past, attention_mask=torch.ones_like(ids),
            **{**options, "max_length": 15 - KNOWN},
        )  # fmt: skip
    return found


def generated(model: Any, kinds: tuple[str, ...]) -> dict[str, torch.Tensor]:
    """Generate from prompts padded on the left, as ids and as vectors."""
    ids, mask = padded()
    vectors = model.get_input_embeddings()(ids)
    found = {}
    for kind in kinds:
        given = {"pixel_values": pixels_of(kind), "attention_mask": mask}
        given |= {"interpolate_pos_encoding": True} if kind == "wide" else {}
        for name, options in OPTIONS.items():
            asked = {**given, "max_length": 15, **options}
            asked = {k: v for k, v in asked.items() if k != "max_length" or name != "new_lengths"}
            found[f"ids/{kind}/{name}"] = model.generate(ids, **asked)
            # the embedding is copied: the official forward adds places to it in place
            if name == "repetition_penalty":  # with a mask it spares the first new words
                answer = one_by_one(model, vectors, asked)
            else:
                answer = model.generate(inputs_embeds=vectors.clone(), **asked)
            found[f"vectors/{kind}/{name}"] = answer
        found[f"both/{kind}/repetition_penalty"] = model.generate(
            ids, inputs_embeds=vectors.clone(), **given, max_length=15, repetition_penalty=1.7
        )
    return found


def one_by_one(model: Any, vectors: torch.Tensor, asked: dict[str, Any]) -> torch.Tensor:
    """Generate from each prompt alone, without padding; rows are filled up on the right."""
    longest = max(len(prompt) for prompt in PROMPTS)
    said = []
    for row, prompt in enumerate(PROMPTS):
        given = {**asked, "pixel_values": asked["pixel_values"][row : row + 1]}
        given["attention_mask"] = None
        given["max_length"] = asked["max_length"] - longest + len(prompt)
        alone = vectors[row : row + 1, longest - len(prompt) :].clone()
        said.append(model.generate(inputs_embeds=alone, **given)[0])
    return torch.nn.utils.rnn.pad_sequence(said, batch_first=True)


def still_model(clips: Any) -> Any:
    """Make the same model without frames."""
    config = transformers.GitConfig(**{**clips.config.to_dict(), "num_image_with_embedding": None})
    model = transformers.GitForCausalLM(config).eval()
    state = {n: a for n, a in clips.state_dict().items() if "temporal" not in n}
    model.load_state_dict(state, strict=True)
    return model


def main() -> None:
    """Write the file."""
    assert transformers.__version__ == "5.23.0"
    warnings.filterwarnings("ignore")
    transformers.logging.set_verbosity_error()
    clips = build_tiny()
    with torch.no_grad():
        clips.output.bias[END] += ENDING
        model = still_model(clips)
        found = {**forward(model), **continued(model), **generated(model, ("still", "wide"))}
        found |= generated(clips, ("clip",))
    arrays = {name: np.asarray(array) for name, array in found.items()}
    np.savez_compressed(HERE / "newer.npz", **arrays)
    ends = {row.tolist().index(END) for name, a in arrays.items() if not name.startswith("forward")
            for row in a if END in row}  # fmt: skip
    print(f"{len(arrays)} answers; texts end at {sorted(ends)}")
    print({name: array.shape for name, array in arrays.items()})


if __name__ == "__main__":
    main()
