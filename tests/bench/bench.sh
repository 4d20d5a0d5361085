#!/bin/bash
# bench.sh: runs the measurements (about five minutes) and prints them as Markdown, with what they
# were measured on. BENCH_SECONDS, BENCH_DRAWS and BENCH_ONLY=tool,... make it shorter.
#   bench.sh monitor    readers of MONITOR instead; BENCH_COMMANDS
set -eu
cd "$(dirname "$0")/../.."
version() {
    command -v "$1" >/dev/null && "$@" 2>&1 | grep -o '[0-9]\+\.[0-9][0-9.]*' | head -n 1 || echo none
}
table=$("$BUILD/tests/bench/bench" "$@")
echo
echo "$(nproc) CPUs, Linux $(uname -r), terminal 160x45, TERM=xterm-256color, interval 1 s;"
echo "PostgreSQL $(version psql --version), Redis $(version redis-server --version)," \
    "pg_activity $(version pg_activity --version), pg_top $(version pg_top --version)."
echo "N+M: N idle sessions, a fifth of them in a transaction, and M active ones."
echo
echo "$table"
