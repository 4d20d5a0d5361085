#!/bin/bash
# check_layers.sh [ROOT]: the layers, from the include lines. Arrows go down only: main → panels →
# tui and backend, which do not know each other but for backend/base/; and each library that a layer
# has no business with stays out of it. Prints every line that breaks this; exits 1 if there is one.
set -u
cd "${1:-$(dirname "$0")/..}" || exit 2

# allowed FOLDER REGEX: the project's own headers that its files may include.
# banned FOLDER REGEX: system headers that they may not.
allowed() {
    includes "$1" '"' | grep -Ev ":[[:space:]]*#[[:space:]]*include[[:space:]]+\"($2)"
}

banned() {
    includes "$1" '<' | grep -E "<($2)"
}

includes() {
    find "$1" -name '*.[ch]' -exec grep -HnE "^[[:space:]]*#[[:space:]]*include[[:space:]]+$2" {} +
}

curses='(n?cursesw?/)?(n?curses|term|panel|menu|form)\.h|ncursesw?/'
servers='libpq-fe\.h|libpq/|postgresql/|hiredis|pg_config'

broken=$(
    allowed backend/base 'backend/base/'
    allowed backend 'backend/'
    allowed tui 'tui/|backend/base/'
    allowed panels 'panels/|tui/|backend/'
    banned backend "$curses"
    banned tui "$servers"
    banned panels "$servers|$curses"
    grep -HnE '#[[:space:]]*include[[:space:]]+"' main.c 2>/dev/null |
        grep -Ev '"(panels|tui|backend)/'
)
files=$(find backend tui panels -name '*.[ch]' | wc -l)
if [ "$files" = 0 ]; then
    echo 'check_layers: no sources found' >&2
    exit 2
fi
if [ -n "$broken" ]; then
    echo "$broken"
    exit 1
fi
