"""Where pictures and texts come from, and where captions go.

from numpygit.data import read
for row in read("coco/annotations/captions_val2014.json"):
    row.key, row.read(), row.texts

sources.py   `read`: any source of pictures -> rows     rows.py     a row, or an error in its place
folders.py   folders, imagefolders                      tables.py   .jsonl, .csv, .json
coco.py      COCO captions, VQA questions               tsv.py      the authors' .tsv
shards.py    tar files                                  parquet.py  .parquet
split.py     a share of a source: `--shard 3/16`
speak.py     rows -> captions and answers; a failure is a value too
sinks/       where captions go: screen, .jsonl, .csv, .txt, COCO, VQA, .tar, .parquet
"""

from .rows import Row
from .sources import read
from .split import Share

__all__ = ["Row", "Share", "read"]
