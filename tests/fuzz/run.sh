#!/bin/bash
# run.sh: runs every fuzz target that make has built for FUZZ_SECONDS, from the seeds in
# tests/fuzz/corpus/NAME (what is found new goes to BUILD). Ends with "N passed, N failed".
set -u
cd "$(dirname "$0")/../.." || exit 1
passed=0 failed=0
export ASAN_OPTIONS=detect_leaks=1 LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0
aslr=
! setarch -R true 2>/dev/null || aslr='setarch -R'
for source in tests/fuzz/*_fuzz.c; do
    name=$(basename "$source" .c)
    found=$BUILD/corpus/$name
    seeds=tests/fuzz/corpus/${name%_fuzz}
    mkdir -p "$found"
    [ -d "$seeds" ] || seeds=
    # shellcheck disable=SC2086
    if $aslr "$BUILD/tests/fuzz/$name" -max_total_time="${FUZZ_SECONDS:-10}" -timeout=10 \
        -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="$BUILD/$name-" \
        "$found" $seeds >"$BUILD/$name.log" 2>&1; then
        echo "ok $name: $(sed -n 's/stat::number_of_executed_units: */inputs /p' "$BUILD/$name.log")"
        passed=$((passed + 1))
    else
        echo "FAILED $name"
        tail -n 60 "$BUILD/$name.log"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
