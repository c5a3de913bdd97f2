//! The door for transports that hickory's `Server` has and this one has not: TLS, HTTPS, QUIC.
//!
//! They hand over a request that is read already and take records instead of octets. So the
//! request's own octets go to `Handler::handle`, and what it says is read back into records: one
//! place decides what is answered, however it is asked. UDP and TCP do not come this way.

use super::now_secs;
use crate::dns::handler::{
    Handler,
    reply::{Asker, Transport},
};
use hickory_proto::op::{Header, HeaderCounts, Message, Metadata, ResponseCode};
use hickory_server::{
    net::{runtime::Time, xfer::Protocol},
    server::{Request, RequestHandler, ResponseHandler, ResponseInfo},
    zone_handler::MessageResponseBuilder,
};
use std::iter;

#[async_trait::async_trait]
impl RequestHandler for Handler {
    /// Answers one request; where nothing is due, or nothing could be sent, nothing is sent.
    async fn handle_request<R: ResponseHandler, T: Time>(
        &self,
        request: &Request,
        mut out: R,
    ) -> ResponseInfo {
        let asker = Asker {
            source: request.src(),
            transport: match request.protocol() {
                Protocol::Udp => Transport::Udp,
                _ => Transport::Tcp,
            },
        };
        let mut unsent = Metadata::response_from_request(&request.metadata);
        unsent.response_code = ResponseCode::ServFail;
        let counts = HeaderCounts::default();
        let unsent = ResponseInfo::from(Header {
            metadata: unsent,
            counts,
        });
        let reply = self.handle(request.as_slice(), &asker, now_secs());
        let Some(message) = reply.and_then(|reply| Message::from_vec(&reply.octets).ok()) else {
            return unsent;
        };
        let builder = MessageResponseBuilder::new(&request.queries, message.edns.as_ref());
        let mut response = builder.build(
            message.metadata,
            &message.answers,
            &message.authorities,
            iter::empty(),
            &message.additionals,
        );
        if let Some(signature) = message.signature() {
            response.set_signature(Box::new(signature.clone()));
        }
        match out.send_response(response).await {
            Ok(sent) => sent,
            Err(error) => {
                tracing::debug!(%error, "an answer could not be sent");
                unsent
            }
        }
    }
}
