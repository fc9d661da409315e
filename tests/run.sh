#!/bin/sh
# What is tested, cheapest first; the last line is `N passed, N failed`. Called by `make test`, and by `make test-long` with
# the test programs' own option --include-ignored: tests that are long say so where they are.
set -u
cd "$(dirname "$0")/.."

out=$(mktemp)
trap 'rm -f "$out"' EXIT
passed=0
failed=0

# $1: what it is; the rest: a command that counts as one test.
step() {
    name=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        echo "FAILED: $name" >&2
        failed=$((failed + 1))
    fi
}

# Runs cargo's tests and adds up its own counts. A run that ends badly without a failed test (it does not compile, or
# the test program crashes) counts as one failure.
tests() {
    cargo test --no-fail-fast "$@" >"$out" 2>&1 &
    test_pid=$!
    tail --pid=$test_pid -n +1 -f "$out"
    wait $test_pid
    status=$?
    ok=$(sed -n 's/^test result: .* \([0-9]*\) passed; .*/\1/p' "$out" | awk '{ n += $1 } END { print n + 0 }')
    bad=$(sed -n 's/^test result: .* \([0-9]*\) failed; .*/\1/p' "$out" | awk '{ n += $1 } END { print n + 0 }')
    if [ "$status" != 0 ] && [ "$bad" = 0 ]; then
        bad=1
    fi
    passed=$((passed + ok))
    failed=$((failed + bad))
}

step "formatting" cargo fmt --all --check
step "lints" cargo clippy --quiet --workspace --all-targets -- -D warnings
# Without the virtual machines: milliseconds to seconds.
tests --workspace --exclude isolde-qemu --exclude isolde-mkinitrd
# With them: init as it is shipped, real systems, real firmware.
tests --package isolde-mkinitrd --package isolde-qemu -- "$@"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
