//! The whole server for one message: an octet that says how it came, then the message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidestep::dns::Transport;
use sidestep_fuzz::{
    reply::judge,
    world::{NOW_SECS, WORLD, asker},
};

fuzz_target!(|input: &[u8]| {
    let Some((&how, query)) = input.split_first() else {
        return;
    };
    let asker = asker(how);
    let reply = WORLD.handler.handle(query, &asker, NOW_SECS);
    judge(query, &asker, reply.as_ref());
    assert_eq!(
        reply,
        WORLD.handler.handle(query, &asker, NOW_SECS),
        "the same again"
    );
    if let Some(reply) = reply
        && asker.transport == Transport::Udp
    {
        let cut = reply.cut();
        assert!(cut.truncated, "what is cut says so");
        judge(query, &asker, Some(&cut));
    }
});
