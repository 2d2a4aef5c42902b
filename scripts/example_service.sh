#!/usr/bin/env bash
# Runs the example service on a machine where nothing is prepared, with servers of its own, and leaves nothing behind.
set -euo pipefail

usage() {
    cat <<'TXT'
Usage: scripts/example_service.sh [--help]

Builds pool-manager/examples/service, starts a PostgreSQL and a Redis of its own (in a temporary folder, on free ports of
127.0.0.1), creates the tables and runs the service. Ctrl-C ends all of it, and nothing stays behind. Servers that
are missing are installed first, by scripts/test.sh --install. Set by environment variables:

  LISTEN    where the service listens (127.0.0.1:8080)
  CONFIG    its configuration, to edit while it runs (pool-manager/examples/service/connection_pool.yaml)
  RUST_LOG  what it logs (info)

Exit code: that of the service. 0 stopped in good order, 1 not started or not built, 2 usage.
TXT
}

case "${1-}" in
    "") ;;
    -h | --help) usage; exit 0 ;;
    *) printf 'unknown argument: %s\n\n' "$1" >&2; usage >&2; exit 2 ;;
esac

export LISTEN=${LISTEN:-127.0.0.1:8080}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# A path that the caller gave belongs to the caller's directory.
absolute() { case "$1" in /*) printf '%s' "$1" ;; *) printf '%s/%s' "$PWD" "$1" ;; esac; }
example=$root/pool-manager/examples/service
config=$(absolute "${CONFIG:-$example/connection_pool.yaml}")
cd "$root"

scripts/test.sh --install

# All of the workspace, so that the tests, which build it likewise, find it built. Where it lands is Cargo's to say.
built=$(cargo build --locked --workspace --all-features --example service --bin pool-tests-with-servers \
    --message-format json-render-diagnostics) || exit 1
executable() { sed -n 's/.*"executable":"\([^"]*\/'"$1"'\)".*/\1/p' <<<"$built" | tail -n 1; }
with_servers=$(executable pool-tests-with-servers)
service=$(executable service)

cat <<TXT

Starting PostgreSQL, Redis and the service. Ctrl-C ends it. In another terminal:

  curl -i  http://$LISTEN/-/ready
  curl -i  http://$LISTEN/orders -H 'content-type: application/json' -d '{"item": "lamp", "pieces": 3}'
  curl     http://$LISTEN/orders
  curl     http://$LISTEN/items/lamp        # from the database, then for 10 s from the cache
  curl     http://$LISTEN/report
  curl     http://$LISTEN/stats
  curl     http://$LISTEN/metrics           # what a Prometheus asks for
  curl     http://$LISTEN/alerts            # what is wrong: nothing, while both servers run

Change $config (max_connections of a pool, say): within
seconds /stats shows it. What is wrong in it is logged, and changes nothing.

TXT
exec "$with_servers" "$example/schema.sql" "$service" "$config"
