//! Ports that stay ours while a server is down.
//!
//! A port that the system picks (port 0) may also be picked for an outgoing connection, by anybody: then the server
//! could not start again; or by the very client that tries to reach the server, which then, by a rule of TCP, is
//! connected to itself. So ours come from below the range that the system picks from.

use std::collections::HashSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

use super::error::ServerError;

/// Where Linux begins unless told otherwise.
const USUAL_FIRST: u16 = 32_768;
/// How many ports below the system's range we choose from: enough that several test processes rarely meet.
const SPAN: u16 = 16_000;
/// How many we look at before giving up.
const LOOKS: u32 = 200;

/// A port of 127.0.0.1 on which nobody listens, and that was not handed out before.
pub(super) fn free() -> Result<u16, ServerError> {
    static HANDED_OUT: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    let first = first_of_the_system();
    let lowest = first.saturating_sub(SPAN).max(1024);
    let mut last = std::io::Error::other("the system's range of ports begins too low");
    for _ in 0..LOOKS {
        let Some(port) = lowest.checked_add(fastrand::u16(0..SPAN)).filter(|port| *port < first) else {
            continue;
        };
        let mut handed_out = HANDED_OUT.lock().unwrap_or_else(PoisonError::into_inner);
        if !handed_out.get_or_insert_default().insert(port) {
            continue;
        }
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) => last = error,
        }
    }
    Err(ServerError::system("find a free port on 127.0.0.1")(last))
}

fn first_of_the_system() -> u16 {
    std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|range| range.split_whitespace().next()?.parse().ok())
        .unwrap_or(USUAL_FIRST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_handed_out_twice_and_none_may_be_picked_by_the_system() {
        let ports: Vec<_> = (0..50).map(|_| free().unwrap()).collect();
        assert_eq!(ports.iter().collect::<HashSet<_>>().len(), 50);
        assert!(ports.iter().all(|port| *port < first_of_the_system()), "{ports:?}");
    }
}
