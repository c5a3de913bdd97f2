//! Messages: sizes, header bits, EDNS, odd and hostile queries.

use super::client::{LOCAL, client, published, query, serving, tcp, udp, udp_octets, with_edns};
use hickory_proto::{
    op::{Message, MessageType, OpCode, ResponseCode},
    rr::{DNSClass, RData, RecordType, rdata::tsig::TsigError},
};

#[test]
fn udp_sizes_have_limits_and_tcp_has_the_rest() {
    serving(LOCAL, &published(), |bound| {
        let server = bound[0];
        let (mut whole, mut cut) = (0, 0);
        for more in 0..64 {
            let asked = query(&format!("t{more:02}.example.com"), RecordType::TXT);
            let octets = udp_octets(server, &asked.to_vec().unwrap());
            let reply = Message::from_vec(&octets).unwrap();
            let full = tcp(server, &asked);
            let size = full.to_vec().unwrap().len();
            assert_eq!(full.answers.len(), 1);
            assert!(octets.len() <= 512);
            if reply.metadata.truncation {
                cut += 1;
                assert!(reply.answers.is_empty() && reply.authorities.is_empty());
                assert_eq!(reply.metadata.response_code, ResponseCode::NoError);
            } else {
                whole += 1;
                assert!(size <= 512, "{size}");
                assert_eq!(reply.answers, full.answers);
            }
        }
        assert!(
            whole > 5 && cut > 5,
            "both sides of 512 are met: {whole} {cut}"
        );

        let big = query("big.example.com", RecordType::TXT);
        for size in [512, 1_232, 4_096, 65_535] {
            let octets = udp_octets(server, &with_edns(big.clone(), size).to_vec().unwrap());
            let reply = Message::from_vec(&octets).unwrap();
            assert!(
                reply.metadata.truncation && reply.answers.is_empty(),
                "{size}"
            );
            assert_eq!(
                reply.edns.as_ref().unwrap().max_payload(),
                1_232,
                "OPT survives TC"
            );
            assert!(octets.len() <= 512);
        }
        let reply = tcp(server, &with_edns(big, 512));
        assert!(!reply.metadata.truncation && reply.answers.len() == 1);

        let huge = query("huge.example.com", RecordType::TXT);
        assert!(udp(server, &huge).metadata.truncation);
        let reply = tcp(server, &huge);
        assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);
        assert!(reply.answers.is_empty() && !reply.metadata.truncation);

        // 60 addresses take 960 octets: too much without EDNS, too much for a small client.
        let many = query("many.example.com", RecordType::A);
        assert!(udp(server, &many).metadata.truncation);
        assert!(
            udp(server, &with_edns(many.clone(), 600))
                .metadata
                .truncation
        );
        assert!(
            udp(server, &with_edns(many.clone(), 100))
                .metadata
                .truncation
        );
        assert_eq!(udp(server, &with_edns(many, 4_096)).answers.len(), 60);

        // Addresses beside the servers of a delegation are its glue: without them it is nothing.
        let glue = query("x.sub.example.com", RecordType::A);
        let reply = udp(server, &glue);
        assert!(reply.metadata.truncation && !reply.metadata.authoritative);
        assert_eq!(reply.authorities.len() + reply.additionals.len(), 0);
        let reply = udp(server, &with_edns(glue, 1_232));
        assert!(!reply.metadata.truncation && !reply.metadata.authoritative);
        assert_eq!((reply.authorities.len(), reply.additionals.len()), (12, 24));

        // Addresses beside an MX are a help: they are left out before TC is set.
        let reply = udp(server, &query("mx.example.com", RecordType::MX));
        assert!(!reply.metadata.truncation && reply.answers.len() == 1);
        assert!(reply.additionals.is_empty());
    });
}

#[test]
fn odd_queries_get_the_code_that_fits() {
    serving(LOCAL, &published(), |bound| {
        let plain = || query("www.example.com", RecordType::A);
        let mut newer = with_edns(plain(), 1_232);
        newer.edns.as_mut().unwrap().set_version(1);
        let mut chaos = plain();
        chaos.queries[0].set_query_class(DNSClass::CH);
        let mut twice = plain();
        twice.add_query(plain().queries[0].clone());
        let none = Message::new(1, MessageType::Query, OpCode::Query);
        let opcode = |code| {
            let mut message = query("example.com", RecordType::SOA);
            message.metadata.op_code = code;
            message
        };
        for (what, asked, rcode) in [
            ("EDNS 1", newer, ResponseCode::BADVERS),
            ("class CH", chaos, ResponseCode::Refused),
            ("two questions", twice, ResponseCode::FormErr),
            ("no question", none, ResponseCode::FormErr),
            ("NOTIFY", opcode(OpCode::Notify), ResponseCode::Refused),
            ("STATUS", opcode(OpCode::Status), ResponseCode::NotImp),
            ("UPDATE", opcode(OpCode::Update), ResponseCode::Refused),
            (
                "opcode 15",
                opcode(OpCode::Unknown(15)),
                ResponseCode::NotImp,
            ),
            (
                "AXFR",
                query("example.com", RecordType::AXFR),
                ResponseCode::Refused,
            ),
            (
                "IXFR",
                query("example.com", RecordType::IXFR),
                ResponseCode::Refused,
            ),
            (
                "elsewhere",
                query("example.net", RecordType::A),
                ResponseCode::Refused,
            ),
        ] {
            for ask in [udp, tcp] {
                let reply = ask(bound[0], &asked);
                // As a number: hickory reads 16 as BADSIG.
                assert_eq!(
                    u16::from(reply.metadata.response_code),
                    u16::from(rcode),
                    "{what}"
                );
                assert_eq!(reply.metadata.id, asked.metadata.id, "{what}");
                assert_eq!(reply.metadata.op_code, asked.metadata.op_code, "{what}");
                assert!(!reply.metadata.authoritative, "{what}");
                let records = reply.answers.len() + reply.authorities.len();
                assert_eq!((records, reply.additionals.len()), (0, 0), "{what}");
                assert_eq!(reply.edns.is_some(), asked.edns.is_some(), "{what}");
                if let Some(edns) = &reply.edns {
                    assert_eq!(edns.version(), 0, "{what}");
                }
            }
        }
        for (asked, rcode) in [
            (plain(), ResponseCode::FormErr),
            (opcode(OpCode::Unknown(15)), ResponseCode::NotImp),
        ] {
            let mut junk = asked.to_vec().unwrap();
            junk.truncate(20);
            let reply = udp_octets(bound[0], &junk);
            assert_eq!(reply.len(), 12);
            let reply = Message::from_vec(&reply).unwrap();
            assert_eq!(reply.metadata.response_code, rcode);
        }
    });
}

#[test]
fn a_signature_with_an_unknown_key_is_said_to_be_one() {
    let mut octets = query("www.example.com", RecordType::A).to_vec().unwrap();
    octets[11] = 1;
    octets.extend(b"\x03key\0\0\xfa\0\xff\0\0\0\0\0\x20\x0bhmac-sha256\0");
    octets.extend([0, 0, 0, 0, 0, 1, 1, 44, 0, 3, 1, 2, 3, 0, 7, 0, 0, 0, 0]);
    let length = u16::try_from(octets.len()).unwrap();
    octets[47] = u8::try_from(length - 48).unwrap();
    serving(LOCAL, &published(), move |bound| {
        let reply = udp_octets(bound[0], &octets);
        assert!(reply.len() <= octets.len());
        let reply = Message::from_vec(&reply).unwrap();
        assert_eq!(reply.metadata.response_code, ResponseCode::NotAuth);
        assert!(reply.answers.is_empty());
        let [record] = &reply.additionals[..] else {
            panic!("a TSIG record alone: {:?}", reply.additionals);
        };
        let RData::TSIG(signature) = &record.data else {
            panic!("{record}");
        };
        assert_eq!(record.name.to_ascii(), "key.");
        assert_eq!(signature.error, Some(TsigError::BadKey));
        assert!(signature.mac.is_empty());
    });
}

#[test]
fn replies_and_scraps_get_no_answer() {
    serving(LOCAL, &published(), |bound| {
        let socket = client(bound[0]);
        let mut answer = query("www.example.com", RecordType::A);
        answer.metadata.message_type = MessageType::Response;
        answer.metadata.id = 1;
        let mut last = query("www.example.com", RecordType::A);
        last.metadata.id = 2;
        let last = last.to_vec().unwrap();
        let answer = answer.to_vec().unwrap();
        socket.send(&answer).unwrap();
        // A reply that cannot be read is a reply all the same.
        socket.send(&answer[..20]).unwrap();
        for length in [0, 1, 2, 11] {
            socket.send(&last[..length]).unwrap();
        }
        // What is answered first is the first that deserves it.
        socket.send(&last).unwrap();
        let mut reply = [0; 1_232];
        let length = socket.recv(&mut reply).unwrap();
        assert_eq!(Message::from_vec(&reply[..length]).unwrap().metadata.id, 2);
    });
}
