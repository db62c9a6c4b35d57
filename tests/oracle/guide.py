#!/usr/bin/env python3
"""Runs the Python of api/docs/tensorflow.md with real TensorFlow and compares what each block prints with the block
behind it. With --write it puts there what was printed. The curl beside it is run by tests/readme.
Usage: tests/oracle/guide.py [--write]"""

import contextlib
import io
import os
import pathlib
import re
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

PAGE = pathlib.Path(__file__).resolve().parents[2] / "api/docs/tensorflow.md"
PAIR = re.compile(r"^```python\n(.*?)^```\n(?:```\n(.*?)^```\n)?", re.M | re.S)


def main(write):
    names, passed, failed = {}, 0, 0

    def run(pair):
        nonlocal passed, failed
        code, expected = pair[1], pair[2] or ""
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(code, PAGE.name, "exec"), names)
        if out.getvalue() == expected:
            passed += 1
        else:
            failed += 1
            print(f"{code}  on the page: {expected}  found:       {out.getvalue()}")
        return f"```python\n{code}```\n" + (f"```\n{out.getvalue()}```\n" if out.getvalue() else "")

    text = PAIR.sub(run, PAGE.read_text(encoding="utf-8"))
    if write:
        PAGE.write_text(text, encoding="utf-8")
    print(f"{passed} passed, {failed} failed")
    return failed > 0 and not write


if __name__ == "__main__":
    sys.exit(main("--write" in sys.argv[1:]))
