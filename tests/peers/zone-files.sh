#!/bin/sh
# Asks BIND how it reads what our tests read: the octets of each record of cases/records.txt
# (named-rrchecker), and the zone cases/tricks.zone (named-compilezone).
#
#   tests/peers/zone-files.sh          says where BIND differs from the files, and fails
#   tests/peers/zone-files.sh write    writes BIND's part of them anew
#
# Needs named-rrchecker and named-compilezone (Debian: bind9, bind9-utils).
set -eu
cd "$(dirname "$0")/../suite/dns/cases"
found=$(mktemp -d)
trap 'rm -r "$found"' EXIT
while IFS= read -r line; do
    case $line in
    '#'*) printf '%s\n' "$line" ;;
    '='*) ;;
    *)
        printf '%s\n' "$line"
        octets=$(printf 'IN %s\n' "$line" | named-rrchecker -o example.com -u 2>&1 | tr '\t\n' '  ')
        printf '= %s\n' "$(printf '%s' "$octets" | sed 's/^CLASS1 *//; s/ *$//')"
        ;;
    esac
done <records.txt >"$found/records.txt"
named-compilezone -q -s full -i none -k ignore -o - example.com tricks.zone >"$found/tricks.canonical"
if [ "${1:-}" = write ]; then
    cp "$found"/* .
else
    diff records.txt "$found/records.txt"
    diff tricks.canonical "$found/tricks.canonical"
    echo "$(grep -c '^=' records.txt) records and $(wc -l <tricks.canonical) lines: BIND reads them so, too"
fi
