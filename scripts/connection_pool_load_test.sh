#!/usr/bin/env bash
# Builds pool-loadtest, runs it on an embedded SQLite database, shows the outcome and analyses it.
set -euo pipefail

usage() {
    cat <<'TXT'
Usage: scripts/connection_pool_load_test.sh [--help]

Builds pool-loadtest (release), runs it on an embedded SQLite database and analyses what it wrote. No server, no
network. Set by environment variables:

  CONNECTION_POOL_SIZE     connections in the pool (20)
  NUM_THREADS              workers that compete for them (10)
  DURATION                 how long the run lasts, in seconds (60)
  CONNECTIONS_PER_THREAD   size of a worker's burst (100)
  OUT                      directory for results.json (load-test-results/<UTC time>/)
  POOL_LOADTEST_BIN        a load tester that is already built; nothing is built then

Exit code: the load tester's. 0 passed, 2 bad usage, 3 could not start or be built, 4 result invalid, 5 pool defect,
99 threshold failed, 130 interrupted. 1 when the load tester passed but its results cannot be analysed.
TXT
}

case "${1-}" in
    "") ;;
    -h | --help) usage; exit 0 ;;
    *) printf 'unknown argument: %s\n\n' "$1" >&2; usage >&2; exit 2 ;;
esac

pool_size=${CONNECTION_POOL_SIZE:-20}
threads=${NUM_THREADS:-10}
duration=${DURATION:-60}
burst=${CONNECTIONS_PER_THREAD:-100}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Paths that the caller gave belong to the caller's directory.
absolute() { case "$1" in /*) printf '%s' "$1" ;; *) printf '%s/%s' "$PWD" "$1" ;; esac; }
out=$(absolute "${OUT:-$root/load-test-results/$(date -u +%Y%m%d-%H%M%S)}")
binary=${POOL_LOADTEST_BIN:+$(absolute "$POOL_LOADTEST_BIN")}
cd "$root"
results=$out/results.json

# The closing lines, in the form that test runners read; then the exit.
finish() {
    local code=$1
    printf 'exit %s\n' "$code"
    if [ "$code" -eq 0 ]; then echo '1 passed, 0 failed, 0 skipped'; else echo '0 passed, 1 failed, 0 skipped'; fi
    exit "$code"
}

if ! command -v python3 >/dev/null; then
    echo 'error: python3 is not installed; it reads the results' >&2
    finish 3
fi

echo '== Connection pool load test =='
if [ -n "$binary" ]; then
    built="as given: $binary"
else
    # Cargo's own progress goes to standard error. Where the binary lands is Cargo's to say: CARGO_TARGET_DIR and
    # the configuration files both have a word in it.
    if ! cargo build --locked --release --package pool-loadtest; then
        echo 'error: pool-loadtest could not be built' >&2
        finish 3
    fi
    target=$(cargo metadata --locked --no-deps --format-version 1 |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
    binary=$target/release/pool-loadtest
    commit=$(git rev-parse --short HEAD 2>/dev/null || echo 'not known')
    tree=$([ -z "$(git status --porcelain 2>/dev/null)" ] && echo clean || echo changed)
    built="release, $(rustc --version | cut -d' ' -f1,2), commit $commit ($tree)"
fi

memory=$(awk '/^MemTotal:/ { printf ", %.0f GiB", $2 / 1048576 }' /proc/meminfo 2>/dev/null || true)
printf 'build     %s\n' "$built"
printf 'machine   %s cores%s, %s        output  %s\n' "$(getconf _NPROCESSORS_ONLN)" "$memory" "$(uname -sr)" "$out"
printf 'load      pool %s, %s threads, bursts of %s, %s seconds\n' "$pool_size" "$threads" "$burst" "$duration"

if ! mkdir -p "$out"; then
    finish 3
fi
# An older result must not be taken for this run's.
if [ -e "$results" ]; then
    mv -f -- "$results" "$out/results.previous.json"
    printf 'note      the results.json that was there is now results.previous.json\n'
fi

# Ctrl-C reaches the load tester too; it writes what it has, and so does the rest of this script.
trap : INT
code=0
"$binary" --pool-size "$pool_size" --threads "$threads" --duration "$duration" --connections-per-thread "$burst" \
    --output "$results" || code=$?
trap - INT

meaning() {
    case "$1" in
        0) echo 'PASS' ;;
        2) echo 'FAIL bad usage' ;;
        3) echo 'FAIL could not start' ;;
        4) echo 'FAIL result invalid' ;;
        5) echo 'FAIL pool defect' ;;
        99) echo 'FAIL threshold' ;;
        130 | 143) echo 'FAIL interrupted' ;;
        *) echo "FAIL exit $1" ;;
    esac
}

# One row of the table, from the JSON; dashes for what is not in it.
row() {
    PYTHONPATH=$root/scripts python3 - "$results" "$(meaning "$code")" <<'PY'
import sys

from load_test_analysis import figures, loading
from load_test_analysis.reading import InvalidFile

path, meaning = sys.argv[1:]
cells = [figures.NOTHING] * 6
try:
    run = loading.read(path)
except InvalidFile:
    pass
else:
    wait = run.phases.get("acquireWait")
    p99 = wait.percentile("99") if wait else None
    cells = [
        figures.printable(run.run.scenario or figures.NOTHING),
        figures.printable(run.run.backend or figures.NOTHING),
        f"{run.ok}/{run.total}",
        figures.rate(run.throughput.mean if run.throughput else None),
        figures.duration(p99),
        figures.count(run.leaks.handles if run.leaks and run.leaks.performed else None),
    ]
row = " {:<15} {:<9} {:<15} {:>8} {:>10} {:>7}  {}"
for line in (("scenario", "backend", "ok/total", "rate/s", "wait p99", "leaks", "verdict"), (*cells, meaning)):
    encoding = sys.stdout.encoding or "ascii"
    print(row.format(*line).translate({} if encoding.lower().startswith("utf") else figures.ASCII))
PY
}

echo
row
if [ "$code" -eq 0 ]; then echo '== 1 of 1 passed =='; else echo '== 0 of 1 passed =='; fi

if [ -e "$results" ]; then
    analyse=(python3 "$root/scripts/analyze_load_test.py" "$results")
    printf 'analyse:  %s\n\n' "${analyse[*]}"
    if ! "${analyse[@]}" && [ "$code" -eq 0 ]; then
        code=1
    fi
    echo
else
    printf 'nothing to analyse: %s was not written\n' "$results"
fi
finish "$code"
