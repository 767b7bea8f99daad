# Part of the twilight project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The text a trace is made of: the King James Bible as Debian packages it, or any UTF-8 file."""

from __future__ import annotations

import re
import struct
import subprocess
from pathlib import Path

KJV_DATA = Path("/usr/lib/bible.data")
_LZW_HEADER = b"\x1f\x9d\x90"  # compress(1), 16 bits, block mode
_VERSE = re.compile(r"(\d?[A-Za-z]+)(\d+):(\d+) (.*)")


def decode_kjv(path: Path = KJV_DATA) -> str:
    """The lines "Ge1:1 In the beginning ..." of ``bible.data`` (Debian package bible-kjv-text).

    The file is a header (magic "EC02", at 0x54 the window size and the number of windows, then windows + 1
    offsets, all big-endian u32), then windows of 64 KiB, each by itself in the format of compress(1). Only the
    first keeps its three header bytes, in front of its offset, so they are put back before gzip(1) reads it.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"expected the King James Bible at {path}, found no such file: install the Debian package "
            "bible-kjv-text (apt-get install bible-kjv-text), or name another text with --text FILE"
        )
    data = path.read_bytes()
    if data[:4] != b"EC02":
        raise ValueError(f"{path}: expected the magic EC02, found {data[:4]!r}: use the bible.data of bible-kjv-text")
    window_size, windows = struct.unpack_from(">II", data, 0x54)
    offsets = struct.unpack_from(f">{windows + 1}I", data, 0x5C)
    parts = []
    for index, (begin, end) in enumerate(zip(offsets, offsets[1:])):
        body = data[begin:end]
        if not body.startswith(_LZW_HEADER):
            body = _LZW_HEADER + body
        text = subprocess.run(["gzip", "-dc"], input=body, capture_output=True, check=False).stdout
        if index + 1 < windows and len(text) != window_size:
            raise ValueError(
                f"{path}: window {index} should unpack to {window_size} bytes, got {len(text)}: the file is damaged"
            )
        parts.append(text)
    return b"".join(parts).decode("ascii")


def kjv_prose(lines: str, start: str) -> str:
    """Running prose from verse ``start`` ("Ge1:1") on: no verse numbers, one paragraph a chapter."""
    paragraphs: list[str] = []
    verses: list[str] = []
    chapter = None
    for line in lines.splitlines():
        match = _VERSE.fullmatch(line)
        if not match or (chapter is None and not line.startswith(start + " ")):
            continue
        book, number, _, verse = match.groups()
        if chapter not in (None, (book, number)):
            paragraphs.append(" ".join(verses))
            verses = []
        chapter = (book, number)
        verses.append(verse)
    if chapter is None:
        raise ValueError(f'expected a verse as the text\'s start (such as "Ge1:1" or "Es1:1"), found {start!r}')
    paragraphs.append(" ".join(verses))
    return "\n\n".join(paragraphs)


def load_text(source: str, start: str) -> tuple[str, str]:
    """(text, one line on where it comes from); ``source`` is "kjv" or a file's path."""
    if source == "kjv":
        return kjv_prose(decode_kjv(), start), f"King James Bible (Debian bible-kjv-text), prose from {start}"
    return Path(source).read_text(encoding="utf-8"), Path(source).name
