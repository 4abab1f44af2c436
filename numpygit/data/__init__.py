"""Where pictures and texts come from, and where captions go.

from numpygit.data import read
for row in read("coco/annotations/captions_val2014.json"):
row.key, row.read(), row.texts

rows.py      a row: key, picture, texts, question and answers, or an error
sources.py   `read`: whatever holds pictures -> rows; beside it a file for each kind
split.py     `--shard 3/16`: a share of any source
sinks/       where captions go: screen, .jsonl, .csv, sidecars, COCO, VQA, .tar, .parquet
speak.py     rows -> captions, each picture a value: caption or error
"""

from .rows import Row
from .sources import read
from .split import Share

__all__ = ["Row", "Share", "read"]
