//! DNS: zones, what is answered, and the sockets it is answered on.
//!
//! The only module that knows hickory, which gives wire types and writes records; its server
//! answers nothing here. `load` makes `Zones` of configuration and zone files, `answer` is the
//! one pure function that says what a question gets, `Handler` makes a message of a message,
//! `Publisher` swaps what it is computed from, `bind` and `serve` put it on the network. Knows
//! nothing of probes and decisions: an `AnswerTable` comes in, DNS messages go out.

mod answer;
mod ask;
mod chaos;
mod cookie;
mod counters;
mod descriptors;
mod fields;
mod handler;
mod hickory;
mod hints;
mod listen;
mod load;
mod message;
mod moved;
mod name;
mod options;
mod query;
mod rdata;
mod reply;
mod resolve;
mod server;
mod settings;
mod state;
mod store;
mod table;
mod tcp;
mod udp;
mod zone_file;
mod zone_text;
mod zone_word;

pub use answer::{Answer, answer};
pub use ask::{Heard, ask};
pub use cookie::Cookies;
pub use counters::{Counted, Counters};
pub use handler::Handler;
pub use listen::{Listeners, bind, bind_for};
pub use load::{Loaded, ZoneInput};
pub use moved::{MovedTypes, RecordFinding, moved_records};
pub use reply::{Asker, Reply, Transport};
pub use resolve::{Hostnames, LookedUp, look_up, resolve};
pub use server::serve;
pub use settings::Settings;
pub use state::{DnsState, Publisher};
pub use store::Zones;
pub use table::Table;
pub use tcp::{Framer, TcpCounted, TcpCounters};
pub use udp::usual_reply;
pub use zone_file::ReadFile;
