//! Handlers, services and the entries of lists may depend on the configuration.

#[path = "../common.rs"]
mod common;

use common::*;

use typebus::{Bus, Service};

#[handler]
async fn charge(_: OrderPlaced) {}

#[handler]
#[cfg(any())]
async fn refund(_: ThisDoesNotExist, _: State<NorThis>) {}

#[handler(group = "audit")]
#[cfg(all())]
async fn audit(_: OrderPlaced) {}

service! {
    pub Billing = "billing" {
        handles: [charge, #[cfg(any())] refund, #[cfg(all())] audit, #[cfg(any())] #[cfg(all())] nor::this],
        publishes: [#[cfg(any())] Nothing, #[cfg(all())] InvoiceSent, #[cfg(not(all()))] InvoiceSent],
        state: [#[cfg(any())] Nothing, #[cfg(all())] Gateway, Mailer, #[cfg(all())] #[cfg(any())] Nor],
    }
}

service! {
    #[cfg(any())]
    pub Absent = "absent" {
        handles: [refund],
        publishes: [Nothing],
        state: [Nothing],
    }
}

service! {
    Single = "single" { state: [#[cfg(any())] Nothing, Gateway] }
}

service! {
    Stateless = "stateless" { state: [#[cfg(any())] Nothing] }
}

fn main() {
    let names: Vec<_> = Billing::DESCRIPTOR.handlers().iter().map(|handler| handler.name()).collect();
    assert_eq!(names, ["charge", "audit"]);
    assert_eq!(Billing::DESCRIPTOR.publishes().len(), 1);
    let _ = Bus::<Billing>::builder().state((Gateway, Mailer));
    let _ = Bus::<Single>::builder().state(Gateway);
    let _ = Bus::<Stateless>::builder().connect("memory:");
}
