# Sourced by the suites: the tree's root as the working directory and two helpers.
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

# build_or_fail LABEL command...: runs a build quietly; on failure prints FAILED and the end of its log.
build_or_fail() {
    local label=$1 log
    shift
    log=build/test-logs/${label//\//_}.log
    mkdir -p build/test-logs
    if "$@" </dev/null >"$log" 2>&1; then
        echo "ok $label"
        return 0
    fi
    # Errors first: the end of a parallel build's log is often another file's warning.
    grep -E 'error:|undefined reference|multiple definition|CMake Error' "$log" | head -n 20
    tail -n 15 "$log"
    echo "FAILED $label (log: $log)"
    return 1
}

long() {
    [ "${QNFS_LONG:-0}" = 1 ]
}

# sanitized KIND: the unit tests, then some seeds of the simulator, in the build with the sanitizer.
sanitized() {
    local kind=$1 bad=0 count=20 log
    ! long || count=500
    log=build-$kind/test-logs/sim.log
    tests/suites/run_ctest.py "build-$kind" --prefix "$kind/" || bad=1
    mkdir -p "build-$kind/test-logs"
    if "build-$kind/qnfs_sim" --seeds "1-$count" >"$log" 2>&1; then
        echo "ok $kind/sim/seeds ($count)"
    else
        tail -n 40 "$log" | sed 's/^/    /'
        echo "FAILED $kind/sim/seeds (log: $log)"
        bad=1
    fi
    return $bad
}
