#!/bin/sh
# What is tested, cheapest first; the last line is `N passed, N failed`. Called by `make test`, and by `make test-long` with
# the test programs' own option --include-ignored: tests that are long say so where they are.
set -u
cd "$(dirname "$0")/.."

out=$(mktemp)
ahead=$(mktemp)
trap 'rm -f "$out" "$ahead"' EXIT
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

# What takes a processor alone for minutes, while the compiler leaves one idle: live systems are unpacked, and the shipped
# init is linked. Each test makes what it needs and is not there; so a failure here is that test's, and shown if one fails.
prepare() {
    cargo run --quiet --package isolde-qemu --bin fixture debian fedora-like &
    cargo build --quiet --release --bin isolde-init
    wait
}

step "formatting" cargo fmt --all --check
prepare >"$ahead" 2>&1 &
step "lints" cargo clippy --quiet --workspace --all-targets -- -D warnings
# Without the virtual machines: milliseconds to seconds.
tests --workspace --exclude isolde-qemu
# With them: init as it is shipped, real systems, real firmware. One more than there are processors, as machines also wait.
tests --package isolde-qemu -- --test-threads $(($(nproc) + 1)) "$@"

[ "$failed" = 0 ] || cat "$ahead"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
