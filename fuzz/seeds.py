#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets to fuzz/seeds/TARGET: small, and the same every time."""

import pathlib
import struct

HERE = pathlib.Path(__file__).parent
CASES = HERE.parent / "tests/suite/dns/cases"


def name(text):
    labels = [label for label in text.split(".") if label]
    return b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"


def question(text, kind=1, klass=1):
    return name(text) + struct.pack("!HH", kind, klass)


def opt(size=1232, version=0, flags=0, options=()):
    rdata = b"".join(struct.pack("!HH", code, len(data)) + data for code, data in options)
    return b"\0" + struct.pack("!HHBBHH", 41, size, 0, version, flags, len(rdata)) + rdata


def tsig(key="key.example.", algorithm="hmac-sha256.", mac=b"\1" * 32, more=b"\0" * 6):
    rdata = name(algorithm) + b"\0\0kI\xd2\0\1," + struct.pack("!H", len(mac)) + mac + more
    return name(key) + struct.pack("!HHIH", 250, 255, 0, len(rdata)) + rdata


def message(questions=(), opcode=0, flags=0x0100, records=(0, 0), extra=()):
    head = struct.pack("!HHHHHH", 0x1234, opcode << 11 | flags, len(questions), *records, len(extra))
    return head + b"".join(questions) + b"".join(extra)


def messages():
    types = [1, 2, 5, 6, 12, 15, 16, 28, 33, 35, 39, 43, 46, 47, 48, 64, 65, 128, 250, 251, 252, 255, 257, 65280]
    names = ["www.example.com", "example.com", "mail.example.com", "nothing.example.com", "alias.example.com",
             "x.wild.example.com", "y.stars.example.com", "a.child.example.com", "x.moved.example.com",
             "x.far.example.com", "x.round.example.com", "loop1.example.com", "c.example.com", "many.example.com",
             "more.example.com", "web.example.com", "undecided.example.com", "other.test", ""]
    for index, text in enumerate(names):
        kind = (1, 15, 65, 255)[index % 4]
        yield f"{text or 'root'}-{kind}", message([question(text, kind)])
    for kind in types:
        yield f"type-{kind}", message([question("example.com", kind)], extra=[opt()])
    for number in range(0, 100, 7):
        yield f"record-{number}", message([question(f"r{number}.example.com", 255)], extra=[opt(4096, flags=0x8000)])
    for opcode in range(16):
        yield f"opcode-{opcode}", message([question("example.com", 6)], opcode=opcode)
    for klass in (0, 3, 4, 254, 255):
        yield f"class-{klass}", message([question("version.bind", 16, klass)])
    yield "id", message([question("id.server", 16, 3)])
    yield "nsid", message([question("example.com", 6)], extra=[opt(options=[(3, b"")])])
    yield "cookie", message([question("example.com")], extra=[opt(options=[(10, b"12345678")])])
    yield "cookie-alone", message(extra=[opt(options=[(10, b"12345678")])])
    yield "keepalive", message([question("example.com")], extra=[opt(options=[(11, b"")])])
    yield "padding", message([question("example.com")], extra=[opt(options=[(12, b"\0" * 20)])])
    yield "subnet", message([question("example.com")], extra=[opt(options=[(8, b"\0\1\x18\0\xc0\0\2")])])
    yield "version-1", message([question("example.com")], extra=[opt(version=1)])
    yield "two-opt", message([question("example.com")], extra=[opt(), opt()])
    yield "two-questions", message([question("example.com"), question("www.example.com")])
    yield "tsig", message([question("example.com")], extra=[opt(), tsig()])
    yield "tsig-first", message([question("example.com")], extra=[tsig(), opt()])
    yield "tsig-short", message([question("example.com")], extra=[tsig(more=b"")])
    yield "no-question", message()
    yield "reply", message([question("example.com")], flags=0x8100)
    yield "pointer", message([b"\xc0\x0c\0\1\0\1"])
    yield "long-name", message([question(".".join(["a" * 63] * 3 + ["b" * 49]) + ".example.com")])
    yield "case", message([question("wWw.eXample.cOM")])
    yield "torn", message([question("www.example.com")])[:-3]
    yield "junk", message([question("www.example.com")]) + b"junk"


def framed(*messages):
    return b"".join(struct.pack("!H", len(message)) + message for message in messages)


def streams():
    one = message([question("www.example.com")])
    yield "one", framed(one)
    yield "three", framed(one, b"", one[:20]) + b"\xff\xff\1\2\3"
    yield "torn", framed(one)[:-4] + b"\xff\xff\x81\x82\5"
    yield "promise", b"\xfe\xff" + one + b"\xff\xff\1\1\1\1"


def zones():
    yield "tricks", (CASES / "tricks.zone").read_text()
    yield "everything", (HERE / "src/everything.zone").read_text()
    head = "$TTL 1h\n@ SOA ns1 hostmaster 5 1h 10m 2w 600\n@ NS ns1\nns1 A 192.0.2.53\n"
    yield "included", f"{head}$INCLUDE 1.inc\n$INCLUDE 2.inc sub\n%%\na A 192.0.2.1\n$INCLUDE 2.inc\n%%\n@ MX 10 b\n"
    lines = (CASES / "records.txt").read_text().splitlines()
    records = [f"r {line}" for line in lines if not line.startswith(("#", "=", "SOA"))]
    lines = (CASES / "zone_errors.txt").read_text().splitlines()
    wrong = [line[2:] for line in lines if line.startswith("? ")]
    for title, lines in (("records", records), ("errors", wrong)):
        for start in range(0, len(lines), 8):
            yield f"{title}-{start}", head + "\n".join(lines[start:start + 8]) + "\n"


def write(target, seeds):
    folder = HERE / "seeds" / target
    folder.mkdir(parents=True, exist_ok=True)
    for title, octets in seeds:
        (folder / title).write_bytes(octets if isinstance(octets, bytes) else octets.encode())


write("message", ((title, bytes([index % 4]) + octets) for index, (title, octets) in enumerate(messages())))
write("framer", streams())
write("zone_file", zones())
# What `arbitrary` makes of octets: length and contents are all that matters.
write("options", ((f"octets-{length}", bytes((index * step) % 256 for index in range(length)))
                  for length, step in ((16, 1), (64, 7), (200, 31), (400, 101))))
