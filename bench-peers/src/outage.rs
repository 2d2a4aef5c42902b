//! The mode `outage`: what pools do when their database is down, and when it is back.
//!
//! A PostgreSQL of its own, and a proxy in front of it that makes the network fail. Requests arrive by a schedule that
//! waits for no answer. After a while the database is taken away, later it comes back, and what each request met
//! is written down. Reading order: `fault` (what happens), `stage` (the servers and the proxy), `contender` (what is
//! measured), `contenders` (who), `dial` (how connects are counted), `arrivals` and `record` (requests), `experiment`
//! (one run), `figures` and `throughput` (what a run comes to), `rounds`, `report`, `table`.
//!
//! # What to know before reading the tables
//!
//! - Connects are counted where a pool asks its driver for one, in the same way for all of them: nobody else sees a
//!   connect that the kernel refuses.
//! - A server that is stopped, frozen or restarted is reached without the proxy, so that whoever connects meets what the
//!   kernel and the server say. The other faults are the proxy's.
//! - In a black hole the handshake of TCP still succeeds, as the proxy cannot lose packets. What comes after it is
//!   lost, so a connect hangs all the same; a driver that limits only the handshake is not helped by its limit.

mod arguments;
mod arrivals;
mod contender;
mod contenders;
mod dial;
mod experiment;
mod fault;
mod figures;
mod program;
mod record;
mod report;
mod rounds;
mod stage;
mod table;
mod throughput;

pub(crate) use arguments::OutageArguments;
pub(crate) use program::run;
