//! The builder is given what the service needs, nothing else.
use typebus::{Bus, service};

pub struct Gateway;
pub struct Mailer;

service! {
    pub Billing = "billing" { state: [Gateway] }
}

async fn connect() -> typebus::Result<Bus<Billing>> {
    Bus::<Billing>::builder().state(Mailer).connect("memory:").await
}

fn main() {}
