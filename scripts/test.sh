#!/usr/bin/env bash
# Runs all tests: Rust (unit, integration, documentation; examples are built) and Python. Stops at the first step
# that fails. What the tests need beyond a Rust toolchain is installed from Debian's packages where it is missing.
set -euo pipefail

usage() {
    cat <<'TXT'
Usage: scripts/test.sh [--install | --help]

Runs all tests of the project. Needs a Rust toolchain; python3 with jsonschema and yaml, a C compiler (for the bundled SQLite), the servers
that the tests start for themselves (PostgreSQL, MariaDB, Redis, PgBouncer, OpenLDAP, Prometheus, Alertmanager) and libnss-wrapper are
installed with apt-get when they are missing, which takes root or sudo. The install starts no service and creates no PostgreSQL cluster.

  --install   only install what is missing, run no test

POOL_SERVER_FOLDERS: folders to look for servers in beside PATH, separated by colons; by default those of Debian.

Exit code: 0 all passed, 1 a step failed or something cannot be installed, 2 usage.
TXT
}

only_install=false
case "${1-}" in
    "") ;;
    --install) only_install=true ;;
    -h | --help) usage; exit 0 ;;
    *) printf 'unknown argument: %s\n\n' "$1" >&2; usage >&2; exit 2 ;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."

undo_policy=(true)
logs=
trap '"${undo_policy[@]}"; rm -rf "$logs"' EXIT

fail() {
    printf 'error: %s\n' "$1" >&2
    exit 1
}

# The python3 that knows the modules: the one in PATH may be another than Debian's, for which its packages are.
python=python3
python_is_there() {
    local candidate
    for candidate in python3 /usr/bin/python3; do
        if "$candidate" -c 'import sys, jsonschema, yaml; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
            python=$candidate
            return 0
        fi
    done
    return 1
}

# A compiler without the C library's headers is of no use: so a program is compiled, not only looked for.
# Not through a pipe: a compiler that reads nothing would break it, or not, as chance has it.
compiler_is_there() {
    "${CC:-cc}" -x c -fsyntax-only - 2>/dev/null <<'C'
#include <stdio.h>
int main(void) { return 0; }
C
}

# Debian keeps servers where only root looks, those of PostgreSQL in a folder for each version.
server_is_there() {
    local folder folders=(/usr/sbin /usr/local/sbin /usr/lib/postgresql/*/bin)
    if [ -n "${POOL_SERVER_FOLDERS+set}" ]; then
        IFS=: read -r -a folders <<<"$POOL_SERVER_FOLDERS"
    fi
    for folder in ${folders[@]+"${folders[@]}"}; do
        if [ -x "$folder/$1" ]; then
            return 0
        fi
    done
    command -v "$1" >/dev/null
}

# The programs that the tests start, each with the package it is in.
servers=(initdb:postgresql postgres:postgresql pg_basebackup:postgresql-client
    mariadbd:mariadb-server mariadb-install-db:mariadb-server redis-server:redis-server pgbouncer:pgbouncer
    slapd:slapd slapadd:slapd prometheus:prometheus promtool:prometheus
    prometheus-alertmanager:prometheus-alertmanager amtool:prometheus-alertmanager)

# The libraries that the tests load into a process of theirs, likewise.
libraries=(libnss_wrapper.so:libnss-wrapper)

# The loader says nothing when it finds the library. It is asked only where a program is started, which no builtin does.
library_is_there() { [ -z "$(LD_PRELOAD=$1 env true 2>&1)" ]; }

# Packages start their services, and PostgreSQL's creates a cluster, unless these files say otherwise. A policy that is
# there already is somebody's decision and stays; ours goes when the script ends.
policy=/usr/sbin/policy-rc.d
cluster_settings=/etc/postgresql-common/createcluster.conf
# shellcheck disable=SC2016 # expanded by the shell that runs it
keep_quiet='
    if [ ! -e "$1" ]; then printf "#!/bin/sh\nexit 101\n" >"$1" && chmod 755 "$1" && echo written || exit 1; fi
    if [ ! -e "$2" ]; then mkdir -p "${2%/*}" && echo "create_main_cluster = false" >"$2" || exit 1; fi'

install_missing() {
    local packages=() as_root=() server library package code=0 quiet
    python_is_there || packages+=(python3 python3-jsonschema python3-yaml)
    compiler_is_there || packages+=(gcc libc6-dev)
    for server in "${servers[@]}"; do
        package=${server#*:}
        if ! server_is_there "${server%:*}" && [[ " ${packages[*]-} " != *" $package "* ]]; then
            packages+=("$package")
        fi
    done
    for library in "${libraries[@]}"; do
        library_is_there "${library%:*}" || packages+=("${library#*:}")
    done
    if [ "${#packages[@]}" -eq 0 ]; then
        return
    fi
    command -v apt-get >/dev/null ||
        fail "missing: ${packages[*]}; there is no apt-get here, so install them by hand (Debian's names)"
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null ||
            fail "missing: ${packages[*]}; run as root, or install sudo, or ask somebody to install them"
        as_root=(sudo)
    fi
    printf 'installing %s\n' "${packages[*]}"
    quiet=$(${as_root[@]+"${as_root[@]}"} sh -c "$keep_quiet" sh "$policy" "$cluster_settings") ||
        fail "could not write $policy and $cluster_settings, without which services would be started"
    if [ "$quiet" = written ]; then
        undo_policy=(${as_root[@]+"${as_root[@]}"} rm -f "$policy")
    fi
    { ${as_root[@]+"${as_root[@]}"} apt-get update &&
        ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1 apt-get install --yes \
            --no-install-recommends -o Dpkg::Options::=--force-confold "${packages[@]}"; } || code=$?
    [ "$code" -eq 0 ] || fail "could not install ${packages[*]}; install them by hand and start again"
    python_is_there || fail 'python3 is older than 3.9, or it or its modules jsonschema and yaml are not to be found after installing them'
    compiler_is_there || fail "the C compiler (${CC:-cc}) still does not work after installing ${packages[*]}"
    for server in "${servers[@]}"; do
        server_is_there "${server%:*}" || fail "${server%:*} is not to be found after installing ${server#*:}"
    done
    for library in "${libraries[@]}"; do
        library_is_there "${library%:*}" || fail "${library%:*} cannot be loaded after installing ${library#*:}"
    done
}

command -v cargo >/dev/null || fail 'cargo is not to be found: a Rust toolchain is needed (see rust-version in Cargo.toml)'
install_missing
if [ "$only_install" = true ]; then
    exit 0
fi

passed=0
step() {
    local name=$1 code=0
    shift
    printf '\n== %s ==\n' "$name"
    "$@" || code=$?
    if [ "$code" -ne 0 ]; then
        printf '\nFAILED at "%s" (exit %s): %s\n' "$name" "$code" "$*"
        printf 'steps: %s passed, 1 failed\n' "$passed"
        exit 1
    fi
    passed=$((passed + 1))
}

# Every password of the tests that start servers contains this word. They write down what everything logs, at any level.
canary=canary
logs=$(mktemp -d)
export POOL_TESTS_LOGS=$logs

no_password_was_logged() {
    local lines
    lines=$(cat "$logs"/*.log | wc -l)
    if [ "$lines" -lt 1000 ]; then
        printf 'there are %s lines of log, far less than the tests write\n' "$lines"
        return 1
    fi
    if grep --max-count=20 "$canary" "$logs"/*.log; then
        printf 'the log shows passwords\n'
        return 1
    fi
    printf '%s lines searched, none shows a password\n' "$lines"
}

# Without target options `cargo test` runs unit, integration and documentation tests and builds the examples.
# (Why not --all-targets: it leaves the documentation tests out, and would run benchmarks.)
step 'Rust tests' cargo test --locked --workspace --all-features
step 'no password in the log of the tests' no_password_was_logged
# A feature may use only what it asks for itself, which a build of all of them at once cannot show.
for feature in http mysql oauth2 postgres redis sqlite websocket; do
    step "feature $feature of the manager alone" \
        cargo clippy --locked --quiet -p pool-manager --no-default-features --features "$feature" --lib -- -D warnings
    step "feature $feature alone" \
        cargo clippy --locked --quiet -p pool-drivers --features "$feature" --lib -- -D warnings
    step "tests of feature $feature alone" \
        cargo test --locked --quiet -p pool-drivers --features "$feature" --lib --tests
done
for feature in otel push; do
    step "feature $feature of the monitor alone" \
        cargo clippy --locked --quiet -p pool-monitor --features "$feature" --lib -- -D warnings
done
step 'the manager without a driver' \
    cargo clippy --locked --quiet -p pool-manager --no-default-features --lib -- -D warnings
step 'monitoring by a manager without features' \
    cargo test --locked --quiet -p pool-manager --no-default-features --lib monitoring
step 'example: a connector of its own' cargo run --locked --quiet -p pool-core --example tcp
step 'example: SQLite' cargo run --locked --quiet -p pool-drivers --features sqlite --example sqlite
step 'Python tests' "$python" -m unittest discover -s scripts -p 'test_*.py'

printf '\nall tests passed\nsteps: %s passed, 0 failed\n' "$passed"
