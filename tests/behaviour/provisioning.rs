//! What a service needs is known from its manifest as from its types.

use typebus::{
    Config, ErrorKind, NoState, Provisioning, Service, StateOf, backend::Plan, manifest::Manifest, prelude::*,
};
use typebus_tests::{Cancelled, Paid, Placed, Seen, Shipped, broker};

use crate::wrapped::Wrapped;

#[handler(order = none, start = latest, group = "tills")]
async fn charge(order: Placed) -> Paid {
    Paid { number: order.number, customer: None }
}

#[handler(start = latest, order = none, group = "tills", dead_letter = "dead.money")]
async fn refund(_: Cancelled) {}

#[handler(broadcast)]
async fn refresh(_: Placed) {}

#[handler(topic = "shop.>", group = "audit", dead_letter = discard)]
async fn audit(_: AnyEvent) {}

service! { Everything = "everything" { handles: [charge, refund, refresh, audit], publishes: [Placed, Shipped] } }
// No pattern of it would miss a topic under another name.
service! { Till = "till" { handles: [charge, refund], publishes: [Shipped] } }
service! { Nothing = "nothing" { } }

/// What `S` has provisioned when it connects, and by its manifest, but for what is an instance's own.
async fn both<S: Service + StateOf<NoState>>(config: &Config) -> [Plan; 2] {
    let (plans, url) = (Seen::default(), broker());
    let backend = || Wrapped { plans: plans.clone(), ..Wrapped::new(&url) };
    Bus::<S>::builder().config(config.clone()).connect(backend()).await.unwrap();
    Provisioning::new(&Manifest::of::<S>(), config).unwrap().apply(backend()).await.unwrap();
    let mut plans = plans.all();
    for plan in &mut plans {
        plan.subscriptions.retain(|subscription| subscription.instance.is_none());
    }
    plans.try_into().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_manifest_needs_what_its_service_needs() {
    let [by_types, by_manifest] = both::<Nothing>(&Config::new()).await;
    assert_eq!(by_types, by_manifest);
    let text = "prefix = \"staging\"\n[tuning]\nheld = 7\n";
    for text in ["", text] {
        let [by_types, by_manifest] = both::<Everything>(&Config::from_toml(text).unwrap()).await;
        assert_eq!(by_types, by_manifest);
        assert_eq!(by_types.subscriptions.len(), 4, "{by_types:?}");
    }
    let text = format!("{text}[rename]\n\"shop.parcels\" = \"Parcels_v1\"\n");
    let [by_types, by_manifest] = both::<Till>(&Config::from_toml(&text).unwrap()).await;
    assert_eq!(by_types, by_manifest);
    assert!(by_types.publishes.iter().any(|topic| **topic == *"staging.Parcels_v1"), "{by_types:?}");
}

#[test]
fn names_are_those_on_the_broker() {
    let config = Config::from_toml("prefix = \"staging\"").unwrap();
    let needs = Provisioning::new(&Manifest::of::<Everything>(), &config).unwrap();
    assert_eq!(
        needs.dead_letters().collect::<Vec<_>>(),
        ["dead.staging-everything", "dead.staging-money", "dead.staging-tills"]
    );
}

#[test]
fn everything_that_is_wrong_is_told() {
    let mut manifest = Manifest::of::<Everything>();
    manifest.events.remove("parcel.sent.v1").unwrap();
    let config = Config::from_toml("prefix = \"a.b\"\n[tuning]\nheld = 0\n").unwrap();
    let error = Provisioning::new(&manifest, &config).unwrap_err();
    assert_eq!((error.kind(), error.problems().len()), (ErrorKind::Config, 3), "{error}");
}
