#!/bin/bash
# bench.sh: runs the measurements (about twenty minutes) and prints them as Markdown, with what
# they were measured on.
#   bench.sh tools         the dashboards; BENCH_SECONDS, BENCH_DRAWS and BENCH_ONLY=tool,… make it shorter
#   bench.sh monitor       readers of MONITOR, and the keys that they cost; BENCH_COMMANDS, BENCH_ROUNDS,
#                          BENCH_STALL
#   bench.sh monitor-speed, bench.sh monitor-keys: either of them
set -eu
cd "$(dirname "$0")/../.."
version() {
    command -v "$1" >/dev/null && "$@" 2>&1 | grep -o '[0-9]\+\.[0-9][0-9.]*' | head -n 1 || echo none
}
case ${1-} in
'') parts='tools monitor-speed monitor-keys' ;;
monitor) parts='monitor-speed monitor-keys' ;;
tools | monitor-speed | monitor-keys) parts=$1 ;;
*)
    echo 'usage: bench.sh [tools | monitor | monitor-speed | monitor-keys]' >&2
    exit 2
    ;;
esac
echo
echo "$(nproc) CPUs, Linux $(uname -r), terminal 160x45, TERM=xterm-256color, interval 1 s;"
echo "PostgreSQL $(version psql --version), Redis $(version redis-server --version)," \
    "pg_activity $(version pg_activity --version), pg_top $(version pg_top --version)."
echo "N+M: N idle sessions, a fifth of them in a transaction, and M active ones."
echo
for part in $parts; do
    "$BUILD/tests/bench/bench" "$part"
    echo
done
