//! Handshakes with a server in the same process, and everything that can be wrong with them.

mod authority;
mod files;
mod handshakes;
mod problems;
