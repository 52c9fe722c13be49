//! Handlers, events, errors and state may live in any module that sees what it names, and are listed by any path.
#![deny(warnings, unreachable_pub)]

pub mod shop {
    /// What the whole shop may see, and nobody else.
    pub(crate) mod events {
        use schemars::JsonSchema;
        use serde::{Deserialize, Serialize};
        use typebus::prelude::*;

        #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
        #[event(topic = "shop.orders", name = "order.placed", key = order.id)]
        pub(in crate::shop) struct OrderPlaced {
            pub(super) order: parts::Order,
        }

        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
        #[event(topic = "shop.payments", key = order)]
        pub(crate) struct PaymentCaptured {
            pub(in crate::shop) order: parts::OrderId,
        }

        #[derive(EventSet)]
        pub(in super::super::shop) enum Any {
            Placed(self::OrderPlaced),
            Captured(super::events::PaymentCaptured),
        }

        pub(super) mod parts {
            use super::*;

            #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
            pub(in crate::shop) struct Order {
                pub(in crate::shop) id: OrderId,
            }

            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Key)]
            pub(crate) struct OrderId(pub(in crate::shop) u64);
        }
    }

    mod billing {
        use typebus::prelude::*;

        use super::events::{OrderPlaced, PaymentCaptured};

        pub(super) struct Gateway;

        #[derive(Debug, thiserror::Error, HandlerError)]
        pub(super) enum ChargeError {
            #[error("declined")]
            #[outcome(dead_letter)]
            Declined,
        }

        #[handler]
        pub(super) async fn charge(
            placed: OrderPlaced,
            _: State<Gateway>,
        ) -> Result<PaymentCaptured, ChargeError> {
            match placed.order.id.0 {
                0 => Err(ChargeError::Declined),
                _ => Ok(PaymentCaptured { order: placed.order.id }),
            }
        }

        pub(in crate::shop) mod audit {
            use super::super::events::{Any, OrderPlaced};

            #[typebus::handler(group = "audit")]
            pub(in super::super) async fn count(any: Any) {
                match any {
                    Any::Placed(OrderPlaced { .. }) | Any::Captured(_) => {}
                }
            }
        }
    }

    mod shipping {
        use typebus::prelude::*;

        use super::events;

        /// Nobody outside sees this one; a service beside it lists it.
        #[handler]
        async fn ship(_: events::PaymentCaptured) {}

        pub(crate) mod desk {
            typebus::service! {
                pub(crate) Shipping = "shipping" { handles: [super::ship] }
            }
        }
    }

    // One `use` imports the function and its marker, also under another name, by a glob, and handed on.
    use billing::charge as bill;
    mod imported {
        pub(super) use super::billing::audit::*;
    }

    typebus::service! {
        pub Billing = "billing" {
            handles: [self::bill, imported::count],
            publishes: [events::OrderPlaced],
            state: [billing::Gateway],
        }
    }

    typebus::service! {
        pub(in crate::shop) Paths = "paths" {
            handles: [crate::shop::billing::charge, self::billing::audit::count],
            publishes: [crate::shop::events::OrderPlaced, self::events::PaymentCaptured],
            state: [crate::shop::billing::Gateway],
        }
    }

    mod inner {
        typebus::service! {
            pub(super) Above = "above" {
                handles: [super::billing::charge, super::super::shop::imported::count],
                publishes: [super::events::Any],
                state: [super::billing::Gateway],
            }
        }
    }

    pub(crate) async fn run() -> typebus::Result<()> {
        use typebus::{Bus, Service};

        use self::events::{
            OrderPlaced,
            parts::{Order, OrderId},
        };

        let placed = |id| OrderPlaced { order: Order { id: OrderId(id) } };
        let billing = Bus::<Billing>::builder().state(billing::Gateway).connect("memory:modules").await?;
        let shipping = Bus::<shipping::desk::Shipping>::builder().connect("memory:modules").await?;
        let running = typebus::start([&billing, &shipping]).await?;
        for id in 0..2 {
            billing.publish(&placed(id)).await?;
        }
        running.caught_up().await?;
        running.caught_up().await?;
        let stats = running.stats();
        let handled = |group: &str| {
            let groups = stats.groups().iter().filter(|found| found.group == group);
            groups.map(|found| found.handled).sum::<u64>()
        };
        assert_eq!((handled("billing"), handled("audit"), handled("shipping")), (1, 3, 1));
        running.stop().await?;

        // The functions are functions, under each of their names.
        let paid = bill(placed(7), billing::Gateway.into()).await;
        assert_eq!(paid.unwrap(), events::PaymentCaptured { order: OrderId(7) });
        assert!(billing::charge(placed(0), billing::Gateway.into()).await.is_err());
        imported::count(events::Any::Placed(placed(7))).await;

        // What is written in a list is a path, and what travels is the function's own name.
        let names = |service: &typebus::ServiceDescriptor| {
            service.handlers().iter().map(|handler| handler.name()).collect::<Vec<_>>()
        };
        for service in [Billing::DESCRIPTOR, Paths::DESCRIPTOR, inner::Above::DESCRIPTOR] {
            assert_eq!(names(&service), ["charge", "count"]);
        }
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> typebus::Result<()> {
    shop::run().await
}
