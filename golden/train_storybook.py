"""Train the bundled model: the official GIT of transformers, on the storybook world.

    python golden/train_storybook.py --out DIR --minutes 15.5 --workers 12 --first 8000 --compile
    python golden/train_storybook.py --out DIR --resume DIR --minutes 0      # figures only

Needs torch, transformers 5, one GPU and some processor cores, which draw fresh pictures all the
time while the GPU learns from them. Without a GPU it runs too, for a try at tiny scale. With
OMP_NUM_THREADS=1 the drawing processes do not get into each other's way.

How: all texts of a picture stand in one sequence, where each sees the picture and itself, never
the others, and positions start anew with each text; a check at the start holds the logits equal
to those of the official forward. Muon moves the matrices of the blocks, AdamW the rest. 15 % of
the caption and answer words that go in are hidden behind [MASK]. The loss is the cross-entropy
of the caption and answer words and of [SEP]. The figures at the end come from greedy generation
of the whole text, with the weights as they are on disk (float16), on scenes never seen.

The checkpoint of the package came from the first line above: torch 2.11, transformers 5.17, one
H100 GPU, 16 processor cores. 15.5 minutes were 13,400 steps of 384 stills and 32 clips; 2,658,816
stills and 166,208 clips were drawn for them. Whole texts right, in percent, seen / held-out:
captions of stills 100.00 / 99.80, answers about stills 100.00 / 99.97, all texts of clips 100 / 100
(`--minutes 0 --tests 8000`; by kind in `numpygit/storybook/checkpoint/README.md`).
On the way, after ten of these minutes: 99.75 / 99.25, 99.98 / 99.86, 100 / 100 (400 scenes a set).
"""

import argparse
import functools
import json
import math
import multiprocessing
import re
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from packed_scenes import laid_out
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from torch import nn
from torch.nn import functional as F  # noqa: N812  (its usual name)
from transformers import GitConfig, GitForCausalLM
from transformers.models.git.modeling_git import GitSelfAttention

from numpygit import storybook

SIDE, T = 96, 80  # of a picture; tokens of all its texts together
CLS, SEP, MASK, PAD = 2, 3, 4, 0
VOCABULARY = storybook.vocabulary()
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
STILLS, CLIPS = 384, 32  # pictures in a step
RATE, WARM_UP, DECAY, HIDDEN = 2e-3, 300, 0.05, 0.15
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
TEST_SEED = 77_000_000


# ---- the words


@functools.cache
def tokenizer() -> Tokenizer:
    """Return the real WordPiece tokenizer of the checkpoint."""
    ids = {token: i for i, token in enumerate(VOCABULARY)}
    real = Tokenizer(models.WordPiece(vocab=ids, unk_token="[UNK]"))
    real.normalizer = normalizers.BertNormalizer(lowercase=True)
    real.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return real


@functools.lru_cache(100_000)
def word_ids(word: str) -> tuple[int, ...]:
    """Return the tokens of one word."""
    return tuple(tokenizer().encode(word).ids)


def text_ids(text: str) -> list[int]:
    """Return the tokens of a text, word by word."""
    return [i for word in re.findall(r"[a-z0-9]+|[,?]", text) for i in word_ids(word)]


def texts_of(scene: storybook.Scene, rng: np.random.Generator) -> list[tuple[str, str, str]]:
    """List (kind, prompt, what the model should say) of a scene: the caption, then questions."""
    asked = [("answer:" + kind, q, a) for kind, q, a in storybook.questions(scene, rng)]
    asked.sort(
        key=lambda text: text[0] != "answer:read"
    )  # reading is hard, so it is never left out
    return [("caption:" + scene.kind, "", storybook.caption(scene)), *asked]


def packed(texts: list[tuple[str, str, str]]) -> np.ndarray:
    """Lay as many texts as fit into one sequence: rows are words in, words out, text, position."""
    ids = [(text_ids(prompt), text_ids(answer)) for _, prompt, answer in texts]
    return laid_out(ids, T, PAD).astype(np.int16)


# ---- the pictures


def shard(seed: int, count: int, clip: bool, held_out: bool = False) -> tuple:
    """Draw pictures and pack their texts: (pictures, rows, texts)."""
    rng = np.random.default_rng(seed)
    scenes = [storybook.sample(rng, "clip" if clip else None, held_out) for _ in range(count)]
    texts = [texts_of(scene, rng) for scene in scenes]
    drawn = [storybook.render(scene, SIDE) for scene in scenes]
    frames = [[np.asarray(f) for f in p] if clip else np.asarray(p) for p in drawn]
    return np.array(frames, np.uint8), np.stack([packed(t) for t in texts]), texts


def keep_drawing(queue, worker: int, seed: int) -> None:
    """Draw for ever: four shards of stills, then one of clips."""
    for number in range(1 << 30):
        clip = number % 5 == worker % 5
        made = shard(seed + worker * 1_000_000 + number, 64 if clip else 256, clip)
        queue.put((clip, made[0], made[1]))


class Store:
    """The newest pictures and their texts, on the device; old ones are written over."""

    def __init__(self, capacity: int, clip: bool):
        shape = (capacity, 4, SIDE, SIDE, 3) if clip else (capacity, SIDE, SIDE, 3)
        self.pictures = torch.zeros(shape, dtype=torch.uint8, device=DEVICE)
        self.rows = torch.zeros((capacity, 4, T), dtype=torch.int16, device=DEVICE)
        self.capacity, self.cursor, self.filled, self.made = capacity, 0, 0, 0

    def add(self, pictures: np.ndarray, rows: np.ndarray) -> None:
        """Write a shard over the oldest pictures."""
        if self.cursor + len(rows) > self.capacity:
            self.cursor = 0
        place = slice(self.cursor, self.cursor + len(rows))
        self.pictures[place] = torch.from_numpy(pictures).to(DEVICE)
        self.rows[place] = torch.from_numpy(rows).to(DEVICE)
        self.cursor += len(rows)
        self.made += len(rows)
        self.filled = max(self.filled, self.cursor)

    def draw(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Pick pictures and rows at random."""
        i = torch.randint(self.filled, (count,), device=DEVICE)
        return self.pictures[i], self.rows[i].long()


def pixels_of(pictures: torch.Tensor, noise: bool = False) -> torch.Tensor:
    """Turn bytes (..., H, W, 3) into pixels (..., 3, H, W), a little grainy if wished."""
    x = pictures.to(DEVICE).movedim(-1, -3).float() / 255
    if noise:
        each = (len(x), *[1] * (x.ndim - 1))
        x = x * (1 + 0.06 * (torch.rand(each, device=DEVICE) - 0.5))
        x = x + torch.randn_like(x) * torch.rand(each, device=DEVICE) * 0.02
    mean, std = (torch.tensor(v, device=DEVICE)[:, None, None] for v in (MEAN, STD))
    return (x.clamp(0, 1) - mean) / std


# ---- the model


def config_dict() -> dict:
    """Return config.json."""
    tower = {"hidden_size": 160, "intermediate_size": 640, "num_hidden_layers": 4}
    tower |= {"num_attention_heads": 5, "initializer_range": 0.05}
    vision = {"model_type": "git_vision_model", **tower, "num_channels": 3, "image_size": SIDE}
    vision |= {"patch_size": 12, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5}
    vision |= {"attention_dropout": 0.0}
    text = {"vocab_size": len(VOCABULARY), **tower, "hidden_act": "gelu", "layer_norm_eps": 1e-12}
    text |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    text |= {"max_position_embeddings": 32, "num_image_with_embedding": 4, "use_cache": True}
    text |= {"bos_token_id": CLS, "eos_token_id": SEP, "pad_token_id": PAD}
    text |= {"tie_word_embeddings": False}
    kind = {"architectures": ["GitForCausalLM"], "model_type": "git", "torch_dtype": "float32"}
    return {**kind, **text, "vision_config": vision}


def new_model(resume: str) -> GitForCausalLM:
    """Build the official model, fresh or from a folder that `save` wrote."""
    values = {
        k: v
        for k, v in config_dict().items()
        if k not in ("architectures", "model_type", "torch_dtype")
    }
    model = GitForCausalLM(GitConfig(**values))
    for name, p in model.named_parameters():
        if "img_temp" in name:  # releases since 4.57 leave these at zero or worse
            nn.init.normal_(p, std=0.05)
    if resume:
        stored = load_file(Path(resume) / "model.safetensors")
        load_weights(model, stored)
    return model.to(DEVICE)


def load_weights(model: GitForCausalLM, stored: dict[str, torch.Tensor]) -> None:
    """Load weights under their official names, whatever this release calls them."""
    own = {official(name): p for name, p in model.named_parameters()}
    assert own.keys() == stored.keys(), own.keys() ^ stored.keys()
    with torch.no_grad():
        for name, p in own.items():
            p.copy_(stored[name].float())


def official(name: str) -> str:
    """Return the name that a weight has in the official files."""
    return name.replace("img_temporal_embedding", "img_temperal_embedding")


def fast_attention(self, hidden_states, attention_mask=None, past_key_values=None, **_):
    """Do what GitSelfAttention.forward does, in one fused step."""
    shape = (*hidden_states.shape[:-1], -1, self.attention_head_size)
    layers = (self.query, self.key, self.value)
    q, k, v = (layer(hidden_states).view(shape).transpose(1, 2) for layer in layers)
    mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=attention_mask.to(q.dtype))
    return mixed.transpose(1, 2).flatten(2), None


def packed_logits(model: GitForCausalLM, pixels: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Return the logits (B, T, V) of packed texts, with the official modules and our own mask."""
    git = model.git
    tower = git.image_encoder.vision_model
    B, frames = len(pixels), pixels.shape[1] if pixels.ndim == 5 else 1
    x = tower.pre_layrnorm(tower.embeddings(pixels.flatten(0, 1) if pixels.ndim == 5 else pixels))
    for layer in tower.encoder.layers:
        x = layer(x, None)
        x = x[0] if isinstance(x, tuple) else x
    x = tower.post_layernorm(x)
    if pixels.ndim == 5:
        x = x.unflatten(0, (B, frames)) + torch.stack(list(temporal(git)), 2)[0].movedim(1, 0)
        x = x.flatten(1, 2)
    memory = git.visual_projection(x)
    words = git.embeddings(input_ids=rows[:, 0], position_ids=rows[:, 3])
    x, M = torch.cat([memory, words], 1), memory.shape[1]
    text = torch.cat([rows.new_zeros(B, M), rows[:, 2]], 1)
    place = torch.arange(x.shape[1], device=x.device)
    same = (text[:, :, None] == text[:, None, :]) & (place[:, None] >= place[None, :])
    seen = same | (place < M)[None, None, :]
    mask = torch.zeros(seen.shape, device=x.device).masked_fill(~seen, -1e9)[:, None]
    for layer in git.encoder.layer:
        x = layer(x, mask)
        x = x[0] if isinstance(x, tuple) else x
    return model.output(x[:, M:])


def temporal(git: nn.Module) -> nn.ParameterList:
    """Return the temporal embeddings under either spelling."""
    return getattr(git, "img_temporal_embedding", None) or git.img_temperal_embedding


@torch.no_grad()
def check_packing(model: GitForCausalLM) -> float:
    """Compare packed logits with the official forward, text by text; return the largest gap."""
    gap = 0.0
    for clip in (False, True):
        pictures, rows, texts = shard(5, 3, clip)
        pixels, rows = (
            pixels_of(torch.from_numpy(pictures)),
            torch.from_numpy(rows).long().to(DEVICE),
        )
        logits = packed_logits(model, pixels, rows)
        for b, spoken in enumerate(texts):
            for number, (_, prompt, answer) in enumerate(spoken, 1):
                here = rows[b, 2] == number
                if not here.any():
                    continue
                ids = rows[b, 0][here]
                whole = " ".join((prompt, answer)).strip()
                assert ids.tolist() == [CLS, *tokenizer().encode(whole).ids]
                right = model(input_ids=ids[None], pixel_values=pixels[b : b + 1], use_cache=False)
                ours = logits[b][here]
                gap = max(gap, (right.logits[0, -len(ids) :] - ours).abs().max().item())
    assert gap < 2e-3, gap
    return gap


# ---- learning


class Muon:
    """Momentum, then the nearest orthogonal matrix: for the matrices of the blocks."""

    def __init__(self, params: list[nn.Parameter]):
        by_shape = defaultdict(list)
        for p in params:
            by_shape[tuple(p.shape)].append(p)
        self.groups = [
            (g, torch.zeros(len(g), *shape, device=DEVICE)) for shape, g in by_shape.items()
        ]

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Move every matrix; matrices of one shape together."""
        for params, momentum in self.groups:
            gradient = torch.stack([p.grad for p in params])
            momentum.mul_(0.95).add_(gradient)
            update = orthogonal(gradient + momentum * 0.95)
            scale = rate * 0.2 * math.sqrt(max(update.shape[1:]))
            torch._foreach_mul_(params, 1 - rate * DECAY)
            torch._foreach_add_(params, list(update.float().unbind()), alpha=-scale)


def orthogonal(x: torch.Tensor) -> torch.Tensor:
    """Push the singular values of (N, rows, columns) towards 1 (five Newton-Schulz steps)."""
    x = x.bfloat16() if DEVICE == "cuda" else x
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        a = x @ x.mT
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.mT if tall else x


class Optimizer:
    """Muon for the blocks, AdamW for the rest, one rate for both."""

    def __init__(self, model: GitForCausalLM):
        self.all = list(model.parameters())
        blocks = [p for n, p in model.named_parameters() if p.ndim == 2 and ".layer" in n]
        chosen = {id(p) for p in blocks}
        rest = [p for p in self.all if id(p) not in chosen]
        groups = [
            {"params": [p for p in rest if p.ndim > 1], "weight_decay": DECAY},
            {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.adam = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.98), fused=DEVICE == "cuda")
        self.muon = Muon(blocks)

    def step(self, rate: float) -> None:
        """Clip the gradients and move every weight."""
        nn.utils.clip_grad_norm_(self.all, 1.0)
        for group in self.adam.param_groups:
            group["lr"] = rate
        self.adam.step()
        self.muon.step(rate)
        self.adam.zero_grad(set_to_none=True)
        for p in self.all:
            p.grad = None


def summed_loss(model: GitForCausalLM, pictures: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Return the summed cross-entropy of the words to say."""
    hide = (rows[:, 1].roll(1, 1) > 0) & (rows[:, 3] > 0)  # words that were to be said a step ago
    hide &= torch.rand(hide.shape, device=hide.device) < HIDDEN
    words = rows[:, 0].masked_fill(hide, MASK)
    rows = torch.cat([words[:, None], rows[:, 1:]], 1)
    with torch.autocast(DEVICE, torch.bfloat16, enabled=DEVICE == "cuda"):
        logits = packed_logits(model, pixels_of(pictures, noise=True), rows)
    return F.cross_entropy(
        logits.float().flatten(0, 1), rows[:, 1].flatten(), ignore_index=PAD, reduction="sum"
    )


def train(model: GitForCausalLM, args: argparse.Namespace, queue, tests: dict, log) -> None:
    """Learn until the minutes are over, with a look at the figures on the way."""
    stills, clips = Store(args.keep, False), Store(args.keep // 8, True)
    while stills.filled < args.first or clips.filled < args.first // 32:
        clip, pictures, rows = queue.get()
        (clips if clip else stills).add(pictures, rows)
    optimizer, loss_of = Optimizer(model), summed_loss
    if args.compile:
        loss_of = torch.compile(summed_loss, dynamic=False)
    start, step, looked, limit = time.time(), 0, time.time(), args.minutes * 60
    log(f"training starts with {stills.filled} stills and {clips.filled} clips")
    while (part := (time.time() - start) / limit) < 1:
        while not queue.empty():
            clip, pictures, rows = queue.get()
            (clips if clip else stills).add(pictures, rows)
        rate = args.rate * min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * part))
        a, b = stills.draw(args.stills), clips.draw(args.clips)
        count = (a[1][:, 1] > 0).sum() + (b[1][:, 1] > 0).sum()
        loss = 0.0
        for batch in (a, b):
            share = loss_of(model, *batch) / count
            share.backward()
            loss = loss + share.detach()
        optimizer.step(rate)
        step += 1
        if step % 20 == 0 and DEVICE == "cuda":
            torch.cuda.synchronize()  # so that the clock above is true
        if step % 200 == 0 or step == 20:
            log(
                f"{time.time() - start:.0f} s, step {step}, loss {float(loss):.4f}, "
                f"{stills.made} stills and {clips.made} clips drawn"
            )
        if time.time() - looked > args.look:
            log(short(evaluate(model, tests, 400)))
            save(model, args.out)
            looked = time.time()
    log(
        f"{step} steps of {args.stills} stills + {args.clips} clips; drawn: {stills.made} stills, "
        f"{clips.made} clips"
    )


# ---- figures


@torch.no_grad()
def said(model: GitForCausalLM, pixels: torch.Tensor, prompts: list[list[int]]) -> list[list[int]]:
    """Generate greedily, word by word, with the official forward; return the new words."""
    B, longest = len(prompts), max(len(p) for p in prompts)
    length = torch.tensor([len(p) for p in prompts], device=DEVICE)
    ids = torch.zeros(B, longest + 20, dtype=torch.long, device=DEVICE)
    for b, prompt in enumerate(prompts):
        ids[b, : len(prompt)] = torch.tensor(prompt)
    done, row = torch.zeros(B, dtype=torch.bool, device=DEVICE), torch.arange(B, device=DEVICE)
    for new in range(18):
        width = min(longest + new, 32)
        out = model(input_ids=ids[:, :width], pixel_values=pixels, use_cache=False).logits
        word = out[:, -width:][row, (length + new - 1).clamp(max=width - 1)].argmax(-1)
        ids[row, length + new] = torch.where(done, PAD, word)
        done |= word == SEP
        if done.all():
            break
    return [ids[b, len(p) :].tolist() for b, p in enumerate(prompts)]


def evaluate(model: GitForCausalLM, tests: dict, limit: int = 1 << 30) -> dict:
    """Count how often the whole text is right: {set: {kind of text: [right, all]}}."""
    model.eval()
    GitSelfAttention.forward, fast = ORIGINAL, GitSelfAttention.forward
    figures = {}
    for name, (pictures, _, texts) in tests.items():
        counts = defaultdict(lambda: [0, 0])
        todo = [(i, *t) for i, spoken in enumerate(texts[:limit]) for t in spoken]
        todo.sort(key=lambda t: (len(text_ids(t[2])), len(text_ids(t[3]))))
        for at in range(0, len(todo), 500):
            batch = todo[at : at + 500]
            pixels = pixels_of(torch.from_numpy(pictures[[t[0] for t in batch]]))
            words = said(model, pixels, [[CLS, *text_ids(t[2])] for t in batch])
            for (_, kind, _, answer), new in zip(batch, words, strict=True):
                right = [*text_ids(answer), SEP]
                counts[kind][0] += new[: len(right)] == right
                counts[kind][1] += 1
        figures[name] = dict(sorted(counts.items()))
    GitSelfAttention.forward = fast
    model.train()
    return figures


def short(figures: dict) -> str:
    """Say in one line how often captions and answers of each set are right."""
    words = []
    for name, counts in figures.items():
        for kind in ("caption", "answer"):
            right, every = np.sum([v for k, v in counts.items() if k.startswith(kind)], 0)
            words.append(f"{name} {kind}s {100 * right / every:.2f}")
    return ", ".join(words)


def long(figures: dict) -> str:
    """Say by kind how often a text is right, one kind a line, one column a set."""
    kinds = sorted({kind for counts in figures.values() for kind in counts})
    lines = ["".join(f"{name:>22}" for name in ("", *figures))]
    for kind in kinds:
        cells = [f"{kind:>22}"]
        for counts in figures.values():
            right, every = counts.get(kind, (0, 0))
            cells.append(f"{100 * right / every:9.2f} of {every:6d}    " if every else " " * 22)
        lines.append("".join(cells))
    return "\n".join(lines)


# ---- files


def save(model: GitForCausalLM, out: str) -> None:
    """Write a folder in the official format, float16."""
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        official(n): p.detach().half().cpu().contiguous() for n, p in model.named_parameters()
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    picture = {"do_convert_rgb": True, "do_resize": True, "size": {"shortest_edge": SIDE}}
    picture |= {"resample": 3, "do_center_crop": True, "crop_size": {"height": SIDE, "width": SIDE}}
    picture |= {"do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True}
    picture |= {"image_mean": MEAN, "image_std": STD, "processor_class": "GitProcessor"}
    words = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 32}
    words |= {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]"}
    words |= {"unk_token": "[UNK]", "mask_token": "[MASK]", "processor_class": "GitProcessor"}
    speak = {"bos_token_id": CLS, "eos_token_id": SEP, "pad_token_id": PAD, "max_length": 32}
    files = {
        "config.json": config_dict(),
        "preprocessor_config.json": {"image_processor_type": "CLIPImageProcessor", **picture},
        "tokenizer_config.json": words,
        "generation_config.json": speak,
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n")


def test_sets(workers: int, stills: int, clips: int) -> dict:
    """Draw the scenes of the figures: stills and clips, seen and held-out combinations."""
    wanted = {"stills seen": (stills, False, False), "stills held-out": (stills, False, True)}
    wanted |= {"clips seen": (clips, True, False), "clips held-out": (clips, True, True)}
    jobs, names = [], []
    for number, (name, (count, clip, held_out)) in enumerate(wanted.items()):
        each = max(1, count // 20)
        for k in range(0, count, each):
            jobs.append((TEST_SEED + number * 100_000 + k, min(each, count - k), clip, held_out))
            names.append(name)
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        made = pool.starmap(shard, jobs, chunksize=1)
    tests = {}
    for name in wanted:
        parts = [m for m, n in zip(made, names, strict=True) if n == name]
        joined = [np.concatenate([p[k] for p in parts]) for k in (0, 1)]
        tests[name] = (*joined, [t for p in parts for t in p[2]])
    return tests


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, help="folder for the checkpoint and train.log")
    parser.add_argument("--minutes", type=float, default=8.0, help="of learning; 0: figures only")
    parser.add_argument(
        "--resume", default="", help="folder of an earlier checkpoint to start from"
    )
    parser.add_argument("--workers", type=int, default=15, help="processes that draw")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--stills", type=int, default=STILLS, help="in a step")
    parser.add_argument("--clips", type=int, default=CLIPS, help="in a step")
    parser.add_argument("--keep", type=int, default=400_000, help="newest stills to learn from")
    parser.add_argument("--first", type=int, default=16_000, help="stills to begin with")
    parser.add_argument("--tests", type=int, default=4000, help="stills of each test set")
    parser.add_argument("--look", type=float, default=100, help="seconds between two looks")
    parser.add_argument("--compile", action="store_true", help="let torch compile the model")
    return parser.parse_args()


def main() -> None:
    """Draw, learn, count, save."""
    args, start = arguments(), time.time()
    Path(args.out).mkdir(parents=True, exist_ok=True)

    def log(line: str) -> None:
        line = f"[{time.time() - start:6.0f} s] {line}"
        print(line, flush=True)
        with open(Path(args.out) / "train.log", "a") as file:
            file.write(line + "\n")

    torch.backends.cudnn.allow_tf32 = False  # the check below wants every digit
    context = multiprocessing.get_context("fork")
    tests = test_sets(args.workers, args.tests, args.tests // 4)
    queue = context.Queue(maxsize=48)
    workers = [
        context.Process(target=keep_drawing, args=(queue, k, args.seed * 100_000_000), daemon=True)
        for k in range(args.workers if args.minutes else 0)
    ]
    for worker in workers:
        worker.start()
    torch.manual_seed(args.seed)
    model = new_model(args.resume)
    size = sum(p.numel() for p in model.parameters())
    log(f"{size:,} parameters; packed logits off by {check_packing(model):.1e}")
    if args.minutes:
        if DEVICE == "cuda":
            GitSelfAttention.forward = fast_attention
            log(f"with fused attention off by {check_packing(model):.1e}")
        train(model, args, queue, tests, log)
        save(model, args.out)
        for worker in workers:
            worker.terminate()
    GitSelfAttention.forward = ORIGINAL
    load_weights(model, {official(n): p.detach().half() for n, p in model.named_parameters()})
    figures = evaluate(model, tests)
    log("greedy, whole text right, in percent:\n" + long(figures) + "\n" + short(figures))


ORIGINAL = GitSelfAttention.forward

if __name__ == "__main__":
    main()
