#!/usr/bin/env bash
# A start with a data folder that is read-only, full, damaged and read-only, or whose control socket cannot be made:
# DNS is answered as before the restart, an alarm stands, a second daemon is refused, and once the disk is back the
# journal is written and orders are taken. Needs root (or user namespaces), for a tmpfs in a mount namespace of its own.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ "${1:-}" != inside ]; then
    as_root=(); [ "$(id -u)" = 0 ] || as_root=(--map-root-user)
    exec unshare --net --mount "${as_root[@]}" -- "$BASH" "$0" inside
fi
ip link set lo up
. tests/site.sh
mkdir -p "$DIR/policies" "$DIR/data"
mount -t tmpfs -o size=8m none "$DIR/data"
cat > "$DIR/sidestep.toml" <<CONF
[server]
name = "ns1"
dns = ["127.0.0.1:$DNS_PORT"]
http = "127.0.0.1:$HTTP_PORT"
[[zone]]
name = "example.com"
ns = ["ns1.example.com"]
[[target]]
name = "primary"
addresses = ["127.0.0.2"]
[[target]]
name = "backup"
addresses = ["127.0.0.3"]
[[service]]
name = "www"
names = ["www.example.com"]
targets = ["primary", "backup"]
monitors = [{ url = "http://www.example.com:$WEB_PORT/", interval = "200ms", timeout = "150ms" }]
CONF
stop_daemon() { local pid; pid=$(cat "$DIR/serve.pid"); kill "$1" "$pid"; wait "$pid" 2>/dev/null || true; }
starts() { # starts WHAT PATTERN: the first answer is the last decision, and status says what is wrong
    serve
    [ "$(first_answer)" = 127.0.0.3 ] || die "$1: the last decision is lost"
    wait_status "$2"
    say "$1: answered, and said"
}
is_well() { # the disk is back: everything is written, orders are taken
    local from said; from=$(now_ms)
    until said=$(status --json) && ! grep -qE '"degraded": ?\{|no_control' <<<"$said"; do
        [ $(( $(now_ms) - from )) -le 20000 ] || { status; die "$1: never well again"; }
        sleep 0.1
    done
    order switch www backup --reason "$1"
}
ro() { mount -o remount,ro "$DIR/data"; }
rw() { mount -o remount,rw "$DIR/data"; }

serve
[ "$(first_answer)" = 127.0.0.2 ] || die "the first start"
order switch www backup --reason "away from the first"
for signal in -KILL -TERM; do
    stop_daemon $signal
    ro
    starts "read-only after SIG${signal#-}" 'no_control'
    wait_status '"degraded": ?\{'
    if said=$("$BIN" serve "$DIR/sidestep.toml" 2>&1); then die "a second daemon started"; fi
    grep -q 'another sidestep' <<<"$said" || die "a second daemon: $said"
    rw
    is_well "writable again"
done
stop_daemon -TERM
rm "$DIR/data/lock"
head -c 9m /dev/zero > "$DIR/data/ballast" 2>/dev/null || true
starts "full" '"degraded": ?\{'
rm "$DIR/data/ballast"
is_well "room again"
stop_daemon -TERM
dd if=/dev/urandom of="$DIR/data/journal.sqlite" bs=4k seek=1 count=3 conv=notrunc 2>/dev/null
ro
starts "damaged and read-only" 'could not be used'
rw
is_well "writable, and set aside"
ls "$DIR"/data/journal.sqlite.damaged-* > /dev/null || die "nothing was set aside"
stop_daemon -TERM
mkdir "$DIR/data/control.sock"
starts "something in the way of the control socket" 'no_control'
rmdir "$DIR/data/control.sock"
is_well "out of the way"
if grep -q panicked "$DIR/serve.log"; then die "a panic"; fi
stop_daemon -TERM
rm "$DIR/serve.pid"
umount "$DIR/data"
say "ok"
