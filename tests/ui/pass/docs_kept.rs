//! Documentation stays where it was written, and nothing that the macros add asks for more of it.
#![deny(warnings, missing_docs, unused_doc_comments)]

pub mod shop {
    //! What a library would show: all of it is public, and rustc refuses whatever has no documentation.

    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use typebus::{Event, EventSet, HandlerError, Key, State, handler, service, topology};

    /// Which order.
    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Key)]
    pub struct OrderId(u64);

    /// A customer placed an order.
    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
    #[event(topic = "shop.orders", key = order_id)]
    pub struct OrderPlaced {
        /// Unique in the shop.
        pub order_id: OrderId,
    }

    #[doc = concat!("An invoice ", "went out.")]
    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
    #[event(topic = "shop.invoices")]
    pub struct InvoiceSent;

    /// Whatever billing is told.
    #[derive(Debug, Clone, EventSet)]
    pub enum BillingEvent {
        /// Something to charge.
        Placed(OrderPlaced),
        /// Something to wait for.
        Sent(InvoiceSent),
    }

    /// Why an order is not charged.
    #[derive(Debug, thiserror::Error, HandlerError)]
    pub enum ChargeError {
        /// The card has no money.
        #[error("declined")]
        #[outcome(dead_letter)]
        Declined,
    }

    /// Where the money is.
    #[derive(Debug)]
    pub struct Gateway;

    /// Charges an order.
    ///
    /// # Errors
    /// The card has no money.
    #[handler]
    #[must_use = "an invoice is sent"]
    pub async fn charge(_: OrderPlaced, _: State<Gateway>) -> Result<InvoiceSent, ChargeError> {
        Err(ChargeError::Declined)
    }

    #[handler(group = "audit")]
    #[doc = concat!("Counts what ", "billing is told.")]
    pub async fn count(_: BillingEvent) {}

    service! {
        /// Bills every order.
        ///
        /// It is called `billing`.
        #[doc = concat!("And it ", "counts.")]
        pub Billing = "billing" {
            handles: [charge, count],
            publishes: [OrderPlaced],
            state: [Gateway],
        }
    }

    topology! {
        /// Everything that runs for the shop.
        pub Shop = [Billing];
    }
}

/// What the schema of an event says that it is.
fn described<E: schemars::JsonSchema>() -> Option<String> {
    Some(schemars::schema_for!(E).get("description")?.as_str()?.to_owned())
}

fn main() {
    assert_eq!(described::<shop::OrderPlaced>().as_deref(), Some("A customer placed an order."));
    assert_eq!(described::<shop::InvoiceSent>().as_deref(), Some("An invoice went out."));
    let schema = schemars::schema_for!(shop::OrderPlaced);
    assert_eq!(
        schema.pointer("/properties/order_id/description").and_then(|text| text.as_str()),
        Some("Unique in the shop.")
    );
}
