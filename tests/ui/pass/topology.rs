//! A system that is whole compiles, whatever its parts are.

#[path = "../common.rs"]
mod common;

use common::*;

use typebus::{Service, Topology};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.refunds", name = "refund.asked")]
pub struct RefundAsked {
    left: u8,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "bank.{country}.settlements", name = "payment.settled")]
pub struct PaymentSettled {
    country: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.accounts", name = "account.opened")]
pub struct AccountOpenedV1 {}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.accounts", name = "account.opened", version = 2, upcasts(AccountOpenedV1))]
pub struct AccountOpened {}

impl From<AccountOpenedV1> for AccountOpened {
    fn from(_: AccountOpenedV1) -> Self {
        Self {}
    }
}

#[derive(Debug, Clone, EventSet)]
pub enum Ordered {
    Placed(OrderPlaced),
    Cancelled(OrderCancelled),
}

#[handler]
async fn charge(order: Ordered) -> Option<PaymentCaptured> {
    match order {
        Ordered::Placed(order) => Some(PaymentCaptured { order_id: order.order_id }),
        Ordered::Cancelled(_) => None,
    }
}

// It may publish itself again, and ends by itself.
#[handler]
async fn refund(asked: RefundAsked) -> Option<RefundAsked> {
    asked.left.checked_sub(1).map(|left| RefundAsked { left })
}

#[handler(topic = "bank.*.settlements")]
async fn settle(_: PaymentSettled, _: Publisher<InvoiceSent>) {}

// An older version is published, and that is enough.
#[handler]
async fn welcome(_: AccountOpened) {}

// Everything that nobody else reads.
#[handler(topic = "shop.>", group = "audit")]
async fn audit(_: AnyEvent) {}

service! {
    pub Storefront = "storefront" {
        publishes: [OrderPlaced, OrderCancelled, RefundAsked, AccountOpenedV1],
    }
}

service! {
    pub Billing = "billing" { handles: [charge, refund, settle, welcome] }
}

service! {
    pub Auditing = "auditing" { handles: [audit] }
}

topology! {
    /// The shop.
    pub Shop = [Storefront, Billing, Auditing];
    from_outside: [PaymentSettled];
    may_repeat: [RefundAsked];
}

// Without the auditors, what they read is read by nobody here.
topology! {
    Small = [Storefront, Billing, #[cfg(any())] Auditing];
    from_outside: [PaymentSettled];
    to_outside: [PaymentCaptured, #[cfg(any())] OrderPlaced, #[cfg(all())] InvoiceSent];
    may_repeat: [RefundAsked];
    crate: ::typebus
}

fn main() {
    let shop = Shop::DESCRIPTOR;
    let names: Vec<_> = shop.services().iter().map(|service| service.name()).collect();
    assert_eq!(names, ["storefront", "billing", "auditing"]);
    assert_eq!(shop.from_outside().iter().map(|event| event.name()).collect::<Vec<_>>(), ["payment.settled"]);
    assert_eq!(shop.may_repeat().len(), 1);
    assert_eq!(Small::DESCRIPTOR.services().len(), 2);
    assert_eq!(Small::DESCRIPTOR.to_outside().len(), 2);
    assert_eq!(Billing::DESCRIPTOR.handlers()[2].topic(), Some("bank.*.settlements"));
}
