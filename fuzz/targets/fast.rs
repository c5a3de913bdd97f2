//! What UDP answers at once is what the whole server answers.
//!
//! The input is as that of `message`; the seeds are, too.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidestep::dns::usual_reply;
use sidestep_fuzz::{
    reply::{Message, judge},
    world::{NOW_SECS, WORLD, asker},
};

fuzz_target!(|input: &[u8]| {
    let Some((&how, query)) = input.split_first() else {
        return;
    };
    let asker = asker(how & 2);
    let Some(octets) = usual_reply(&WORLD.publisher, query, asker.source.ip(), NOW_SECS) else {
        return;
    };
    let mut reply = WORLD
        .handler
        .handle(query, &asker, NOW_SECS)
        .expect("a reply, as there is one");
    let read = |octets: &[u8]| {
        let mut message = Message::read(octets).expect("a reply that can be read");
        // The order of records within a section means nothing, and neither does compression.
        message
            .sections
            .iter_mut()
            .for_each(|section| section.sort());
        message.tail_octets = 0;
        message
    };
    assert_eq!(read(&octets), read(&reply.octets));
    reply.octets = octets;
    judge(query, &asker, Some(&reply));
});
