#!/bin/bash
# lint.sh FLAG...: format, static analysis (with these compiler flags), layers, sizes and manual
# pages. Ends with a line "N passed, N failed", a check counting one.
set -u
cd "$(dirname "$0")/.." || exit 1
mapfile -t sources < <(find main.c backend tui panels tests -name '*.c' | sort)
mapfile -t all < <(find main.c backend tui panels tests -name '*.[ch]' | sort)
mapfile -t scripts < <(find tests .ci -type f \( -name '*.sh' -o -path '.ci/run' \) | sort)
jobs=$(nproc)
passed=0 failed=0

check() {
    local name=$1 output
    shift
    if output=$("$@" 2>&1); then
        echo "ok $name"
        passed=$((passed + 1))
    else
        echo "FAILED $name"
        printf '%s\n' "$output"
        failed=$((failed + 1))
    fi
}

format() {
    clang-format --dry-run -Werror "${all[@]}"
}

# One process a file, as it is slow; what it finds goes to stdout, its own chatter to stderr.
tidy() {
    printf '%s\0' "${sources[@]}" |
        xargs -0 -P"$jobs" -I{} sh -c 'clang-tidy --quiet "$@" 2>/dev/null' sh {} -- "${flags[@]}"
}

analyse() {
    cppcheck --quiet --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
        --std=c11 --suppress=missingIncludeSystem --suppress=unknownMacro -D_GNU_SOURCE -I. -j "$jobs" \
        "${sources[@]}"
}

# clang sees what gcc does not, and the other way round.
compile_clang() {
    printf '%s\0' "${sources[@]}" |
        xargs -0 -n8 -P"$jobs" clang -fsyntax-only -Werror "${flags[@]}"
}

sizes() {
    wc -l "${all[@]}" | awk '$2 != "total" && $1 > 800 { print $2 ": " $1 " lines"; bad = 1 } END { exit bad }'
}

shells() {
    local script bad=0
    for script in "${scripts[@]}"; do
        bash -n "$script" || bad=1
    done
    return $bad
}

manuals() {
    mandoc -T lint -W warning man/*.[15]
}

flags=("$@")
check 'format (clang-format)' format
check 'layers' tests/check_layers.sh
check 'file sizes' sizes
check 'scripts (bash -n)' shells
check 'manual pages (mandoc)' manuals
check 'compiler (clang)' compile_clang
check 'static analysis (cppcheck)' analyse
check 'static analysis (clang-tidy)' tidy
echo "$passed passed, $failed failed"
[ $failed = 0 ]
