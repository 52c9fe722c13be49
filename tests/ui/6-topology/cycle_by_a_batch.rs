//! An event does not lead to itself by way of a batch.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn remind(_: Batch<InvoiceSent>) -> Vec<InvoiceSent> {
    Vec::new()
}

service! {
    pub Billing = "billing" { handles: [remind] }
}

topology! {
    pub Shop = [Billing];
}

fn main() {}
