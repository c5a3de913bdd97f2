#!/usr/bin/env bash
# Echo requests where a target is silent, where a router says that it is unreachable, and where
# this user may not send them: raw sockets, datagram sockets, neither. In network namespaces of its own.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ "${1:-}" != inside ]; then
    as_root=(); [ "$(id -u)" = 0 ] || as_root=(--map-root-user)
    real_root=no; [ "$(id -u)" != 0 ] || real_root=yes
    REAL_ROOT=$real_root exec unshare --net "${as_root[@]}" -- "$BASH" "$0" inside
fi
DIR=$(mktemp -d)
chmod 755 "$DIR"
cleanup() {
    local code=$?
    for pid in ${router:-} ${other:-} ${daemon:-}; do kill "$pid" 2>/dev/null || true; done
    [ "$code" = 0 ] || { echo "--- last"; cat "$DIR/out" "$DIR/serve.log" 2>/dev/null | tail -40; }
    rm -rf "$DIR"
    exit "$code"
}
trap cleanup EXIT
say() { printf '%s  %s\n' "$(date +%H:%M:%S.%3N)" "$*"; }
die() { say "FAILED: $*" >&2; exit 1; }
# Where the user without rights can execute it.
cp "${SIDESTEP:-target/release/sidestep}" "$DIR/sidestep"
BIN=$DIR/sidestep

ip link set lo up
# A router that knows no way to 10.96.0.0/24 and says so, and swallows what is for 10.97.0.0/24.
unshare --net -- sleep 600 &
router=$!
until [ "$(readlink /proc/$router/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.02; done
inside_router() { nsenter --target "$router" --net -- "$@"; }
ip link add here type veth peer name there
ip link set there netns "$router"
ip addr add 10.98.0.1/24 dev here
ip addr add fd00:98::1/64 dev here nodad
ip link set here up
inside_router ip link set there up
inside_router ip addr add 10.98.0.2/24 dev there
inside_router ip addr add fd00:98::2/64 dev there nodad
inside_router ip route add unreachable 10.96.0.0/24
inside_router ip route add blackhole 10.97.0.0/24
inside_router ip -6 route add unreachable fd00:96::/64
inside_router ip -6 route add blackhole fd00:97::/64
inside_router sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'
for net in 96 97; do
    ip route add 10.$net.0.0/24 via 10.98.0.2
    ip -6 route add fd00:$net::/64 via fd00:98::2
done
V6=yes; grep -q ::1 <<<"$(ip -6 addr show dev lo)" || V6=no

configuration() { # configuration ADDRESS COUNT [WITNESS]
    cat > "$DIR/sidestep.toml" <<CONF
[server]
dns = ["127.0.0.1:15353"]
http = "127.0.0.1:18053"
[[target]]
name = "primary"
addresses = ["$1"]
[[target]]
name = "backup"
addresses = ["$1"]
[[service]]
name = "www"
names = ["www.example.com"]
targets = ["primary"]
monitors = [{ kind = "icmp", count = $2, interval = "2s", timeout = "1s" }]
CONF
    [ -z "${3:-}" ] || printf '[witness]\naddresses = ["icmp:%s"]\n' "$3" >> "$DIR/sidestep.toml"
    chmod 644 "$DIR/sidestep.toml"
}
expect() { # expect PATTERN: `probe`, by the user of AS
    "${AS[@]}" "$BIN" probe "$DIR/sidestep.toml" > "$DIR/out" 2>&1 || true
    grep -qE "$1" "$DIR/out" || die "'$1' expected: $(cat "$DIR/out")"
    say "$(head -1 "$DIR/out")"
}
AS=()
WITHOUT=(setpriv --bounding-set=-all --inh-caps=-all)
[ "$REAL_ROOT" = no ] || WITHOUT+=(--reuid=65534 --regid=65534 --clear-groups)

say "raw sockets"
echo "1 0" > /proc/sys/net/ipv4/ping_group_range
configuration 127.0.0.1 1;  expect 'good in'
configuration 10.98.0.2 1;  expect 'good in'
configuration 10.97.0.9 4;  expect 'bad: timeout'
grep -q 'echo 4' "$DIR/out" || die "four requests expected: $(cat "$DIR/out")"
configuration 10.96.0.9 1;  expect 'bad: unreachable \(ICMP type 3 code 1 from 10.98.0.2\)'
configuration 172.16.0.1 1; expect 'no result: no route'
# Refused by our own firewall or routes: a word of this machine.
ip route add prohibit 172.17.0.0/24
configuration 172.17.0.1 1; expect 'no result: not permitted'
ip route add blackhole 172.18.0.0/24
configuration 172.18.0.1 1; expect 'no result:'
if [ $V6 = yes ]; then
    configuration ::1 1;        expect 'good in'
    configuration fd00:98::2 2; expect 'good in'
    configuration fd00:97::9 2; expect 'bad: timeout'
    configuration fd00:96::9 1; expect 'bad: unreachable \(ICMPv6 type 1 code . from fd00:98::2\)'
fi

say "this machine answers no requests: silence is still the target's"
echo 1 > /proc/sys/net/ipv4/icmp_echo_ignore_all
configuration 10.97.0.9 1; expect 'bad: timeout'
configuration 10.98.0.2 1; expect 'good in'
echo 0 > /proc/sys/net/ipv4/icmp_echo_ignore_all

say "the first answers are lost"
configuration 10.98.0.2 4
inside_router sh -c 'echo 1 > /proc/sys/net/ipv4/icmp_echo_ignore_all; sleep 0.4; echo 0 > /proc/sys/net/ipv4/icmp_echo_ignore_all' &
until [ "$(inside_router cat /proc/sys/net/ipv4/icmp_echo_ignore_all)" = 1 ]; do :; done
expect 'good in'
grep -q 'echo 3' "$DIR/out" || die "three requests expected: $(cat "$DIR/out")"

say "a router that redirects each request, to a machine that takes no redirects"
# The router has a bridge; behind it stands another, which is the next hop to 10.95.0.1.
unshare --net -- sleep 600 &
other=$!
until [ "$(readlink /proc/$other/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.02; done
inside_other() { nsenter --target "$other" --net -- "$@"; }
inside_router ip link add bridge type bridge
inside_router ip link add port type veth peer name far
inside_router ip link set far netns "$other"
inside_router ip addr flush dev there scope global
for port in there port; do inside_router ip link set "$port" master bridge up; done
inside_router ip link set bridge up
inside_router ip addr add 10.98.0.2/24 dev bridge
inside_other ip link set lo up
inside_other ip link set far up
inside_other ip addr add 10.98.0.3/24 dev far
inside_other ip addr add 10.95.0.1/32 dev lo
inside_router ip route add 10.95.0.0/24 via 10.98.0.3
inside_router sh -c 'echo 1 | tee /proc/sys/net/ipv4/conf/*/send_redirects >/dev/null'
echo 0 | tee /proc/sys/net/ipv4/conf/*/accept_redirects >/dev/null
ip route add 10.95.0.0/24 via 10.98.0.2
configuration 10.98.0.3 4; expect 'good in'
redirects() { awk '/^Icmp:/ && n++ { print $field } /^Icmp:/ && n == 1 { for (i = 1; i <= NF; i++) if ($i == "InRedirects") field = i }' /proc/net/snmp; }
before=$(redirects)
configuration 10.95.0.1 1; expect 'good in'
[ "$(redirects)" -gt "$before" ] || die "the router did not redirect"
ip route del 10.95.0.0/24

say "neither raw nor datagram sockets"
AS=("${WITHOUT[@]}")
configuration 127.0.0.1 1 127.0.0.1
expect 'no result: not permitted to send ICMP: give sidestep CAP_NET_RAW, or set sysctl net.ipv4.ping_group_range'
"${AS[@]}" "$BIN" check "$DIR/sidestep.toml" > "$DIR/out" 2>&1 || die "check refused: $(cat "$DIR/out")"
grep -q 'monitor icmp: not permitted to send ICMP' "$DIR/out" || die "check did not warn: $(cat "$DIR/out")"
grep -q 'witness icmp:127.0.0.1: not permitted to send ICMP' "$DIR/out" || die "check did not warn of the witness"

say "datagram sockets"
echo "0 2147483647" > /proc/sys/net/ipv4/ping_group_range
expect 'good in'
"${AS[@]}" "$BIN" check "$DIR/sidestep.toml" > "$DIR/out" 2>&1 || die "check refused: $(cat "$DIR/out")"
! grep -q 'not permitted' "$DIR/out" || die "check warned: $(cat "$DIR/out")"
configuration 10.98.0.2 3; expect 'good in'
configuration 10.97.0.9 1; expect 'bad: timeout'
# A shared datagram socket is not told who is unreachable.
configuration 10.96.0.9 1; expect 'bad: (timeout|unreachable)'
[ $V6 = no ] || { configuration ::1 1; expect 'good in'; }

say "a daemon gets the right later, without a restart"
echo "1 0" > /proc/sys/net/ipv4/ping_group_range
configuration 127.0.0.1 1 127.0.0.1
sed -i "s|^http = .*|&\ndata = \"$DIR/data\"|" "$DIR/sidestep.toml"
mkdir "$DIR/data"; chmod 777 "$DIR/data"
"${AS[@]}" "$BIN" serve "$DIR/sidestep.toml" > "$DIR/serve.log" 2>&1 &
daemon=$!
status() { "$BIN" status --config "$DIR/sidestep.toml" "$@" > "$DIR/out" 2>&1 || true; }
wait_status() {
    local tries
    for tries in $(seq 200); do
        status; grep -qE "$1" "$DIR/out" && return
        status www; grep -qE "$1" "$DIR/out" && return
        sleep 0.1
    done
    die "status never said $1"
}
wait_status 'not permitted to send ICMP'
echo "0 2147483647" > /proc/sys/net/ipv4/ping_group_range
wait_status 'primary +.*up'
kill "$daemon"; wait "$daemon" || die "serve did not stop cleanly"
daemon=
say "ok"
