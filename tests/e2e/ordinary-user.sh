#!/usr/bin/env bash
# `demo`, `init`, `check`, `serve`, `status` and `reload` as a user without any right, in a folder of its own.
# Packages: util-linux (setpriv), dnsutils (dig).
set -euo pipefail
cd "$(dirname "$0")/../.."
BIN=$(realpath "${SIDESTEP:-target/release/sidestep}")
DIR=$(mktemp -d)
die() { echo "FAILED: $*" >&2; exit 1; }
cleanup() {
    local code=$?
    [ -z "${serving:-}" ] || kill "$serving" 2>/dev/null || true
    [ "$code" = 0 ] || tail -n 40 "$DIR"/*.log >&2 2>/dev/null || true
    rm -rf "$DIR"
    exit "$code"
}
trap cleanup EXIT

# The program may lie in a folder that only root enters.
install -m 0755 "$BIN" "$DIR/sidestep"
as=()
if [ "$(id -u)" = 0 ]; then
    chown -R 65534:65534 "$DIR"
    as=(setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs)
fi
chmod 0700 "$DIR"
run() { (cd "$DIR" && HOME="$DIR" TMPDIR="$DIR" NO_COLOR=1 "${as[@]}" "$@"); }
[ "$(run id -u)" != 0 ] || die "this is still root"

run ./sidestep demo > "$DIR/demo.log" 2>&1 || die "the demo ended with $?"
grep -q '^all of it was seen' "$DIR/demo.log" || die "the demo did not see all of it"
echo "demo: $(tail -n 2 "$DIR/demo.log" | head -n 1)"

run ./sidestep init site > "$DIR/init.log" 2>&1 || die "init ended with $?"
# Ports that no other script uses; the rest is as `init` writes it.
DNS_PORT=15453 HTTP_PORT=18153
config="$DIR/site/sidestep.toml"
grep -q '^\[server\]' "$config" || printf '[server]\n' | cat - "$config" > "$config.new"
[ ! -e "$config.new" ] || mv "$config.new" "$config"
sed -i -e '/^dns *=/d' -e '/^http *=/d' \
    -e "s|^\[server\].*|[server]\ndns = [\"127.0.0.1:$DNS_PORT\"]\nhttp = \"127.0.0.1:$HTTP_PORT\"|" "$config"
run ./sidestep check site/sidestep.toml > "$DIR/check.log" 2>&1 || die "check ended with $?"
cd "$DIR"
HOME="$DIR" "${as[@]}" ./sidestep serve site/sidestep.toml 2> "$DIR/serve.log" &
serving=$!
for _ in $(seq 200); do
    answer=$(dig +short +tries=1 +time=1 @127.0.0.1 -p "$DNS_PORT" www.example.com A 2>/dev/null) || answer=""
    [ "$answer" != 192.0.2.10 ] || break
    kill -0 "$serving" 2>/dev/null || die "the daemon ended"
    sleep 0.1
done
[ "$answer" = 192.0.2.10 ] || die "www.example.com is answered '$answer'"
run ./sidestep status --config site/sidestep.toml > "$DIR/status.log" || die "status ended with $?"
grep -q '^www' "$DIR/status.log" || die "status does not show www"
run ./sidestep reload --config site/sidestep.toml > "$DIR/reload.log" || die "reload ended with $?"
kill "$serving"
wait "$serving" || die "the daemon ended with $?"
serving=""
echo "serve: answered, shown, reloaded and ended as uid $(run id -u)"
