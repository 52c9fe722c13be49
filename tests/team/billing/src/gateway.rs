//! The state of billing.

use std::io;

/// The way to the bank.
#[derive(Debug, Default)]
pub struct Gateway {
    closed: bool,
}

impl Gateway {
    /// One that refuses everything.
    pub const CLOSED: Self = Self { closed: true };

    /// Takes money for an order.
    pub fn charge(&self, _order_id: &str, _cents: u64) -> io::Result<()> {
        self.ask()
    }

    /// Gives it back.
    pub fn refund(&self, _order_id: &str) -> io::Result<()> {
        self.ask()
    }

    fn ask(&self) -> io::Result<()> {
        if self.closed { Err(io::ErrorKind::ConnectionRefused.into()) } else { Ok(()) }
    }
}
