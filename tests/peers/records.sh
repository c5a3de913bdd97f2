#!/bin/sh
# Asks BIND's named-rrchecker what octets each record of tests/suite/dns/cases/records.txt has.
# `records.sh` says where the table differs and fails; `records.sh write` writes it anew from its
# texts. Needs named-rrchecker (Debian: bind9-utils, bind9).
set -eu
cd "$(dirname "$0")/../.."
table=tests/suite/dns/cases/records.txt
found=$(mktemp)
trap 'rm -f "$found"' EXIT
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
done <"$table" >"$found"
if [ "${1:-}" = write ]; then
    cp "$found" "$table"
else
    diff "$table" "$found" && echo "$(grep -c '^=' "$table") records: BIND reads them so, too"
fi
