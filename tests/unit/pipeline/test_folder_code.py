"""Code beside a pipeline is found by its text, whatever is in it."""

from pathlib import Path

from penstock.pipeline.folder_code import code_beside


def test_public_code_is_found_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        'raise RuntimeError("never run")\n'
        'def clean(item):\n    """Return what is good.\n\n    More."""\n'
        "async def ask(): ...\nclass Fit:\n    'Fit a line.'\n    def __call__(self, item): ...\ndef _hidden(): ...\n"
    )
    for name in ("test_mine.py", "conftest.py", "_own.py", "not-a-name.py"):
        (tmp_path / name).write_text("def f(): ...\n")
    (tmp_path / "broken.py").write_text("def f(:\n")
    (tmp_path / "zero.py").write_bytes(b"\0")
    assert list(code_beside(tmp_path)) == [
        ("mine:clean", "Return what is good."),
        ("mine:ask", ""),
        ("mine:Fit", "Fit a line."),
    ]
