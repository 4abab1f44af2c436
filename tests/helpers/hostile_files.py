"""Hostile files: name -> (name of the file in its folder, bytes). None may do anything."""

import gzip
import json
import struct

from made_files import (
    FOUR,
    ONE,
    archive,
    call,
    entry,
    field,
    group,
    name,
    new,
    number,
    numbers,
    old,
    patch,
    program,
    safe,
    state,
    storage,
    tensor,
    text,
)

SYSTEM = name("os", "system")
TOUCH = text("touch CANARY")  # the test runs where nothing of this name is
DICT = name("collections", "OrderedDict")
DIRECTORY, END, LOCAL = b"PK\1\2", b"PK\5\6", b"PK\3\4"

PICKLES = {
    # ---- calls
    "os.system": call(SYSTEM, TOUCH),
    "posix.system": call(name("posix", "system"), TOUCH),
    "eval": call(name("builtins", "eval"), text("open('CANARY', 'w')")),
    "exec": call(name("builtins", "exec"), text("open('CANARY', 'w')")),
    "eval of Python 2": call(name("__builtin__", "eval"), text("open('CANARY', 'w')")),
    "open": call(name("io", "open"), text("CANARY"), text("w")),
    "getattr chain": call(
        call(
            name("builtins", "getattr"),
            call(name("builtins", "__import__"), text("os")),
            text("system"),
        ),
        TOUCH,
    ),
    "dotted name": call(name("collections", "OrderedDict.__init__.__globals__"), TOUCH),
    "name with an attribute of a known one": call(b"ccollections\nOrderedDict.fromkeys\n", TOUCH),
    "subprocess": call(name("subprocess", "Popen"), text("touch")),
    "runpy": call(name("runpy", "run_path"), text("x.py")),
    "stack global": text("os") + text("system") + b"\x93" + group(TOUCH) + b"R",
    "stack global of numbers": number(1) + number(2) + b"\x93",
    "instance": b"(" + TOUCH + b"ios\nsystem\n",
    "object": b"(" + SYSTEM + TOUCH + b"o",
    "new object": SYSTEM + group(TOUCH) + b"\x81",
    "new object of a known name": DICT + b")\x81",
    "new object with keywords": SYSTEM + group(TOUCH) + b"}\x92",
    "extension 1": b"\x82\x01",
    "extension 2": b"\x83\x01\x00",
    "extension 4": b"\x84\1\0\0\0",
    "persistent text": b"Pstorage\n",
    "bytes of another pickle": call(name("torch.storage", "_load_from_bytes"), text("x")),
    "torch.load": call(name("torch", "load"), text("x")),
    "torch.hub.load": call(name("torch.hub", "load"), text("x"), text("y")),
    "tensor of a subclass": call(name("torch._tensor", "_rebuild_from_type_v2"), text("x")),
    "numpy array": call(name("numpy.core.multiarray", "_reconstruct"), text("x")),
    "own class": call(name("__main__", "Model")),
    "call of text": text("os.system") + group(TOUCH) + b"R",
    "call of a tensor": tensor(storage("0", 4)) + b")R",
    "call of a storage type": name("torch", "FloatStorage") + group(number(2**40)) + b"R",
    "call with a list": DICT + b"]R",
    "dict of no pairs": call(DICT, b"](" + number(3) + b"e"),
    "dict of triples": call(DICT, b"](" + numbers((1, 2, 3)) + b"e"),
    "dict of a dict": call(DICT, b"}"),
    "tensor of nothing": call(name("torch._utils", "_rebuild_tensor_v2")),
    "tensor of text": call(name("torch._utils", "_rebuild_tensor_v2"), *[text("x")] * 6),
    "parameter of no tensor": call(
        name("torch._utils", "_rebuild_parameter"), text("x"), b"\x88", b"}"
    ),
    # ---- attributes
    "attribute": state({}) + state({"__class__": SYSTEM}) + b"b",
    "harmless attribute": state({}) + state({"keys": number(1)}) + b"b",
    "metadata and more": state({}) + state({"_metadata": b"}", "__dict__": b"}"}) + b"b",
    "attributes of slots": state({}) + group(b"}", state({"_metadata": b"}"})) + b"b",
    "attribute of a name": DICT + state({"_metadata": b"}"}) + b"b",
    "attribute of a tensor": tensor(storage("0", 4)) + state({"_metadata": b"}"}) + b"b",
    # ---- instructions
    "empty": b"",
    "end at once": b".",
    "pop of nothing": b"0.",
    "double": number(1) + b"2",
    "unknown instruction": b"\xff",
    "zero": b"\0",
    "next buffer": b"\x97",
    "read only buffer": b"\x98",
    "append to nothing": number(1) + b"a",
    "append to a number": number(1) + number(1) + b"a",
    "item of nothing": number(1) + number(1) + b"s",
    "items without a mark": b"}" + b"u",
    "key without a value": b"}(" + text("x") + b"u",
    "tuple without a mark": b"t",
    "tuple of too little": b"\x87",
    "key that is a list": b"}]" + number(1) + b"s",
    "key that is a dict": b"}}" + number(1) + b"s",
    "key that is a tuple": b"})" + number(1) + b"s",
    "recall of nothing": b"h\7",
    "recall of far away": b"j\xff\xff\xff\xff",
    "store of nothing": b"q\0",
    "store far away": b"Nr\xff\xff\xff\xff",
    "memoize nothing": b"\x94",
    "decimal number": b"I" + b"9" * 100_000 + b"\n",
    "decimal long": b"L" + b"9" * 100_000 + b"L\n",
    "decimal float": b"F1e9999\n",
    "quoted text": b"S'x'\n",
    "escaped text": b"Vx\\u0041\n",
    "long of 2 GB": b"\x8b\xff\xff\xff\x7f\1",
    "long of minus 1": b"\x8b\xff\xff\xff\xff\1",
    "long cut short": b"\x8a\xff\1",
    "bytes of 2**63": b"\x8e" + struct.pack("<Q", 2**63),
    "bytes of 4 GB": b"B\xff\xff\xff\xff",
    "bytearray of 2**62": b"\x96" + struct.pack("<Q", 2**62),
    "text of 4 GB": b"X\xff\xff\xff\xffx",
    "text of 2**62": b"\x8d" + struct.pack("<Q", 2**62),
    "text of a megabyte": text("x" * 2**20),
    "text that is no UTF-8": b"X\2\0\0\0\xff\xfe",
    "frame of 2**63": b"\x95" + struct.pack("<Q", 2**63),
    "version 200": b"\x80\xc8",
    "name without an end": b"cos" + b"x" * 2**20,
    "name that is no UTF-8": b"c\xff\xfe\nx\n",
    "one name only": b"ctorch\n",
    "name with a null": b"ctorch\0\nload\n",
    # ---- bombs
    "deep tuples": b")" + b"\x85" * 150_000,
    "deep lists": b"]" * 150_000 + b"a" * 149_999,
    "deep dicts": b"}" + (b"K\1}" * 50_000) + b"s" * 50_000,
    "deep marks": b"(" * 2**20,
    "a megabyte of lists": b"]" * 2**20,
    "a megabyte of dicts": b"}" * 2**20,
    "doubled tuples": b"(K\1K\1tq\0" + b"h\0h\0\x86q\0" * 5000,
    "doubled tuples as a key": b"}(K\1K\1tq\0" + b"h\0h\0\x86q\0" * 5000 + b"K\1s",
    "doubled tuples as a call": b"(K\1K\1tq\0" + b"h\0h\0\x86q\0" * 5000 + DICT + b"h\0R",
    "list within itself": b"]q\0h\0a",
    "dict within itself": b"}q\0" + text("x") + b"h\0s",
    "dict within itself as a model": b"}q\0" + text("model") + b"h\0s",
    "text many times": text("x" * 9000) + b"q\0" + b"h\0" * 250_000,
    # ---- what is saved
    "number": number(1),
    "text": text("x"),
    "list": b"]",
    "tensor alone": tensor(storage("0", 4)),
    "value that is no tensor": state({"x": number(1)}),
    "numbers as names": b"}" + number(1) + tensor(storage("0", 4)) + b"s",
    "name of a storage type": state({"x": name("torch", "FloatStorage")}),
    "storage as a value": state({"x": storage("0", 4)}),
    "name that moves the cursor": state({"\x1b[2J": tensor(storage("0", 4))}),
    "name of 9000 letters": state({"x" * 9000: tensor(storage("0", 4))}),
}

TENSORS = {
    "negative offset": tensor(storage("0", 4), -1),
    "offset at the end": tensor(storage("0", 4), 1),
    "offset of 2**63": tensor(storage("0", 4), 2**63),
    "offset that is text": tensor(storage("0", 4), text("0")),
    "offset that is none": tensor(storage("0", 4), b"N"),
    "negative size": tensor(storage("0", 4), 0, (-4,)),
    "size too large": tensor(storage("0", 4), 0, (5,)),
    "size of 2**63": tensor(storage("0", 4), 0, (2**63,)),
    "size of 2**2000": tensor(storage("0", 4), 0, (2**2000,)),
    "sizes whose product overflows": tensor(storage("0", 4), 0, (2**32, 2**32), (0, 0)),
    "sizes that overflow beside a 0": tensor(storage("0", 4), 0, (0, 2**39, 2**39), (1, 1, 1)),
    "size that is true": tensor(storage("0", 4), 0, group(b"\x88")),
    "size that is half": tensor(storage("0", 4), 0, group(b"G" + struct.pack(">d", 0.5))),
    "size that is not a number": tensor(
        storage("0", 4), 0, group(b"G" + struct.pack(">d", float("nan")))
    ),
    "sizes as a list": tensor(storage("0", 4), 0, b"]"),
    "70 axes": tensor(storage("0", 4), 0, (1,) * 70, (1,) * 70),
    "negative stride": tensor(storage("0", 4), 3, (4,), (-1,)),
    "stride too large": tensor(storage("0", 4), 0, (2, 2), (3, 1)),
    "stride of 2**62": tensor(storage("0", 4), 0, (2, 2), (2**62, 1)),
    "fewer strides than sizes": tensor(storage("0", 4), 0, (2, 2), (1,)),
    "one number a billion times": tensor(storage("0", 4), 0, (10**9,), (0,)),
    "one number 17 times": tensor(storage("0", 4), 0, (17,), (0,)),
    "storage larger than its entry": tensor(storage("0", 5), 0, (5,)),
    "storage of a terabyte": tensor(storage("0", 2**38)),
    "storage of 2**63": tensor(storage("0", 2**63)),
    "negative storage": tensor(storage("0", -4)),
    "storage of wider numbers": tensor(storage("0", 4, "DoubleStorage")),
    "storage without entry": tensor(storage("1", 4)),
    "storage by a path": tensor(storage("../../../../etc/passwd", 4)),
    "storage by a key with a null": tensor(storage("0\0", 4)),
    "complex storage": tensor(storage("0", 2, "ComplexFloatStorage")),
    "quantised storage": tensor(storage("0", 4, "QInt8Storage")),
    "storage that is text": tensor(text("0")),
    "storage id that is text": tensor(text("storage") + b"Q"),
    "storage id of a module": tensor(group(text("module"), *[text("x")] * 3) + b"Q"),
    "storage of three parts": tensor(
        group(text("storage"), name("torch", "FloatStorage"), text("0")) + b"Q"
    ),
    "storage of seven parts": tensor(
        group(
            text("storage"),
            name("torch", "FloatStorage"),
            text("0"),
            text("cpu"),
            number(4),
            b"N",
            b"N",
        )
        + b"Q"
    ),
    "storage as a view": tensor(
        group(
            text("storage"),
            name("torch", "FloatStorage"),
            text("0"),
            text("cpu"),
            number(4),
            numbers((1, 2)),
        )
        + b"Q"
    ),
    "storage of no type": tensor(
        group(text("storage"), DICT, text("0"), text("cpu"), number(4)) + b"Q"
    ),
    "storage key that is a number": tensor(
        group(text("storage"), name("torch", "FloatStorage"), number(0), text("cpu"), number(4))
        + b"Q"
    ),
}

TWO = program(state({"x": tensor(storage("0", 4)), "y": tensor(storage("0", 2, "DoubleStorage"))}))
VIEWS = program(
    state({str(i): tensor(storage("0", 4), i % 4, (i % 7 + 1, 1), (0, i + 1)) for i in range(300)})
)
MANY = program(
    state({"x": tensor(storage("0", 4)) + b"q\0"})
    + b"(" + b"".join(text(str(i)) + b"h\0" for i in range(20_000)) + b"u"
)  # fmt: skip
NAN = struct.pack("<4f", 1, float("nan"), 3, 4)
PAIR = [("a/data.pkl", ONE), ("a/data/0", FOUR)]

TORCH = {
    "storage in two ways": new(TWO),
    "300 views of four numbers": new(VIEWS),
    "20000 names": new(MANY),
    "a number that is none": new(data=NAN),
    # ---- zip archives
    "zip: pickle compressed": archive(PAIR, packed=("a/data.pkl",)),
    "zip: bomb as pickle": archive([("a/data.pkl", b"(" * 10**7), PAIR[1]], packed=("a/data.pkl",)),
    "zip: bomb as data": archive([PAIR[0], ("a/data/0", bytes(10**7))], packed=("a/data/0",)),
    "zip: encrypted": field(new(), DIRECTORY, 8, "<H", 1),
    "zip: name twice": archive([*PAIR, PAIR[1]]),
    "zip: two pickles": archive([*PAIR, ("b/data.pkl", ONE)]),
    "zip: no pickle": archive([PAIR[1]]),
    "zip: nothing": archive([]),
    "zip: no storage": archive([PAIR[0]]),
    "zip: storage elsewhere": archive([PAIR[0], ("a/../data/0", FOUR)]),
    "zip: storage upwards": archive([PAIR[0], ("../a/data/0", FOUR)]),
    "zip: storage too short": archive([PAIR[0], ("a/data/0", FOUR[:15])]),
    "zip: big-endian": archive([*PAIR, ("a/byteorder", b"big")]),
    "zip: code of a TorchScript model": archive(
        [("a/data.pkl", program(name("__torch__", "M") + b")\x81")), ("a/code/x.py", b"import os")]
    ),
    "zip: no end": new()[:-22],
    "zip: comment behind the end": new() + b"comment",
    "zip: something before": b"MZ" + new(),
    "zip: more entries than there are": field(new(), END, 10, "<H", 60_000),
    "zip: fewer entries than there are": field(new(), END, 10, "<H", 1),
    "zip: directory outside": field(new(), END, 16, "<I", 2**32 - 2),
    "zip: directory elsewhere": field(new(), END, 16, "<I", 1),
    "zip: entry outside": field(new(), DIRECTORY, 42, "<I", 2**32 - 2),
    "zip: entry elsewhere": field(new(), DIRECTORY, 42, "<I", 4),
    "zip: entry at another's place": field(new(), DIRECTORY, 42, "<I", 0, which=1),
    "zip: other name in front of the data": field(new(), LOCAL, 30, "<B", 98),
    "zip: longer name in front of the data": field(new(), LOCAL, 26, "<H", 60_000),
    "zip: extra field of 60000 bytes": field(new(), LOCAL, 28, "<H", 60_000),
    "zip: two sizes": field(new(), DIRECTORY, 24, "<I", 3),
    "zip: entry of 4 GB": field(
        field(new(), DIRECTORY, 20, "<I", 2**32 - 2), DIRECTORY, 24, "<I", 2**32 - 2
    ),
    "zip: sizes of 64 bits that are not there": field(
        field(new(), DIRECTORY, 20, "<I", 2**32 - 1), DIRECTORY, 24, "<I", 2**32 - 1
    ),
    "zip: entries that overlap": field(
        field(new(), DIRECTORY, 20, "<I", 300), DIRECTORY, 24, "<I", 300
    ),
    "zip: name that is no UTF-8": new().replace(b"a/byteorder", b"a/byte\xff\xfeder"),
    "zip: name of 60000 letters": archive([*PAIR, ("n" * 60_000, b"")]),
    "zip: 30000 entries": archive([*PAIR, *[(str(i), b"") for i in range(30_000)]]),
    "zip64: end outside": new()[:-22] + b"PK\6\7" + struct.pack("<LQL", 0, 2**63, 1) + new()[-22:],
    "zip64: end is none": new()[:-22] + b"PK\6\7" + struct.pack("<LQL", 0, 0, 1) + new()[-22:],
    "zip64: 2**63 entries": new()[:-22]
    + b"PK\6\6"
    + struct.pack("<Q2H2L4Q", 44, 45, 45, 0, 0, 2**63, 2**63, 0, 0)
    + b"PK\6\7"
    + struct.pack("<LQL", 0, len(new()) - 22, 1)
    + new()[-22:],
    # ---- the older layout
    "old: other magic number": old(magic=7),
    "old: magic number alone": program(number(0x1950A86A20F9469CFC6C)),
    "old: big-endian": old(little=b"\x89"),
    "old: system call first": program(call(SYSTEM, TOUCH)),
    "old: system call": old(program(call(SYSTEM, TOUCH))),
    "old: system call as the list": old(keys=call(SYSTEM, TOUCH)),
    "old: list that is a number": old(keys=number(1)),
    "old: list of numbers": old(keys=b"](" + number(0) + b"e"),
    "old: storage not listed": old(keys=b"]"),
    "old: storage listed twice": old(keys=b"](" + text("0") * 2 + b"e"),
    "old: unknown storage listed": old(keys=b"](" + text("0") + text("1") + b"e"),
    "old: storage of another size": old(data=struct.pack("<q", 5) + FOUR + FOUR),
    "old: storage of negative size": old(data=struct.pack("<q", -4) + FOUR),
    "old: storage cut short": old(data=struct.pack("<q", 4) + FOUR[:-1]),
    "old: no storages": old(data=b""),
    "old: a number that is none": old(data=struct.pack("<q", 4) + NAN),
    "old: storage of a terabyte": old(
        program(state({"x": tensor(storage("0", 2**38))})), struct.pack("<q", 2**38) + FOUR
    ),
    # ---- no torch file at all
    "empty file": b"",
    "one byte": b"P",
    "text": b"hello\n",
    "page": b"<!DOCTYPE html><html></html>",
    "git-lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 7\n",
    "gzip bomb": gzip.compress(bytes(10**6)),
    "tar": b"storages".ljust(257, b"\0") + b"ustar\x0000" + bytes(512),
    "zeros": bytes(4096),
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(64),
    "array of objects": b"\x93NUMPY\1\0v\0{'descr': '|O', 'shape': (1,), }\n"
    + program(call(SYSTEM, TOUCH)),
}

BIG = "1" * 5000
SAFE = {
    "header of 2**60": safe(b"{}", length=2**60),
    "header of 2**64 - 1": safe(b"{}", length=2**64 - 1),
    "header longer than the file": safe({"x": entry()}, length=10_000),
    "no header": safe(b""),
    "length alone": bytes(8),
    "length cut short": bytes(7),
    "empty": b"",
    "git-lfs": TORCH["git-lfs"],
    "no JSON": safe(b"{'x': 1}"),
    "JSON cut short": safe(b'{"x": {"dtype": "F32"'),
    "list": safe([]),
    "null": safe(b"null"),
    "text": safe(b'"x"'),
    "no UTF-8": safe(b'{"\xff": 1}'),
    "UTF-16": safe('{"x": 1}'.encode("utf-16")),
    "deep JSON": safe(b"[" * 200_000),
    "deep JSON inside": safe(b'{"x":' * 200_000),
    "number of 5000 digits": safe(
        b'{"x": {"dtype": "F32", "shape": [%s], "data_offsets": [0, 16]}}' % BIG.encode()
    ),
    "megabytes of JSON": safe(b'{"__metadata__":[' + b"{}," * 10**6 + b"{}]}"),
    "17 megabytes of header": safe(b" " * 17 * 2**20),
    "entry of null": safe({"x": None}),
    "entry of a list": safe({"x": [1]}),
    "entry of nothing": safe({"x": {}}),
    "no dtype": safe({"x": {"shape": [4], "data_offsets": [0, 16]}}),
    "unknown dtype": safe({"x": entry("F4")}),
    "dtype of a number": safe({"x": entry(32)}),
    "dtype of 9000 letters": safe({"x": entry("F" * 9000)}),
    "shape of a number": safe({"x": entry(shape=4)}),
    "shape of text": safe({"x": entry(shape=["4"])}),
    "negative shape": safe({"x": entry(shape=[-4])}),
    "two negative sizes": safe({"x": entry(shape=[-2, -2])}),
    "shape of halves": safe({"x": entry(shape=[4.0])}),
    "shape of true": safe({"x": entry(shape=[True], offsets=[0, 4])}, FOUR[:4]),
    "shape of NaN": safe(b'{"x": {"dtype": "F32", "shape": [NaN], "data_offsets": [0, 16]}}'),
    "shape that overflows": safe({"x": entry(shape=[2**32, 2**32])}),
    "shape of 2**63": safe({"x": entry(shape=[2**63])}),
    "shape that overflows beside a 0": safe(
        {"x": entry(shape=[0, 2**39, 2**39], offsets=[0, 0])}, b""
    ),
    "70 axes": safe({"x": entry(shape=[1] * 70, offsets=[0, 4])}, FOUR[:4]),
    "other shape": safe({"x": entry(shape=[3])}),
    "negative offsets": safe({"x": entry(offsets=[-16, 0])}),
    "offsets the other way": safe({"x": entry(offsets=[16, 0])}),
    "offsets outside": safe({"x": entry(offsets=[16, 32])}),
    "offsets of text": safe({"x": entry(offsets=["0", "16"])}),
    "offsets of true": safe({"x": entry("U8", [1], [False, True])}, b"\1"),
    "three offsets": safe({"x": entry(offsets=[0, 8, 16])}),
    "offsets of 2**63": safe({"x": entry(offsets=[2**63, 2**63])}),
    "tensors that overlap": safe({"x": entry(), "y": entry()}),
    "gap": safe({"x": entry(), "y": entry(offsets=[20, 36])}, FOUR * 3),
    "bytes left over": safe({"x": entry()}, FOUR + b"\0"),
    "data cut short": safe({"x": entry()}, FOUR[:-1]),
    "no data": safe({"x": entry()}, b""),
    "a number that is none": safe({"x": entry()}, NAN),
    "name that moves the cursor": safe({"\x1b[2J": entry()}),
    "name of 9000 letters": safe({"x" * 9000: entry()}),
    "broken name": safe(b'{"\\ud800": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}'),
    "12000 names": safe({str(i): entry(shape=[0], offsets=[0, 0]) for i in range(12_000)}, b""),
    "pickle": program(call(SYSTEM, TOUCH)),
    "zip": new(),
}

INDEXES = {
    "no JSON": b"{",
    "list": b"[]",
    "deep JSON": b"[" * 200_000,
    "no map": b"{}",
    "map that is a list": b'{"weight_map": []}',
    "numbers as files": b'{"weight_map": {"x": 1}}',
    "file that is not there": b'{"weight_map": {"x": "y.bin"}}',
    "no name": b'{"weight_map": {"x": ""}}',
    "folder": b'{"weight_map": {"x": "."}}',
    "folder above": b'{"weight_map": {"x": ".."}}',
    "file above": b'{"weight_map": {"x": "../x.bin"}}',
    "password file": b'{"weight_map": {"x": "/etc/passwd"}}',
    "name with a null": b'{"weight_map": {"x": "a\\u0000b"}}',
    "broken name": b'{"weight_map": {"x": "\\ud800"}}',
    "name of 9000 letters": json.dumps({"weight_map": {"x": "y" * 9000}}).encode(),
    "number of 5000 digits": b'{"weight_map": %s}' % BIG.encode(),
    "17 megabytes": b" " * 17 * 2**20,
    "no UTF-8": b'{"weight_map": {"x": "\xff"}}',
    "itself": b'{"weight_map": {"x": "pytorch_model.bin.index.json"}}',
}

IN_PROJ = "image_encoder.transformer.resblocks.0.attn.in_proj_bias"
AUTHORS = {
    "in_proj of four rows": {IN_PROJ: (4,), "textual.output.bias": (4,)},
    "in_proj that is a number": {IN_PROJ: (), "textual.output.bias": (4,)},
    "words alone": {"textual.embedding.words.weight": (2, 2)},
    "words that are a vector": {"textual.embedding.words.weight": (4,)},
}

HOSTILE: dict[str, tuple[str, bytes]] = {}
HOSTILE |= {
    f"pickle: {k}": ("pytorch_model.bin", new(program(body))) for k, body in PICKLES.items()
}
HOSTILE |= {
    f"old pickle: {k}": ("pytorch_model.bin", old(program(body)))
    for k, body in PICKLES.items()
    if len(body) < 50_000
}
HOSTILE |= {
    f"tensor: {k}": ("pytorch_model.bin", new(program(state({"x": body}))))
    for k, body in TENSORS.items()
}
HOSTILE |= {
    f"old tensor: {k}": ("pytorch_model.bin", old(program(state({"x": body}))))
    for k, body in TENSORS.items()
}
HOSTILE |= {k: ("pytorch_model.bin", content) for k, content in TORCH.items()}
HOSTILE |= {f"safetensors: {k}": ("model.safetensors", content) for k, content in SAFE.items()}
HOSTILE |= {f"index: {k}": ("pytorch_model.bin.index.json", c) for k, c in INDEXES.items()}
for kind, shapes in AUTHORS.items():
    items = {}
    for tensor_name, shape in shapes.items():
        steps = (2, 1) if len(shape) == 2 else (1,) * len(shape)
        items[tensor_name] = tensor(storage("0", 4), 0, shape, steps)
    HOSTILE[f"authors: {kind}"] = ("model.pt", new(program(state({"model": state(items)}))))
HOSTILE["pickle without an end"] = ("pytorch_model.bin", new(b"\x80\x02}"))
HOSTILE["magic of a zip alone"] = ("pytorch_model.bin", patch(bytes(30), 0, LOCAL))
