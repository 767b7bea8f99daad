# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What progressive scores keep of the recorded trace: the table of docs/trace.md."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))

from twilight_bench.quality import table  # noqa: E402


def test_the_table_of_the_documents_is_what_the_trace_gives():
    documented = (ROOT / "docs" / "trace.md").read_text().splitlines()
    lines = list(table())
    assert len(lines) == 14
    for line in lines:
        assert line in documented, line
