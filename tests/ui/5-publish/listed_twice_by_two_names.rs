//! An event is listed once by a service, whatever it is called.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Storefront = "storefront" { publishes: [InvoiceSent, common::InvoiceSent] }
}


fn main() {}
