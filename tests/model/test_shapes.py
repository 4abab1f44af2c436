"""Every shape comment in the model's files is true, and every array is float32.

The model runs on sizes that are all different. After each line that ends in a comment such as
`# (B, N, T, S)`, the variable of that line, or what it returns, must have that shape. The letters
stand for the function's own variables, and must agree with the sizes of the run.
"""

import ast
import inspect
import io
import keyword
import re
import sys
import textwrap
import tokenize
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
from golden_inputs import tiny_inputs, tiny_model

import numpygit
from numpygit import GitConfig, GitForCausalLM
from numpygit.huggingface.processing.picture_steps import ImageProcessor
from numpygit.learning.backward.model import loss_and_gradients
from numpygit.learning.backward.vision import uncut_patches
from numpygit.learning.fast.model import loss_and_gradients as fast_twin
from numpygit.learning.fast.text import Batch
from numpygit.learning.lora import merged, random_lora
from numpygit.model import generate, image, layers, text

PACKAGE = Path(numpygit.__file__).parent
MODEL = ("image", "layers", "vision", "text", "generate")
BESIDE = (
    "model/variants/activations",
    "model/variants/relative_positions",
    "model/variants/relative_text",
    "model/variants/other_sizes",
    "huggingface/loss",
    "fast/layers",
    "fast/attention",
    "fast/words",
    "fast/towers",
    "learning/backward/layers",
    "learning/backward/vision",
    "learning/backward/text",
    "learning/lora",
    "learning/fast/layers",
    "learning/fast/vision",
    "learning/fast/text",
)
FILES = [str(PACKAGE / "model" / f"{name}.py") for name in MODEL]
FILES += [str(PACKAGE / f"{name}.py") for name in BESIDE]
SHAPE = re.compile(r"#\s*(\(.*\))")


def shape_comments(source: str) -> dict[int, str]:
    """Line -> shape, for comments behind code."""
    found = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        shape = SHAPE.match(token.string) if token.type == tokenize.COMMENT else None
        if shape and token.line[: token.start[1]].strip():
            found[token.start[0]] = shape[1]
    return found


class Claim:
    """One statement whose last line claims a shape."""

    def __init__(self, path: str, statement: ast.Assign | ast.Return, shape: str) -> None:
        self.where = f"{Path(path).name}:{statement.end_lineno}"
        self.lines = range(statement.lineno, statement.end_lineno + 1)
        self.shape = shape
        self.variable = None
        if isinstance(statement, ast.Assign):
            assert len(statement.targets) == 1, self.where
            assert isinstance(statement.targets[0], ast.Name), self.where
            self.variable = statement.targets[0].id

    def wrong(self, value: object, variables: dict) -> str | None:
        letters = {name: v for name, v in variables.items() if isinstance(v, int)}
        try:
            expected = eval(self.shape, {}, letters)
        except NameError as error:
            return f"{self.where} {self.shape}: {error}"
        expected = expected if isinstance(expected, tuple) else (expected,)
        if np.shape(value) == expected:
            return None
        return f"{self.where} says {self.shape} = {expected}, is {np.shape(value)}"


ARROW = re.compile(r"(\([^()]*\))(?:, ids so far \([^()]*\))? -> (?:twice )?(\([^()]*\))")


class Docstring:
    """The shapes that a docstring of the model claims: of parameters, and of what is returned."""

    def __init__(self, path: str, function: ast.FunctionDef) -> None:
        text = " ".join((ast.get_docstring(function) or "").split())
        self.where = f"{Path(path).parent.name}/{Path(path).name}: {function.name}"
        names = [a.arg for a in (*function.args.args, *function.args.kwonlyargs)]
        self.shapes: list[tuple[str, str]] = []
        for name in names:  # "mask: (B, 1, T, S)", "memory (B, M, D)", "ids (B, T)"
            for shape in re.findall(rf"\b{name}:? (\([^()]*\))", text):
                self.shapes.append((name, shape))
        arrow = ARROW.search(text)
        if arrow is not None:
            before = re.split(r"\W+", text[: arrow.start()].rstrip(" :,"))[-1]
            one_kind = len(ARROW.findall(text)) == 1  # not stills and clips
            if one_kind and before not in (*names, "and"):
                self.shapes.append((names[0], arrow[1]))
            self.shapes.append(("return", arrow[2]))

    def wrong(self, variables: dict, returned: object) -> list[str]:
        """Compare with one call. A letter that is no variable must mean one size everywhere."""
        letters = {k: v for k, v in variables.items() if isinstance(v, int) and k != "C"}
        found = []
        for name, shape in self.shapes:
            value = returned if name == "return" else variables.get(name)
            while name == "return" and isinstance(value, tuple):
                value = value[0]
            if not isinstance(value, np.ndarray):
                continue
            if not fits(shape, value.shape, letters):
                found.append(f"{self.where} {name} {shape}, is {value.shape}")
        return found


def fits(shape: str, sizes: tuple[int, ...], letters: dict[str, int]) -> bool:
    """Compare a shape in letters with sizes; letters met for the first time are written down."""
    parts = [part.strip() for part in shape.strip("()").split(",") if part.strip()]
    if parts and parts[0] == "...":
        parts = parts[1:]
        sizes = sizes[len(sizes) - len(parts) :]
    if len(parts) != len(sizes):
        return False
    for part, size in zip(parts, sizes, strict=True):
        if part.isidentifier() and not keyword.iskeyword(part):
            letters.setdefault(part, size)
        try:
            expected = eval(part, {}, letters)
        except (NameError, SyntaxError):  # "vision D", "in": letters of another tower
            continue
        if expected != size:
            return False
    return True


def docstrings_of(path: str) -> dict[int, Docstring]:
    """First line of a function -> the claims of its docstring."""
    tree = ast.parse(Path(path).read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    claims = {function.lineno: Docstring(path, function) for function in functions}
    return {line: claim for line, claim in claims.items() if claim.shapes}


def claims_of(path: str) -> dict[int, Claim]:
    """Line -> the claim of the statement on it; comments on fields are checked elsewhere."""
    source = Path(path).read_text()
    comments = shape_comments(source)
    claims = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.AnnAssign):
            comments.pop(node.end_lineno, None)
        if isinstance(node, ast.Assign | ast.Return) and node.end_lineno in comments:
            claim = Claim(path, node, comments.pop(node.end_lineno))
            claims |= dict.fromkeys(claim.lines, claim)
    assert not comments, f"{path}: no statement ends on {comments}"
    return claims


class Watcher:
    """A trace function for `sys.settrace` that checks claims and looks for float64."""

    def __init__(self) -> None:
        self.claims = {path: claims_of(path) for path in FILES}
        self.docstrings = {path: docstrings_of(path) for path in FILES}
        self.checked: set[Claim] = set()
        self.kept_docstrings: set[str] = set()
        self.wrong: set[str] = set()
        self.float64: set[str] = set()

    def __call__(self, frame: FrameType, event: str, argument: object):
        path = frame.f_code.co_filename
        if path not in self.claims:
            return None
        last: list[Claim | None] = [None]
        docstring = self.docstrings.get(path, {}).get(frame.f_code.co_firstlineno)
        given = dict(frame.f_locals)  # as they were: x is rebound on the way

        def watch(frame: FrameType, event: str, argument: object):
            here = self.claims[path].get(frame.f_lineno)
            if last[0] is not None and (last[0] is not here or event == "return"):
                self.check(last[0], frame, argument)
            last[0] = here
            self.look_for_float64(frame)
            if event == "return" and docstring is not None and argument is not None:
                self.wrong.update(docstring.wrong(frame.f_locals | given, argument))
                self.kept_docstrings.add(docstring.where)
            return watch

        return watch

    def check(self, claim: Claim, frame: FrameType, argument: object) -> None:
        value = argument if claim.variable is None else frame.f_locals.get(claim.variable)
        problem = claim.wrong(value, frame.f_locals)
        self.checked.add(claim)
        if problem:
            self.wrong.add(problem)

    def look_for_float64(self, frame: FrameType) -> None:
        for name, value in frame.f_locals.items():
            if isinstance(value, np.ndarray | np.generic) and value.dtype == np.float64:
                where = f"{Path(frame.f_code.co_filename).name}: {frame.f_code.co_name}"
                self.float64.add(f"{where} {name}")


def run_backwards() -> None:
    model = tiny_model()
    for kind in ("still", "clip"):
        given = tiny_inputs(kind)
        seen: dict[str, np.ndarray] = {}
        loss_and_gradients(
            model.params,
            model.config,
            given["pixel_values"],
            given["input_ids"],
            given["input_ids"],
            trace=seen.__setitem__,
        )
        shape = given["pixel_values"].reshape(-1, 3, 27, 27).shape
        uncut_patches(seen["vision.patches"], shape=shape, patch=9)


def run_fast_backwards() -> None:
    """Stills and clips, from pixels and from kept tokens, everything and LoRA's matrices."""
    model = tiny_model()
    adapted = merged(model.params, random_lora(model.params, rank=2, alpha=4.0, seed=0))
    for kind in ("still", "clip"):
        given = tiny_inputs(kind)
        ids, text = given["input_ids"], given["attention_mask"]
        positions = np.broadcast_to(np.arange(ids.shape[1]), ids.shape)
        batch = Batch(ids, np.roll(ids, -1, 1), text, positions, pixels=given["pixel_values"])
        fast_twin(model.params, model.config, batch, count=ids.size, smoothing=0.1)
        fast_twin(adapted, model.config, batch, count=ids.size, what="lora:2")


def run_everything() -> None:
    run_backwards()
    run_fast_backwards()
    for plain in (True, False):
        run_models(plain)
    past = tiny_model()(tiny_inputs("still")["input_ids"])
    generate.greedy(past.logits[:, -1], tiny_inputs("still")["input_ids"])
    for activation in layers.ACTIVATIONS.values():
        activation(past.logits)
    ImageProcessor(20, 24, 31)(image.Image.new("RGB", (50, 41)))


def run_models(plain: bool) -> None:
    model = tiny_model()
    model.plain = plain
    for kind in ("still", "clip"):
        given = tiny_inputs(kind)
        model.logits(
            given["input_ids"], given["pixel_values"], attention_mask=given["attention_mask"]
        )
        model.generate(given["input_ids"][:, :3], pixel_values=given["pixel_values"], max_length=9)
        model.generate(pixel_values=given["pixel_values"], max_length=6, num_beams=3)
    model.memory(np.zeros((1, 3, 40, 20), np.float32), interpolate_pos_encoding=True)
    values = {**model.config.to_dict(), "position_embedding_type": "relative_key_query"}
    relative = GitForCausalLM(GitConfig.from_dict(values))
    relative.plain = plain
    ids = tiny_inputs("still")["input_ids"]
    relative(ids[:, :2], labels=ids[:, :2], label_smoothing=0.1)
    relative.generate(ids[:, :2], pixel_values=tiny_inputs("still")["pixel_values"], max_length=4)
    past = relative(ids[:, :2])
    relative(ids[:, 2:], past_key_values=past.past_key_values)


@pytest.fixture(scope="module")
def watched() -> Watcher:
    watcher = Watcher()
    previous = sys.gettrace()
    sys.settrace(watcher)
    try:
        run_everything()
    finally:
        sys.settrace(previous)
    return watcher


def test_every_shape_comment_is_true(watched):
    assert not watched.wrong


def test_the_shapes_in_docstrings_are_true_and_were_reached(watched):
    claimed = {claim.where for part in watched.docstrings.values() for claim in part.values()}
    five = {f"model/{name}.py" for name in MODEL}
    missed = {where for where in claimed - watched.kept_docstrings if where.split(":")[0] in five}
    assert not missed
    assert len(watched.kept_docstrings) > 40
    assert {"model/layers.py: attention", "model/text.py: word_mask"} <= watched.kept_docstrings


def test_a_false_docstring_is_found():
    source = (
        "def f(x, mask):\n"
        "    'Say nothing: (B, T) -> (B, T). mask: (B, N, T), 0 may look.'\n"
        "    return x.T\n"
    )
    claim = Docstring("model/false.py", ast.parse(source).body[0])
    x, mask = np.zeros((2, 3)), np.zeros((2, 1, 3))
    assert claim.wrong({"x": x, "mask": mask, "N": 5}, x.T) == [
        "model/false.py: f mask (B, N, T), is (2, 1, 3)",
        "model/false.py: f return (B, T), is (3, 2)",
    ]


def test_every_shape_comment_was_reached(watched):
    everything = {claim for claims in watched.claims.values() for claim in claims.values()}
    assert not [claim.where for claim in everything - watched.checked]
    assert len(everything) > 40


def test_no_float64_anywhere(watched):
    assert not watched.float64


def test_the_watcher_sees_a_false_comment(tmp_path):
    path = tmp_path / "false.py"
    path.write_text(
        "import numpy as np\n"
        "def f(x):\n"
        "    B, T = x.shape\n"
        "    y = x.T  # (B, T)\n"
        "    return y * np.float64(2)  # (T, B)\n"
    )
    watcher = Watcher()
    watcher.claims = {str(path): claims_of(str(path))}
    space: dict = {}
    exec(compile(path.read_text(), str(path), "exec"), space)
    previous = sys.gettrace()
    sys.settrace(watcher)
    try:
        space["f"](np.zeros((2, 3)))
    finally:
        sys.settrace(previous)
    assert watcher.wrong == {"false.py:4 says (B, T) = (2, 3), is (3, 2)"}
    assert len(watcher.checked) == 2
    assert watcher.float64


def field_comments(holder: type) -> dict[str, str]:
    """Field -> shape, for the comments behind the fields of a dataclass or a named tuple."""
    lines, _ = inspect.getsourcelines(holder)
    source = textwrap.dedent("".join(lines))
    body = ast.parse(source).body[0].body
    by_line = {n.end_lineno: n.target.id for n in body if isinstance(n, ast.AnnAssign)}
    return {by_line[line]: shape for line, shape in shape_comments(source).items()}


def wrong_fields(value: object, letters: dict[str, int]) -> list[str]:
    """List the fields of `value` whose comment is not true."""
    wrong = []
    for name, shape in field_comments(type(value)).items():
        field = getattr(value, name)
        expected = eval(shape, {}, letters)
        expected = expected if isinstance(expected, tuple) else (expected,)
        for array in flat(field):
            if array.shape != expected:
                wrong.append(f"{type(value).__name__}.{name} {array.shape} != {expected}")
    return wrong


def flat(field: object) -> list[np.ndarray]:
    """List the arrays of a field: one, or one or two in each layer."""
    if isinstance(field, np.ndarray):
        return [field]
    return [array for part in field for array in flat(part)]


def test_field_comments_are_true():
    model = tiny_model()
    given = tiny_inputs("still")
    p = model.params
    assert not wrong_fields(p.vision, {"D": 28, "P": 9, "C": 3, "patch": 9, "frames": 4})
    assert not wrong_fields(p.text, {"D": 30, "V": 61, "max_positions": 23})
    memory = model.memory(given["pixel_values"])
    cache = text.prefill(memory, p.text, config=model.config)
    _, cache = text.decode_step(given["input_ids"], cache, p.text, config=model.config)
    sizes = {"B": 2, "N": 5, "M": 10, "S": 16, "A": 6, "V": 61}
    assert not wrong_fields(cache, sizes)
    assert not wrong_fields(cache.text_kv[0], {**sizes, "S": 6})
    for step in model.steps(given["pixel_values"], given["input_ids"], max_length=8):
        assert not wrong_fields(step, {**sizes, "T": step.ids.shape[1]})
    assert not wrong_fields(generate.greedy(step.logits, step.ids), sizes)
    assert wrong_fields(cache, {**sizes, "S": 17})
