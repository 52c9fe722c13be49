//! Ports of 127.0.0.1 that nobody listens on.

use std::{
    collections::HashSet,
    fs,
    hash::{BuildHasher as _, RandomState},
    net::{Ipv4Addr, TcpListener},
    sync::Mutex,
};

use anyhow::{Result, bail};

/// What this process has given away already.
static TAKEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);

const LOWEST: u16 = 10_000;

/// A port of 127.0.0.1 that is free, and that the system gives to nobody who connects.
///
/// A server that restarts has to get its port again. So it must not be one of those that outgoing connections get: while
/// the server is down, a client that tries to reach it would sooner or later be given that port and connect to itself.
///
/// # Errors
/// None was found.
pub fn free() -> Result<u16> {
    let highest = ephemeral().filter(|&first| first > LOWEST + 1_000).unwrap_or(32_768);
    let mut taken = TAKEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let taken = taken.get_or_insert_default();
    for nth in 0..1_000_u32 {
        let random = RandomState::new().hash_one((std::process::id(), nth)) % u64::from(highest - LOWEST);
        let port = LOWEST + u16::try_from(random)?;
        if !taken.contains(&port) && is_free(port) {
            taken.insert(port);
            return Ok(port);
        }
    }
    bail!("no port of 127.0.0.1 between {LOWEST} and {highest} is free")
}

/// Whether nobody listens there.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The first of the ports that the system gives to outgoing connections, where it says so.
fn ephemeral() -> Option<u16> {
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    range.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_twice() {
        let ports: HashSet<_> = (0..50).map(|_| free().unwrap()).collect();
        assert_eq!(ports.len(), 50);
        assert!(
            ports.iter().all(|&port| port >= LOWEST && ephemeral().is_none_or(|first| port < first)),
            "{ports:?}"
        );
    }
}
