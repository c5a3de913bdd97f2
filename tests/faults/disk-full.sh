#!/usr/bin/env bash
# The journal on a file system that is full, and then has room again.
# Needs: util-linux (unshare, mount). Runs as root, or as any user where user namespaces are allowed.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ "${1:-}" != inside ]; then
    SUITE=${SUITE:-$(cargo test --test suite --no-run 2>&1 | sed -n 's/.*(\(.*deps\/suite-[0-9a-f]*\)).*/\1/p')}
    [ -x "$SUITE" ] || { echo "the test binary was not built" >&2; exit 1; }
    export SUITE
    as_root=(); [ "$(id -u)" = 0 ] || as_root=(--map-root-user)
    exec unshare --mount "${as_root[@]}" -- "$BASH" "$0" inside
fi
DIR=$(mktemp -d)
cleanup() {
    [ -z "${writer:-}" ] || kill "$writer" 2>/dev/null || true
    umount "$DIR" 2>/dev/null || true
    rmdir "$DIR" 2>/dev/null || true
    rm -f "$SAID"
}
SAID=$(mktemp)
trap cleanup EXIT
die() { echo "FAILED: $*" >&2; tail -n 20 "$SAID" >&2; exit 1; }
mount -t tmpfs -o size=64m none "$DIR"
head -c $(( (64 * 1024 - 600) * 1024 )) /dev/zero >"$DIR/filler" # leaves 600 KiB
export SIDESTEP_JOURNAL_FOLDER=$DIR/data SIDESTEP_JOURNAL_STEPS=4000 SIDESTEP_JOURNAL_BACKLOG=100

"$SUITE" --exact journal::workload::run --ignored --nocapture >"$SAID" 2>&1 &
writer=$!
for _ in $(seq 400); do
    grep -q '^degraded the disk is full' "$SAID" && break
    kill -0 "$writer" 2>/dev/null || die "the workload ended before the disk was full"
    sleep 0.05
done
grep -q '^degraded the disk is full' "$SAID" || die "nothing said that the disk is full"
sleep 2 # Long enough for the backlog to be full, too.
kill -0 "$writer" 2>/dev/null || die "the workload did not live with a full disk"
rm "$DIR/filler"
wait "$writer" || die "the workload"
writer=
grep -q '^degraded no more' "$SAID" || die "still degraded with room"
grep -q '^gaps [1-9]' "$SAID" || die "the backlog was never full"
acked=$(sed -n 's/^acked //p' "$SAID" | tail -n 1)
SIDESTEP_JOURNAL_ACKED=$acked "$SUITE" --exact journal::workload::verify --ignored >>"$SAID" 2>&1 || die "what is on disk"

# A start on a full disk finds the state all the same.
head -c 80m /dev/zero >"$DIR/filler" 2>/dev/null || true
SIDESTEP_JOURNAL_ACKED=$acked "$SUITE" --exact journal::workload::verify --ignored >>"$SAID" 2>&1 || die "a start on a full disk"
echo "the journal came through a full disk: $(grep -E '^(gaps|lost)' "$SAID" | tr '\n' ' ')"
