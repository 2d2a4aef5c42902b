#!/usr/bin/env bash
# Runs all tests: Rust (unit, integration, documentation; examples are built) and Python. Stops at the first step
# that fails. What the tests need beyond a Rust toolchain is installed from Debian's packages where it is missing.
set -euo pipefail

usage() {
    cat <<'TXT'
Usage: scripts/test.sh [--install | --help]

Runs all tests of the project. Needs a Rust toolchain; python3 and a C compiler (for the bundled SQLite) are
installed with apt-get when they are missing, which takes root or sudo.

  --install   only install what is missing, run no test

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

fail() {
    printf 'error: %s\n' "$1" >&2
    exit 1
}

python_is_there() { python3 -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; }

# A compiler without the C library's headers is of no use: so a program is compiled, not only looked for.
compiler_is_there() {
    printf '#include <stdio.h>\nint main(void) { return 0; }\n' | "${CC:-cc}" -x c -fsyntax-only - 2>/dev/null
}

install_missing() {
    local packages=() as_root=()
    python_is_there || packages+=(python3)
    compiler_is_there || packages+=(gcc libc6-dev)
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
    if ! { ${as_root[@]+"${as_root[@]}"} apt-get update &&
        ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
            apt-get install --yes --no-install-recommends "${packages[@]}"; }; then
        fail "could not install ${packages[*]}; install them by hand and start again"
    fi
    python_is_there || fail 'python3 is older than 3.9, or not to be found after installing it'
    compiler_is_there || fail "the C compiler (${CC:-cc}) still does not work after installing ${packages[*]}"
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

# Without target options `cargo test` runs unit, integration and documentation tests and builds the examples.
# (Why not --all-targets: it leaves the documentation tests out, and would run benchmarks.)
step 'Rust tests' cargo test --locked --workspace --all-features
step 'example: a connector of its own' cargo run --locked --quiet -p pool-core --example tcp
step 'example: SQLite' cargo run --locked --quiet -p pool-drivers --features sqlite --example sqlite
step 'Python tests' python3 -m unittest discover -s scripts -p 'test_*.py'

printf '\nall tests passed\nsteps: %s passed, 0 failed\n' "$passed"
