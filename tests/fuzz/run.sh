#!/bin/bash
# run.sh: runs every fuzz target that make has built for FUZZ_SECONDS, one a processor at a time,
# from the seeds in tests/fuzz/corpus/NAME (what is found new goes to BUILD). Ends with the line
# "N passed, N failed".
#   run.sh --one SOURCE    one of them
set -u
cd "$(dirname "$0")/../.." || exit 1
export ASAN_OPTIONS=detect_leaks=1
export LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0

run_one() {
    local name found seeds aslr=
    name=$(basename "$1" .c)
    found=$BUILD/corpus/$name
    seeds=tests/fuzz/corpus/${name%_fuzz}
    mkdir -p "$found"
    [ -d "$seeds" ] || seeds=
    ! setarch -R true 2>/dev/null || aslr='setarch -R'
    # shellcheck disable=SC2086
    if $aslr "$BUILD/tests/fuzz/$name" -max_total_time="${FUZZ_SECONDS:-10}" -timeout=10 \
        -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="$BUILD/$name-" \
        "$found" $seeds >"$BUILD/$name.log" 2>&1; then
        echo "ok $name: $(sed -n 's/stat::number_of_executed_units: *//p' "$BUILD/$name.log") inputs"
    else
        echo "FAILED $name"
        tail -n 60 "$BUILD/$name.log" | sed 's/^/   /'
    fi
}

if [ "${1-}" = --one ]; then
    run_one "$2"
    exit
fi
report=$(printf '%s\0' tests/fuzz/*_fuzz.c | xargs -0 -n1 -P"$(nproc)" "$0" --one)
echo "$report"
passed=$(grep -c '^ok ' <<<"$report")
failed=$(($(printf '%s\n' tests/fuzz/*_fuzz.c | wc -l) - passed))
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
