"""Make `golden/words.json`: what the official tokenizer makes of many texts, and back.

    python golden/make_words.py         # needs the extra [golden] with transformers 4.37.2

Three vocabularies: the small `golden/words/vocab.txt`; the same with punctuation, whole and in
pieces, in `golden/words/punctuation.txt`; and that of bert-base-uncased, which is not in this
repository: it is looked for in $NUMPYGIT_BERT_VOCAB, or else in
../shared/data/bert-base-uncased/vocab.txt beside the repository. Without it the answers for it
are kept as they are. `golden/words/tokenizer.json` is the small vocabulary as the official
tokenizer saves it.
"""

# ruff: noqa: RUF001 (look-alike letters are what is tried here)
from __future__ import annotations

import json
import os
from pathlib import Path

from transformers import BertTokenizerFast

HERE = Path(__file__).parent
BERT = Path(
    os.environ.get(
        "NUMPYGIT_BERT_VOCAB", HERE.parent / ".." / "shared/data/bert-base-uncased/vocab.txt"
    )
)
TEXTS = [
    "",
    " ",
    "two cats sleeping on a couch with two remotes .",
    "Two Cats SLEEPING on a Couch",
    "a red circle above two blue squares",
    "how many stars are there?",
    "what does the sign say?",
    "STOP!",
    "yes",
    "six purple moons , one green heart",
    "what color is the triangle?what shape is it?",
    "remotes .",
    "wait ... what ?!",
    "one,two,three",
    "don't",
    "do n't",
    "it's 5 o'clock",
    "it 's 5 o ' clock",
    "i 'm , we 've , they 're , can n't , she 's .",
    "I'm sure we've seen what they're doing",
    "rock ' n ' roll",
    "the 'big' one",
    '"quoted" and “curly” and ‘single’ and «angular»',
    "(round) [square] {curly} <angular>",
    "e-mail@example.com, https://example.com/a_b?c=d&e=f#g",
    "$5.00 + 3% = €5,15",
    "1234567890 12.5 3,000 1/2 ½ ² x₃",
    "under_score and-hyphen en–dash em—dash soft\u00adhyphen",
    "café Zürich naïve Ångström señor",
    "cafe\u0301 Zu\u0308rich",
    "İstanbul ISTANBUL ıstanbul ẞ ß ﬁne",
    "ŒUVRE œuvre Æther đ ł ø",
    "Москва́ и Йод",
    "Ελλάδα ΣΊΣΥΦΟΣ",
    "مرحبا بالعالم שלום",
    "中国人 chinese 一二三 mixed中文text",
    "日本語のテスト ひらがな カタカナ",
    "한국어 텍스트",
    "हिन्दी भाषा ภาษาไทย",
    "smile 😀 family 👨‍👩‍👧 flag 🇩🇪 thumb 👍🏽",
    "tab\tnew\nline\r\ncarriage\rreturn",
    "no\u00a0break thin\u2009space ideographic\u3000space line\u2028separator",
    "nul\x00bell\x07escape\x1bdelete\x7f replacement\ufffd",
    "zero\u200bwidth\u200cjoin\u200der \ufeffmark \u202eright to left",
    "[SEP]",
    "a [SEP] b",
    "a[SEP]b",
    "[CLS] what is it? [SEP] a cat [SEP] [PAD] [PAD]",
    "the [MASK] is [UNK]",
    "[sep] [Sep] [ SEP ]",
    "[unused0] [unused98]",
    "##ing a ##b",
    "circles circlesandsquares unbelievable antidisestablishmentarianism",
    "x" * 99,
    "x" * 100,
    "x" * 101,
    "ab " * 60,
    "supercalifragilisticexpialidocious" * 3,
    "  leading and trailing   and   double  ",
    ". , ! ? ' : ;",
    "....",
    "? ? ?",
    "a , b . c ! d ? e ' f n't g 'm h 's i 've j 're k",
    "what 's this ? it is n't mine !",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 ｆｕｌｌｗｉｄｔｈ ①②③",
    "🀄 𠀀 𪚥",
    "^ ` ~ | \\ / * ¬ ´ ¨",
]
PUNCTUATION = [
    "'",
    ".",
    "!",
    ":",
    ";",
    '"',
    "-",
    "(",
    ")",
    "n't",
    "'m",
    "'s",
    "'ve",
    "'re",
    "'ll",
    "do",
    "not",
    "##'s",
    "##n't",
    "##.",
    "##'",
]
# Rows of ids that no text gives, as a model might write them: numbers modulo the vocabulary.
ROWS = [
    [],
    [2, 3],
    [101, 102],
    [0, 0, 0],
    [1, 4],
    [50, 7, 51, 8],
    [44, 45, 46],
    [5, 6, 5, 6],
    [2, 100, 5, 101, 6, 3, 0, 0],
    [2001, 1012, 2002, 1029, 2003, 1010, 1005, 1055],
    [19204, 2015, 1012, 102],
    [2123, 1005, 1056, 999],
    [164, 158, 115, 159, 122, 160, 143, 161, 115, 162, 143, 163],
    [164, 165, 115, 149, 122, 149, 150, 143, 151, 151, 150],
    [115, 166, 115, 167, 115, 168, 115, 169, 149, 149, 150],
]


def ask(tokenizer: BertTokenizerFast) -> dict[str, list]:
    """Encode all texts, and decode what they gave and the other rows, in both ways."""
    encoded = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
    rows = encoded + [[i % len(tokenizer) for i in row] for row in ROWS]
    decoded = [
        {
            "ids": row,
            "text": tokenizer.decode(row, skip_special_tokens=True),
            "with_special": tokenizer.decode(row, skip_special_tokens=False),
        }
        for row in rows
    ]
    pairs = zip(TEXTS, encoded, strict=True)
    return {"encode": [{"text": text, "ids": ids} for text, ids in pairs], "decode": decoded}


def main() -> None:
    """Write the answers and the saved tokenizer."""
    path = HERE / "words.json"
    answers = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    small = BertTokenizerFast(str(HERE / "words" / "vocab.txt"), do_lower_case=True)
    small.backend_tokenizer.save(str(HERE / "words" / "tokenizer.json"))
    answers["small"] = ask(small)
    lines = (HERE / "words" / "vocab.txt").read_text(encoding="utf-8").split() + PUNCTUATION
    (HERE / "words" / "punctuation.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    punctuation = str(HERE / "words" / "punctuation.txt")
    answers["punctuation"] = ask(BertTokenizerFast(punctuation, do_lower_case=True))
    cased = BertTokenizerFast(str(HERE / "words" / "vocab.txt"), do_lower_case=False)
    answers["small, capitals kept"] = ask(cased)
    if BERT.is_file():
        answers["bert-base-uncased"] = ask(BertTokenizerFast(str(BERT), do_lower_case=True))
    lines = [
        f"{json.dumps(name)}: {{"
        + ",".join(
            f"\n {json.dumps(kind)}: [\n  " + ",\n  ".join(json.dumps(row) for row in rows) + "]"
            for kind, rows in kinds.items()
        )
        + "}"
        for name, kinds in answers.items()
    ]
    path.write_text("{" + ",\n".join(lines) + "}\n", encoding="utf-8")
    print({name: len(kinds["encode"]) for name, kinds in answers.items()})


if __name__ == "__main__":
    main()
