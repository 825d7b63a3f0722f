"""The pictures in docs/screenshots: what the program shows today, from nobody else's server."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from support_scripts import script

ROOT = Path(__file__).parents[2]
PICTURES = sorted((ROOT / "docs" / "screenshots").glob("*.svg"))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a terminal of Unix")
def test_they_are_what_the_program_shows(tmp_path, monkeypatch):
    pictures = script("examples/screenshots.py")
    monkeypatch.setattr(pictures, "FOLDER", tmp_path)
    pictures.main()
    taken = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert taken == {path.name: path.read_bytes() for path in PICTURES}


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.stem)
def test_they_load_nothing(picture):
    text = picture.read_text(encoding="utf-8")
    assert not re.search(r"url\((?!#)|@import|@font-face|href|<image|<script", text)
    assert "monospace" in text
