//! Events, handlers, extractors, errors and state may come from another crate, and are listed by path or by `use`.
#![deny(warnings)]

use std::sync::atomic::{AtomicU32, Ordering};

use typebus::{Bus, EventSet, HandlerError, Publisher, Service, State, handler, service};
use typebus_tests::{
    Paid, Shipped,
    carrier::{self, Delivered, Refused, Van, deliver as bring},
};

/// An own set of their events.
#[derive(EventSet)]
enum Outcome {
    Delivered(Delivered),
    Paid(typebus_tests::Paid),
}

/// An own error around theirs.
#[derive(Debug, thiserror::Error, HandlerError)]
enum NotThanked {
    #[error(transparent)]
    #[outcome(inherit)]
    Carrier(#[from] Refused),
}

#[handler(group = "thanks")]
async fn thank(
    outcome: Outcome,
    van: State<Van>,
    _: carrier::Weight,
    _: Publisher<Shipped>,
) -> Result<Option<Paid>, NotThanked> {
    match outcome {
        // Not ours to thank for.
        Outcome::Delivered(Delivered { number: 3 }) => Err(Refused::Empty)?,
        Outcome::Delivered(Delivered { number }) => {
            assert!(van.parcels.load(Ordering::Relaxed) > 0);
            Ok(Some(Paid { number, customer: None }))
        }
        Outcome::Paid(_) => Ok(None),
    }
}

service! {
    Parcels = "parcels" {
        handles: [typebus_tests::carrier::deliver, thank],
        publishes: [typebus_tests::Shipped, Outcome],
        state: [carrier::Van],
    }
}

service! {
    Brought = "brought" { handles: [bring], state: [Van] }
}

fn van() -> Van {
    Van { max_bytes: 30, parcels: AtomicU32::new(0) }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> typebus::Result<()> {
    let bus = Bus::<Parcels>::builder().state(van()).connect("memory:").await?;
    let running = bus.start().await?;
    for number in [0, 1, 2, 3, u64::MAX] {
        bus.publish(&Shipped { number }).await?;
    }
    // The parcels, their deliveries, what was paid for those.
    for _ in 0..3 {
        running.caught_up().await?;
    }
    let stats = running.stats();
    let ends = |group: &str| {
        let group = stats.groups().iter().filter(|found| found.group == group);
        group.fold((0, 0, 0), |sum, of| (sum.0 + of.handled, sum.1 + of.discarded, sum.2 + of.dead_lettered))
    };
    assert_eq!(ends("parcels"), (3, 1, 1));
    assert_eq!(ends("thanks"), (4, 1, 0));
    running.stop().await?;

    let van = State::from(van());
    let weight = carrier::Weight(14);
    assert_eq!(bring(Shipped { number: 7 }, van, weight).await, Ok(Delivered { number: 7 }));
    assert_eq!(Brought::DESCRIPTOR.handlers()[0].name(), "deliver");
    assert_eq!(Brought::DESCRIPTOR.handlers()[0].module(), "typebus_tests::carrier");
    Ok(())
}
