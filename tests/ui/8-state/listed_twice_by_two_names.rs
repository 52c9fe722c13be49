//! A state is listed once, whatever it is called.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Storefront = "storefront" { state: [Gateway, common::Gateway] }
}


fn main() {}
