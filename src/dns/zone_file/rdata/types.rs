//! The record types that a zone file may name, and what their data consists of.
//!
//! One table for both directions: `rdata` reads text by it, `wire` holds octets against it.
//! Does not know how a field is written. A type without fields has a name here and no text form
//! of its own: its data is written as octets (RFC 3597 section 5).

use super::number;
use hickory_proto::rr::RecordType;

/// What a field of record data is, in text and on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Ipv4,
    Ipv6,
    /// A domain name, never compressed.
    Name,
    U8,
    U16,
    U32,
    /// 32 bits of seconds, with units.
    Seconds,
    /// A record type, 16 bits.
    Type,
    /// A DNSSEC algorithm by number or mnemonic, 8 bits.
    Algorithm,
    /// A certificate type by number or mnemonic, 16 bits (RFC 4398 section 2.1).
    Certificate,
    /// A moment as `YYYYMMDDHHmmSS` or in seconds since 1970, 32 bits (RFC 4034 section 3.2).
    Moment,
    /// A character string.
    String,
    /// A character string, or nothing.
    MaybeString,
    /// Character strings to the end, one at least.
    Strings,
    /// A character string of four digits at least (RFC 1183 section 3.1).
    Digits,
    /// A text without a length to the end.
    Text,
    /// A property's tag with its length octet: letters and digits (RFC 8659 section 4.1).
    Tag,
    /// Octets in hexadecimal to the end. The octet before says what they are a digest of, and
    /// these are the lengths of known digests by that octet, where BIND insists on them.
    Digest(&'static [(u8, usize)]),
    /// Octets in Base64 to the end.
    Base64,
    /// Octets in hexadecimal with a length octet, `-` where there are none.
    Salt,
    /// Octets in Base32 with a length octet (RFC 5155 section 3.3).
    Hash,
    /// A bitmap of record types to the end (RFC 4034 section 4.1.2).
    Types,
    /// Service parameters to the end (RFC 9460 section 2.1).
    Parameters,
    /// All of a LOC record (RFC 1876).
    Location,
    /// So many octets in hexadecimal with hyphens between (RFC 7043).
    Hardware(usize),
    /// 64 bits as four groups of hexadecimal digits with colons between (RFC 6742 section 2.1).
    Locator,
    /// Address prefixes to the end (RFC 3123).
    Prefixes,
    /// The type of a gateway, an algorithm, the gateway and a key to the end (RFC 4025 section 2).
    Gateway,
}

/// A type of records.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) code: u16,
    pub(super) name: &'static str,
    /// In order, and what each is in a message.
    pub(super) fields: &'static [(Field, &'static str)],
}

const fn kind(code: u16, name: &'static str, fields: &'static [(Field, &'static str)]) -> Kind {
    Kind { code, name, fields }
}

use Field::{
    Algorithm, Base64, Certificate, Digest, Digits, Gateway, Hardware, Hash, Ipv4, Ipv6, Location,
    Locator, MaybeString, Moment, Name, Parameters, Prefixes, Salt, Seconds, String, Strings, Tag,
    Text, Type, Types, U8, U16, U32,
};

const DS: &[(Field, &str)] = &[
    (U16, "a key tag"),
    (Algorithm, "an algorithm"),
    (U8, "a digest type"),
    (Digest(&[(1, 20), (2, 32), (3, 32), (4, 48)]), "a digest"),
];
const DNSKEY: &[(Field, &str)] = &[
    (U16, "a flags number"),
    (U8, "a protocol"),
    (Algorithm, "an algorithm"),
    (Base64, "a public key"),
];
const TLSA: &[(Field, &str)] = &[
    (U8, "a certificate usage"),
    (U8, "a selector"),
    (U8, "a matching type"),
    (Digest(&[]), "certificate data"),
];
const SVCB: &[(Field, &str)] = &[
    (U16, "a priority"),
    (Name, "a target name"),
    (Parameters, "parameters"),
];
const STRINGS: &[(Field, &str)] = &[(Strings, "a text")];
const NAME: &[(Field, &str)] = &[(Name, "a name")];
const MAIL: &[(Field, &str)] = &[(U16, "a preference"), (Name, "a name")];

/// The most usual first: they are looked for one by one.
pub(super) const KINDS: &[Kind] = &[
    kind(1, "A", &[(Ipv4, "an IPv4 address")]),
    kind(28, "AAAA", &[(Ipv6, "an IPv6 address")]),
    kind(5, "CNAME", NAME),
    kind(16, "TXT", STRINGS),
    kind(15, "MX", MAIL),
    kind(2, "NS", NAME),
    kind(12, "PTR", NAME),
    kind(
        33,
        "SRV",
        &[
            (U16, "a priority"),
            (U16, "a weight"),
            (U16, "a port"),
            (Name, "a name"),
        ],
    ),
    kind(
        46,
        "RRSIG",
        &[
            (Type, "a record type"),
            (Algorithm, "an algorithm"),
            (U8, "a number of labels"),
            (Seconds, "an original TTL"),
            (Moment, "an expiration time"),
            (Moment, "an inception time"),
            (U16, "a key tag"),
            (Name, "a signer's name"),
            (Base64, "a signature"),
        ],
    ),
    kind(
        47,
        "NSEC",
        &[(Name, "a next name"), (Types, "record types")],
    ),
    kind(
        50,
        "NSEC3",
        &[
            (U8, "a hash algorithm"),
            (U8, "a flags number"),
            (U16, "a number of iterations"),
            (Salt, "a salt"),
            (Hash, "a next hash"),
            (Types, "record types"),
        ],
    ),
    kind(43, "DS", DS),
    kind(65, "HTTPS", SVCB),
    kind(64, "SVCB", SVCB),
    kind(
        257,
        "CAA",
        &[(U8, "a flags number"), (Tag, "a tag"), (Text, "a value")],
    ),
    kind(52, "TLSA", TLSA),
    kind(
        44,
        "SSHFP",
        &[
            (U8, "an algorithm"),
            (U8, "a fingerprint type"),
            (Digest(&[(1, 20), (2, 32)]), "a fingerprint"),
        ],
    ),
    kind(
        6,
        "SOA",
        &[
            (Name, "a primary server's name"),
            (Name, "a contact's name"),
            (U32, "a serial"),
            (Seconds, "a refresh time"),
            (Seconds, "a retry time"),
            (Seconds, "an expiry time"),
            (Seconds, "a negative TTL"),
        ],
    ),
    kind(39, "DNAME", NAME),
    kind(
        35,
        "NAPTR",
        &[
            (U16, "an order"),
            (U16, "a preference"),
            (String, "flags"),
            (String, "services"),
            (String, "a regular expression"),
            (Name, "a replacement name"),
        ],
    ),
    kind(99, "SPF", STRINGS),
    kind(13, "HINFO", &[(String, "a CPU"), (String, "a system")]),
    kind(
        17,
        "RP",
        &[(Name, "a mailbox name"), (Name, "a text record's name")],
    ),
    kind(18, "AFSDB", &[(U16, "a subtype"), (Name, "a name")]),
    kind(36, "KX", MAIL),
    kind(53, "SMIMEA", TLSA),
    kind(
        37,
        "CERT",
        &[
            (Certificate, "a certificate type"),
            (U16, "a key tag"),
            (Algorithm, "an algorithm"),
            (Base64, "a certificate"),
        ],
    ),
    kind(
        62,
        "CSYNC",
        &[
            (U32, "a serial"),
            (U16, "a flags number"),
            (Types, "record types"),
        ],
    ),
    kind(61, "OPENPGPKEY", &[(Base64, "a public key")]),
    kind(
        256,
        "URI",
        &[(U16, "a priority"), (U16, "a weight"), (Text, "a URI")],
    ),
    kind(29, "LOC", &[(Location, "a location")]),
    kind(108, "EUI48", &[(Hardware(6), "an EUI-48 address")]),
    kind(109, "EUI64", &[(Hardware(8), "an EUI-64 address")]),
    kind(48, "DNSKEY", DNSKEY),
    kind(60, "CDNSKEY", DNSKEY),
    kind(59, "CDS", DS),
    kind(32_769, "DLV", DS),
    kind(
        51,
        "NSEC3PARAM",
        &[
            (U8, "a hash algorithm"),
            (U8, "a flags number"),
            (U16, "a number of iterations"),
            (Salt, "a salt"),
        ],
    ),
    kind(
        63,
        "ZONEMD",
        &[
            (U32, "a serial"),
            (U8, "a scheme"),
            (U8, "a hash algorithm"),
            (Digest(&[(1, 48), (2, 64)]), "a digest"),
        ],
    ),
    kind(
        14,
        "MINFO",
        &[(Name, "a mailbox name"), (Name, "an error mailbox name")],
    ),
    kind(21, "RT", MAIL),
    kind(25, "KEY", DNSKEY),
    kind(49, "DHCID", &[(Base64, "an identifier")]),
    kind(261, "RESINFO", STRINGS),
    kind(42, "APL", &[(Prefixes, "prefixes")]),
    kind(
        45,
        "IPSECKEY",
        &[
            (U8, "a precedence"),
            (Gateway, "a gateway with its type, an algorithm and a key"),
        ],
    ),
    kind(
        104,
        "NID",
        &[(U16, "a preference"), (Locator, "a node identifier")],
    ),
    kind(
        105,
        "L32",
        &[
            (U16, "a preference"),
            (Ipv4, "a locator like an IPv4 address"),
        ],
    ),
    kind(
        106,
        "L64",
        &[(U16, "a preference"), (Locator, "a locator of 64 bits")],
    ),
    kind(107, "LP", MAIL),
    kind(258, "AVC", STRINGS),
    kind(19, "X25", &[(Digits, "an X.121 address")]),
    kind(
        20,
        "ISDN",
        &[(String, "an ISDN address"), (MaybeString, "a subaddress")],
    ),
    kind(7, "MB", NAME),
    kind(8, "MG", NAME),
    kind(9, "MR", NAME),
    kind(
        26,
        "PX",
        &[
            (U16, "a preference"),
            (Name, "a domain of RFC 822"),
            (Name, "a domain of X.400"),
        ],
    ),
    kind(3, "MD", &[]),
    kind(4, "MF", &[]),
    kind(10, "NULL", &[]),
    kind(11, "WKS", &[]),
    kind(22, "NSAP", &[]),
    kind(24, "SIG", &[]),
    kind(27, "GPOS", &[]),
    kind(30, "NXT", &[]),
    kind(38, "A6", &[]),
    kind(41, "OPT", &[]),
    kind(55, "HIP", &[]),
    kind(58, "TALINK", &[]),
    kind(249, "TKEY", &[]),
    kind(250, "TSIG", &[]),
    kind(251, "IXFR", &[]),
    kind(252, "AXFR", &[]),
    kind(255, "ANY", &[]),
    kind(260, "AMTRELAY", &[]),
];

/// What is known of a type.
pub(super) fn kind_of(code: u16) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.code == code)
}

/// A type's mnemonic, or `TYPE65280` (RFC 3597 section 5).
pub(in crate::dns) fn type_text(kind: RecordType) -> std::string::String {
    let code = u16::from(kind);
    match kind_of(code) {
        Some(known) => known.name.to_owned(),
        None => format!("TYPE{code}"),
    }
}

/// The type that a mnemonic or `TYPE65280` names, in any case.
pub(super) fn type_of(text: &str) -> Option<RecordType> {
    if let Some(known) = KINDS
        .iter()
        .find(|kind| kind.name.eq_ignore_ascii_case(text))
    {
        return Some(known.code.into());
    }
    let digits = text
        .get(4..)
        .filter(|_| text[..4].eq_ignore_ascii_case("TYPE"))?;
    let code = number(digits).and_then(|code| u16::try_from(code).ok());
    code.map(RecordType::from)
}

/// The types that a zone file may hold by name.
pub(super) fn writable() -> impl Iterator<Item = &'static str> {
    let kinds = KINDS.iter().filter(|kind| !kind.fields.is_empty());
    kinds.map(|kind| kind.name)
}

/// Whether records of this type belong in no zone: they exist in messages only (RFC 6895
/// section 3.1).
pub(in crate::dns) fn is_meta(code: u16) -> bool {
    matches!(code, 0 | 41 | 128..=255)
}
