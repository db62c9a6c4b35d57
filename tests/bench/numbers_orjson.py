"""orjson's side of the numbers bench: the bodies that bench_numbers wrote, to NumPy and back. Prints a line a
measurement, its name and nanoseconds of processor time a number. Fails where a number changes, never on a time."""

import pathlib
import statistics
import sys
import time

import numpy as np
import orjson

REPEATS = 7


def timed(name, count, work):
    times = []
    for _ in range(REPEATS):
        begun = time.process_time()
        result = work()
        times.append(time.process_time() - begun)
    print(f"{name} {1e9 * statistics.median(times) / count:.2f}", flush=True)
    return result


for name in ("every", "unit"):
    directory = pathlib.Path(sys.argv[1])
    body = (directory / f"{name}.json").read_bytes()
    known = np.fromfile(directory / f"{name}.float64")
    x = timed(f"{name}_in_orjson", known.size, lambda: np.array(orjson.loads(body)))
    text = timed(f"{name}_out_orjson", known.size, lambda: orjson.dumps(x, option=orjson.OPT_SERIALIZE_NUMPY))
    if x.tobytes() != known.tobytes() or np.array(orjson.loads(text)).tobytes() != known.tobytes():
        sys.exit(f"{name}: orjson's numbers are others")
