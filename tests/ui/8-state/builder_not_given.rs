//! The builder is given what the service needs.
use typebus::{Bus, service};

pub struct Gateway;

service! {
    pub Billing = "billing" { state: [Gateway] }
}

async fn connect() -> typebus::Result<Bus<Billing>> {
    Bus::<Billing>::builder().connect("memory:").await
}

fn main() {}
