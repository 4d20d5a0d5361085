#!/bin/bash
# check.sh check|unit|integration|screen: runs the test programs that make has built, two at a time,
# and ends with a line "N passed, N failed". A program that dies, hangs, leaks, skips a test or says
# nothing at the end counts as failed; one that cannot run here (status 77) is told as skipped, with
# its reason, and is in neither number. T=PATTERN runs only the programs whose name it matches.
#   check.sh --programs PROGRAM...    the same without the sum, inside a lab
#   check.sh --one PROGRAM            one of them
set -u
here=$(cd "$(dirname "$0")" && pwd)
self=$here/check.sh
BUILD=$(cd "${BUILD:-build}" && pwd)
results=$BUILD/test-results
seconds=${TEST_SECONDS:-240}
[ -z "${SANITIZE-}" ] || seconds=$((seconds * 2))
cd "$here/.." || exit 1

sanitizer_options() {
    local common="log_path=$1.sanitizer:abort_on_error=0"
    export ASAN_OPTIONS="detect_leaks=1:detect_stack_use_after_return=1:$common"
    export UBSAN_OPTIONS="print_stacktrace=1:$common"
    export TSAN_OPTIONS="second_deadlock_stack=1:suppressions=$here/tsan.supp:$common"
    export LSAN_OPTIONS="suppressions=$here/lsan.supp:print_suppressions=0"
}

# The sanitizers of today's compilers stumble over the widest address randomisation.
randomisation() {
    if [ -n "${SANITIZE-}" ] && setarch -R true 2>/dev/null; then
        echo 'setarch -R'
    fi
}

# The number that cmocka wrote for PASSED, FAILED or SKIPPED, over all groups of the program.
sum_of() {
    sed -n "s/^\[  $1 *\] \([0-9]*\) test(s).*/\1/p" "$2" | awk '{ n += $1 } END { print n + 0 }'
}

# A program that has said why it cannot run here, and has begun no test.
cannot_run() {
    [ "$2" = 77 ] && grep -q '^skipped: .' "$1" && ! grep -q '^\[ RUN ' "$1"
}

run_one() {
    local program=$1 name out status passed failed skipped begin=$EPOCHREALTIME took
    name=${program#"$BUILD"/tests/}
    out=$results/${name//\//-}
    sanitizer_options "$out"
    # shellcheck disable=SC2046
    timeout --foreground -k 5 "$seconds" $(randomisation) "$program" >"$out.log" 2>&1 </dev/null
    status=$?
    took=$(((${EPOCHREALTIME/[.,]/} - ${begin/[.,]/}) / 1000000))
    if cannot_run "$out.log" $status; then
        flock "$results/.lock" sed -n "s,^skipped: ,== $name: skipped: ,p" "$out.log"
        echo skipped >"$out.sum"
        return
    fi
    passed=$(sum_of PASSED "$out.log")
    failed=$(sum_of FAILED "$out.log")
    skipped=$(sum_of SKIPPED "$out.log")
    [ $((failed += skipped)) -gt 0 ] || [ $status = 0 ] || failed=1
    [ $((passed + failed)) -gt 0 ] || failed=1
    local reports
    reports=$(cat "$out".sanitizer.* 2>/dev/null)
    [ -z "$reports" ] || [ $failed -gt 0 ] || failed=1
    {
        flock 9
        echo "== $name: $passed passed, $failed failed, $took s"
        [ "$skipped" = 0 ] || echo "   $skipped skipped, which counts as failed"
        [ $status != 124 ] || echo "   not done after $seconds s"
        [ $status = 0 ] || echo "   exit status $status"
        if [ "$failed" = 0 ]; then
            # With what the tests have measured and seen.
            sed -n -e '/^\[/{s/^\[       OK \] /   ok /p;d}' -e 's/^ *\([^ ]\)/      \1/p' "$out.log"
        else
            cat "$out.log"
            printf '%s' "${reports:+$reports
}"
        fi
    } 9>"$results/.lock"
    echo "$passed $failed" >"$out.sum"
}

# Programs that use the container engine have it one at a time: apart from each other in the list,
# they hardly wait.
spread() {
    local program gap at=0 engine=() others=()
    for program in "$@"; do
        if [[ ${program##*/} == container* ]]; then engine+=("$program"); else others+=("$program"); fi
    done
    gap=$(((${#others[@]} + ${#engine[@]}) / (${#engine[@]} + 1) + 1))
    for program in "${engine[@]}"; do
        echo "$program"
        [ $at -ge ${#others[@]} ] || printf '%s\n' "${others[@]:at:gap}"
        at=$((at + gap))
    done
    [ $at -ge ${#others[@]} ] || printf '%s\n' "${others[@]:at}"
}

run_programs() {
    [ $# = 0 ] || printf '%s\0' "$@" | xargs -0 -r -n1 -P"${TEST_JOBS:-2}" "$self" --one
}

# The programs of a folder.
programs_of() {
    local source name
    for source in tests/"$1"/*_test.c; do
        name=${source##*/}
        name=${name%.c}
        [ -e "$source" ] && [[ $1/$name == *${T-}* ]] && echo "$BUILD/tests/$1/$name"
    done
}

sum_up() {
    local program name passed=0 failed=0 skipped=0 p f
    for program in "$@"; do
        name=${program#"$BUILD"/tests/}
        if ! read -r p f 2>/dev/null <"$results/${name//\//-}.sum"; then
            p=0 f=1
            echo "== $name: did not run"
        elif [ "$p" = skipped ]; then
            p=0 f=0 skipped=$((skipped + 1))
            sed -n "s,^skipped: ,skipped: $name: ,p" "$results/${name//\//-}.log"
        fi
        passed=$((passed + p)) failed=$((failed + f))
    done
    echo
    echo "$passed passed, $failed failed"
    [ $failed = 0 ] && [ $((passed + skipped)) -gt 0 ]
}

case $1 in
--one) run_one "$2"; exit ;;
--programs) shift; run_programs "$@"; exit ;;
check) folders='unit integration screen' ;;
*) folders=$1 ;;
esac

rm -rf "$results"
mkdir -p "$results"
alone=() in_lab=()
for folder in $folders; do
    mapfile -t programs < <(programs_of "$folder")
    if [ "$folder" = unit ]; then alone+=("${programs[@]}"); else in_lab+=("${programs[@]}"); fi
done
run_programs "${alone[@]}"
if [ ${#in_lab[@]} -gt 0 ]; then
    if [ -z "${DOCKER_LAB-}" ]; then
        DOCKER_LAB=$(mktemp -d /tmp/st-docker-XXXXXX)
        export DOCKER_LAB DOCKER_LAB_OWNER=$$
        trap '"$here/lab/docker.sh" stop "$DOCKER_LAB"' EXIT
    fi
    mapfile -t in_lab < <(spread "${in_lab[@]}")
    "$BUILD/tests/lab/labrun" --fill --load "$self" --programs "${in_lab[@]}"
fi
sum_up "${alone[@]}" "${in_lab[@]}"
