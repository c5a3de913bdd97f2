//! What the fuzz targets share: a server with a zone that has everything in it, and what must hold
//! of every reply.

pub mod reply;
pub mod world;
