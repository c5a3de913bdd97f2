//! SOA serials: they move with every published change and never go back ([RFC 1982]).
//!
//! [RFC 1982]: https://www.rfc-editor.org/rfc/rfc1982

/// The serial after `current`: `wanted` where that is later by RFC 1982 section 3.2, else one more.
pub fn next(current: u32, wanted: Option<u32>) -> u32 {
    match wanted {
        Some(wanted) if is_later(wanted, current) => wanted,
        // 0 is a serial like any other to RFC 1982, but some software takes it for "none".
        _ => current.wrapping_add(1).max(1),
    }
}

/// Whether `a` is later than `b`: RFC 1982 section 3.2.
pub fn is_later(a: u32, b: u32) -> bool {
    a != b && a.wrapping_sub(b) < 1 << 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_never_go_back() {
        for (current, wanted, expected) in [
            (1, None, 2),
            (1, Some(10), 10),
            (10, Some(1), 11),
            (10, Some(10), 11),
            (u32::MAX, None, 1),
            (u32::MAX, Some(5), 5),
            (5, Some(u32::MAX), 6),
        ] {
            assert_eq!(next(current, wanted), expected, "{current} {wanted:?}");
            assert!(is_later(next(current, wanted), current));
        }
    }
}
