"""The ten lines of docs/scale.md on a real local Spark: `pytest -m spark`.

Checks scale/each.py.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import made_sets
import pytest

ROOT = Path(__file__).parents[2]
AROUND = """
import json, os, sys
os.environ["PYSPARK_PYTHON"] = sys.executable
from pyspark.sql import SparkSession
spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.sql.execution.arrow.maxRecordsPerBatch", "8")
    .getOrCreate()
)
source, target = sys.argv[1:]
"""


@pytest.mark.spark
def test_the_function_of_the_page(tmp_path):
    page = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"## Spark.*?```python\n(.*?)```", page, re.DOTALL)
    folder = made_sets.scenes(tmp_path / "p", 40)
    truth = {row["file_name"]: row["text"] for row in made_sets.lines(folder / "metadata.jsonl")}
    (folder / "metadata.jsonl").unlink()
    (folder / "017.png").write_bytes(b"no picture")
    (tmp_path / "job.py").write_text(AROUND + code + "\nspark.stop()\n")
    command = [sys.executable, str(tmp_path / "job.py"), str(folder), str(tmp_path / "out.parquet")]
    done = subprocess.run(
        command, env=made_sets.environment(ROOT), capture_output=True, text=True, timeout=400
    )
    assert done.returncode == 0, done.stderr[-3000:]
    rows = pytest.importorskip("pyarrow.parquet").read_table(tmp_path / "out.parquet").to_pylist()
    found = {Path(row["path"]).name: row for row in rows}
    assert len(rows) == len(found) == 40
    assert [name for name, row in found.items() if row["error"]] == ["017.png"]
    assert sum(found[name]["caption"] == text for name, text in truth.items()) >= 36
