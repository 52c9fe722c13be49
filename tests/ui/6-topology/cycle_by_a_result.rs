//! An event does not lead to itself, although its handler may fail instead.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn remind(_: InvoiceSent) -> Result<Option<InvoiceSent>, Failure> {
    Ok(None)
}

service! {
    pub Billing = "billing" { handles: [remind] }
}

topology! {
    pub Shop = [Billing];
}

fn main() {}
