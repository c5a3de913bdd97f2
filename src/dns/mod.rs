//! DNS: zones, what is answered, and the sockets it is answered on.
//!
//! The only module that knows hickory, which gives wire types and writes records; its server
//! answers nothing here. `zone_file` reads records, `load` makes `Zones` of them, `answer` is the
//! one pure function that says what a question gets, `Handler` makes a message of a message,
//! `Publisher` swaps what it is computed from, `bind` and `serve` put it on the network. Knows
//! nothing of probes and decisions: an `AnswerTable` comes in, DNS messages go out.

mod answer;
mod ask;
mod counters;
mod fields;
mod handler;
mod load;
mod moved;
mod name;
mod resolve;
mod server;
mod settings;
mod state;
mod store;
mod table;
mod tcp;
mod udp;
mod zone_file;

pub use answer::{Answer, answer};
pub use ask::{Heard, ask};
pub use counters::{Counted, Counters};
pub use handler::{
    Handler,
    cookie::Cookies,
    reply::{Asker, Reply, Transport},
};
pub use load::{Loaded, ZoneInput};
pub use moved::{MovedTypes, RecordFinding, moved_records};
pub use resolve::{Hostnames, LookedUp, look_up, resolve};
pub use server::{
    listen::{Listeners, bind, bind_for},
    serve,
};
pub use settings::Settings;
pub use state::{DnsState, Publisher};
pub use store::Zones;
pub use table::Table;
pub use tcp::{Framer, TcpCounted, TcpCounters};
pub use udp::usual_reply;
pub use zone_file::ReadFile;
