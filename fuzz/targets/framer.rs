//! The framer of TCP: the same octets give the same messages at any split.
//!
//! The input is octets of the stream and, behind the last 0xff 0xff, how they are split.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidestep::dns::Framer;

/// What the octets mean, all at once.
fn reference(mut octets: &[u8]) -> (Vec<&[u8]>, usize) {
    let mut messages = Vec::new();
    while let Some((length, rest)) = octets.split_first_chunk::<2>()
        && let Some((message, rest)) =
            rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
    {
        messages.push(message);
        octets = rest;
    }
    (messages, octets.len())
}

fuzz_target!(|input: &[u8]| {
    let border = input.windows(2).rposition(|pair| pair == [0xff, 0xff]);
    let (stream, splits) = match border {
        Some(at) => (&input[..at], &input[at + 2..]),
        None => (input, &[][..]),
    };
    let (expect, left) = reference(stream);
    let (mut framer, mut found) = (Framer::new(), Vec::new());
    let (mut rest, mut came) = (stream, 0);
    for &split in splits.iter().chain(std::iter::once(&0)) {
        // 0 is all that is left; the highest bit leaves what is complete where it is for now.
        let length = match usize::from(split & 0x7f) {
            0 => rest.len(),
            length => length.min(rest.len()),
        };
        let (now, later) = rest.split_at(length);
        rest = later;
        came += now.len();
        framer.push(now);
        if split & 0x80 == 0 || rest.is_empty() {
            while let Some(message) = framer.message() {
                found.push(message.to_vec());
            }
            assert!(
                framer.held_octets() <= 2 * 65_537 + 4_096,
                "held without bound"
            );
            assert!(framer.held_octets() <= came + 4_096, "held for a promise");
        }
    }
    framer.push(rest);
    while let Some(message) = framer.message() {
        found.push(message.to_vec());
    }
    assert_eq!(found, expect);
    assert_eq!(framer.is_within_message(), left > 0);
});
