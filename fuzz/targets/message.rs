//! The whole server for one message: an octet that says how it came, then the message.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sidestep::dns::{Asker, Transport};
use sidestep_fuzz::{
    reply::judge,
    world::{NOW_SECS, WORLD},
};

fuzz_target!(|input: &[u8]| {
    let Some((&how, query)) = input.split_first() else {
        return;
    };
    let address = if how & 2 == 0 {
        "192.0.2.77"
    } else {
        "2001:db8::77"
    };
    let port = if how & 4 == 0 { 4_242 } else { 0 };
    let asker = Asker {
        source: (
            address.parse::<std::net::IpAddr>().expect("an address"),
            port,
        )
            .into(),
        transport: if how & 1 == 0 {
            Transport::Udp
        } else {
            Transport::Tcp
        },
    };
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
