# What the programs of this directory share; each of them sources it first, from the repository's root.
# A check is `expect NAME COMMAND...`; `finish` is last, prints `N passed, N failed` and exits.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export no_proxy='*'

# A directory of this run's own; what must be stopped is stopped by `at_exit COMMAND...`, last first.
work=$(mktemp -d /var/tmp/gradd-deploy.XXXXXX)
passed=0 failed=0 begun=0 exits=()

at_exit() { exits=("$(printf '%q ' "$@")" "${exits[@]}"); }
leave() {
    local command
    for command in "${exits[@]}"; do eval "$command" >/dev/null 2>&1 || true; done
    rm -rf --one-file-system "$work"
}
trap leave EXIT

needs_root() {
    [ "$(id -u)" = 0 ] || { echo "$0 needs root: $1" >&2; exit 1; }
}

# expect NAME COMMAND...: one check, with the end of its output where it fails. It never ends the run;
# what cannot go on without it says `expect ... && ...` or `expect ... || finish`.
expect() {
    local name=$1
    shift
    begun=$SECONDS
    if "$@" >"$work/output" 2>&1; then
        passed=$((passed + 1))
        echo "ok    $name ($((SECONDS - begun)) s)"
    else
        failed=$((failed + 1))
        echo "FAIL  $name"
        tail -n 30 "$work/output"
        return 1
    fi
}
finish() {
    echo "$passed passed, $failed failed"
    [ $failed = 0 ]
    exit
}

# soon COMMAND...: tries for 20 seconds.
soon() {
    for _ in $(seq 100); do
        ! "$@" || return 0
        sleep 0.2
    done
    return 1
}

# answers URL [CURL OPTION...]: the README's first request has its digits there.
answers() {
    local url=$1
    shift
    [ "$(curl -s -m 10 "$@" "$url/v1/gradient" \
        -d '{"graph":"z = (x1 + 5) * x2 ** 2","variables":{"x1":2.0,"x2":3.0}}')" = \
        '{"value":63.0,"gradient":{"x1":9.0,"x2":42.0}}' ]
}

# built TARGET...: the release build, configured as it is or else as its preset says.
built() {
    if [ -f build/release/CMakeCache.txt ]; then cmake build/release; else cmake --preset release; fi
    cmake --build --preset release --target "$@"
}
