#!/usr/bin/env bash
# The shipped unit: understood by systemd, and at most 2.0 of 10 by `systemd-analyze security`.
# Packages: systemd.
set -euo pipefail
cd "$(dirname "$0")/../.."
UNIT=examples/systemd/sidestep.service
DIR=$(mktemp -d)
trap 'rm -rf "$DIR"' EXIT
die() { echo "FAILED: $*" >&2; exit 1; }

# 20 on its scale to 100 is 2.0 on the scale that it prints.
systemd-analyze security --no-pager --offline=yes --threshold=20 "$UNIT" > "$DIR/security" 2> "$DIR/said" \
    || { grep '✗' "$DIR/security" >&2; die "$(tail -n 1 "$DIR/security")"; }
tail -n 1 "$DIR/security"
# The threshold must be able to fail.
! systemd-analyze security --no-pager --offline=yes --threshold=5 "$UNIT" > /dev/null 2>&1 \
    || die "a threshold of 0.5 passes, so the one of 2.0 proves nothing"

# Every line is understood; the program is one that exists here. Type=notify-reload came with 253.
sed "s|^ExecStart=[^ ]*|ExecStart=$(command -v true)|" "$UNIT" > "$DIR/sidestep.service"
systemd-analyze verify --man=no "$DIR/sidestep.service" > "$DIR/verify" 2>&1 || true
version=$(systemd-analyze --version | awk 'NR == 1 { print int($2) }')
if [ "$version" -lt 253 ]; then
    sed -i '/Failed to parse service type, ignoring: notify-reload/d' "$DIR/verify"
fi
if grep -F sidestep.service "$DIR/verify"; then die "systemd does not understand the unit"; fi
echo "systemd $version understands the unit"
