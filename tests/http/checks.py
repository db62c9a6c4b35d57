"""What the checks of this folder count."""

passed = failed = 0


def check(good, name, why=""):
    global passed, failed
    if good:
        passed += 1
    else:
        failed += 1
        print(f"{name}\n  {why}")
    return good


def conclude():
    """Says what was counted; returns the exit code."""
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0
