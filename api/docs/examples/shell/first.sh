#!/usr/bin/env bash
# gradd from the shell, with curl and jq. Usage: first.sh [URL]
set -euo pipefail
gradd=${1:-http://127.0.0.1:8080}

# ask METHOD PATH [BODY]: prints the answer; fails where gradd refused, and prints the problem (RFC 9457).
ask() {
    curl --silent --show-error --fail-with-body -X "$1" "$gradd$2" \
        -H 'Content-Type: application/json' ${3:+--data "$3"}
}

# One request: the value of a graph and its gradient.
graph='"graph": "z = (x1 + 5) * x2 ** 2"' variables='"variables": {"x1": 2.0, "x2": 3.0}'
answer=$(ask POST /v1/gradient "{$graph, $variables}")
read -r z by_x1 by_x2 < <(jq -r '[.value, .gradient.x1, .gradient.x2] | @tsv' <<<"$answer")
printf 'z = %.1f, dz/dx1 = %.1f, dz/dx2 = %.1f\n' "$z" "$by_x1" "$by_x2"

# A session keeps variables. A persistent tape in it answers as often as it is asked.
session=/v1/sessions/$(ask POST /v1/sessions "{$variables}" | jq -r .id)
tape=$(ask POST "$session/tapes" "{$graph, \"persistent\": true}" | jq -r .tape)
by() { ask POST "$session/tapes/$tape/gradient" "{\"target\": \"z\", \"sources\": \"$1\"}" | jq .gradient; }
printf 'the tape, asked twice: %.1f and %.1f\n' "$(by x1)" "$(by x2)"
ask DELETE "$session"

# A hundred steps of gradient descent are one request.
found=$(ask POST /v1/minimize '
  {"graph": "y = 3 * x ** 2 + 2 * x - 1", "variables": {"x": 0.0}, "steps": 100,
   "optimizer": {"name": "SGD", "learning_rate": 0.1}}')
read -r steps x y < <(jq -r '[.steps, .variables.x, .loss] | @tsv' <<<"$found")
printf 'after %d steps x = %.4f, y = %.4f\n' "$steps" "$x" "$y"

# What is refused says what was found and what was expected.
wrong='{"graph": "y = redcue_sum(x)", "variables": {"x": [1, 2]}}'
if ! problem=$(ask POST /v1/gradient "$wrong" 2>/dev/null); then
    jq -r '"refused with \(.status) \(.code): \(.detail)"' <<<"$problem"
fi
