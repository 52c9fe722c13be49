//! A connection on which a server is asked who it is.

use std::{
    net::{TcpStream, ToSocketAddrs as _},
    time::Duration,
};

use anyhow::{Context as _, Result};

/// How long one question may take.
const ANSWER: Duration = Duration::from_secs(5);

/// To `host:port`.
pub(crate) fn connect(address: &str) -> Result<TcpStream> {
    let resolved = address.to_socket_addrs().with_context(|| format!("cannot resolve {address}"))?;
    let mut last = None;
    for one in resolved {
        match TcpStream::connect_timeout(&one, ANSWER) {
            Ok(stream) => {
                stream.set_read_timeout(Some(ANSWER))?;
                stream.set_write_timeout(Some(ANSWER))?;
                return Ok(stream);
            }
            Err(error) => last = Some(error),
        }
    }
    let last = last.with_context(|| format!("{address} is no address"))?;
    Err(last).with_context(|| format!("cannot connect to {address}"))
}

pub(crate) fn local(port: u16) -> String {
    format!("127.0.0.1:{port}")
}
