//! A codec is one for this event.

#[path = "../common.rs"]
mod common;

use common::*;

/// Writes nothing but invoices.
pub struct Letter;

impl typebus::Codec<InvoiceSent> for Letter {
    const CONTENT_TYPE: &'static str = "text/plain";

    fn encode(_: &InvoiceSent, _: &mut Vec<u8>) -> Result<(), typebus::BoxError> {
        Ok(())
    }

    fn decode(_: &[u8]) -> Result<InvoiceSent, typebus::BoxError> {
        Ok(InvoiceSent)
    }
}

#[derive(Event)]
#[event(topic = "shop.shipments", format = Letter)]
pub struct OrderShipped;

fn main() {}
