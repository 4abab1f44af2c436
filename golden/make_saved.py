"""Make `golden/saved`: a random tiny checkpoint, every file of it saved by the official code.

    python golden/make_saved.py         # needs the extra [golden]; takes seconds
    python golden/capture.py golden/saved/tiny golden/pixels/rgb.png --prompt "a red circle" \
        --out golden/saved

Weights are seeded; the vocabulary is `golden/words/vocab.txt`. The second command captures it as
it would an official checkpoint: the test of both runs without the network.
"""

from __future__ import annotations

from pathlib import Path

from official import build
from seeded import seeded_tensors
from transformers import BertTokenizerFast, CLIPImageProcessor, GitProcessor

from numpygit.loading.config import GitConfig
from numpygit.loading.names import tensor_shapes

HERE = Path(__file__).parent
CONFIG = {
    "vocab_size": 149,
    "hidden_size": 20,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 34,
    "max_position_embeddings": 32,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "vision_config": {
        "hidden_size": 12,
        "intermediate_size": 26,
        "num_hidden_layers": 3,
        "num_attention_heads": 3,
        "image_size": 20,
        "patch_size": 5,
    },
}


def main() -> None:
    """Save model, settings of pictures, and tokenizer."""
    folder = HERE / "saved" / "tiny"
    model = build(CONFIG, seeded_tensors(tensor_shapes(GitConfig.from_dict(CONFIG)), seed=6))
    model.save_pretrained(folder)
    pictures = CLIPImageProcessor(size={"shortest_edge": 20}, crop_size={"height": 20, "width": 20})
    words = BertTokenizerFast(str(HERE / "words" / "vocab.txt"), do_lower_case=True)
    GitProcessor(pictures, words).save_pretrained(folder)


if __name__ == "__main__":
    main()
