#!/usr/bin/env bash
# The journal on a disk that fails and dawdles: every sync and write in turn is answered with an error by strace.
# Whatever fails, the writer goes on, nothing that was acknowledged is missing, and no step is split.
# Needs: strace. Runs as any user.
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v strace >/dev/null || { echo "strace is missing (Debian: strace)" >&2; exit 1; }
SUITE=${SUITE:-$(cargo test --test suite --no-run 2>&1 | sed -n 's/.*(\(.*deps\/suite-[0-9a-f]*\)).*/\1/p')}
[ -x "$SUITE" ] || { echo "the test binary was not built" >&2; exit 1; }
DIR=$(mktemp -d)
trap 'rm -rf "$DIR"' EXIT
die() { echo "FAILED: $*" >&2; tail -n 20 "$DIR/said" >&2; exit 1; }
runs=0

# fault NAME STEPS SYSCALLS INJECTION: runs the workload under it and looks at what is on disk afterwards
fault() {
    local name=$1 steps=$2 calls=$3 what=$4 acked
    rm -rf "$DIR/data"
    export SIDESTEP_JOURNAL_FOLDER=$DIR/data SIDESTEP_JOURNAL_STEPS=$steps
    timeout 60 strace -f -qq -o /dev/null -e trace="$calls" -e inject="$calls:$what" \
        "$SUITE" --exact journal::workload::run --ignored --nocapture >"$DIR/said" 2>&1 || die "$name: the workload"
    acked=$(sed -n 's/^acked //p' "$DIR/said" | tail -n 1)
    [ -n "$acked" ] || die "$name: nothing was acknowledged"
    SIDESTEP_JOURNAL_ACKED=$acked timeout 60 "$SUITE" --exact journal::workload::verify --ignored \
        >>"$DIR/said" 2>&1 || die "$name: what is on disk"
    runs=$((runs + 1))
}
degraded() { # degraded PATTERN: the last run said so, and got over it
    grep -q "^degraded .*$1" "$DIR/said" || die "never degraded: $1"
    grep -q '^degraded no more' "$DIR/said" || die "degraded to the end: $1"
}

for n in 1 2 3 4 5 7 9 12 16 20; do
    fault "sync $n fails" 60 fsync,fdatasync "error=EIO:when=$n"
done
fault "syncs fail for a while" 80 fsync,fdatasync "error=EIO:when=8..20"
degraded "cannot be written"
for n in 4 6 8 11 15 20 30 45; do
    fault "write $n fails" 60 pwrite64 "error=EIO:when=$n"
    fault "write $n finds no room" 60 pwrite64 "error=ENOSPC:when=$n"
done
fault "no room for a while" 80 pwrite64 "error=ENOSPC:when=30..60"
degraded "the disk is full"
fault "short writes" 60 pwrite64 "retval=7:when=20..24"
export SIDESTEP_JOURNAL_BACKLOG=200
fault "slow syncs" 2000 fsync,fdatasync "delay_exit=150000:when=6..40"
grep -q '^gaps [1-9]' "$DIR/said" || die "slow syncs: the backlog was never full"
echo "the journal came through $runs faults of the disk"
