//! What a publication may ask for beside being stored.

use std::time::Duration;

use typebus::{
    ErrorKind, Publish,
    backend::{Capabilities, SendOptions},
    prelude::*,
};
use typebus_tests::{Placed, Seen, Shipped, caught_up, patiently};

use crate::wrapped::Wrapped;

/// Publishes what it is told to, from inside.
#[handler]
async fn forward(placed: Placed, publisher: Publisher<Shipped>, failures: State<Failures>) {
    let publishing = publisher.publish(&Shipped { number: placed.number });
    if let Err(error) = publishing.delay(Duration::from_secs(5)).await {
        failures.0.push(error.kind());
    }
}

#[derive(Clone, Default)]
struct Failures(Seen<ErrorKind>);

service! { Shop = "shop" { handles: [forward], publishes: [Placed], state: [Failures] } }

const SECOND: Duration = Duration::from_secs(1);

fn with(change: impl FnOnce(&mut Capabilities)) -> Wrapped {
    let mut backend = Wrapped::new("memory:");
    let can = &mut backend.capabilities;
    (can.delay, can.expiry, can.explicit_partition) = (false, false, false);
    change(can);
    backend
}

async fn connect(backend: Wrapped) -> Bus<Shop> {
    Bus::<Shop>::builder().state(Failures::default()).connect(backend).await.unwrap()
}

fn placed(bus: &Bus<Shop>) -> Publish {
    bus.publish(&Placed { number: 1, customer: "ada".into() })
}

/// What one publication may ask for, and one ability of a backend.
type Ask = fn(Publish) -> Publish;
type Ability = fn(&mut Capabilities);

const ABILITIES: [(Ask, Ability, &str); 3] = [
    (|publish| publish.delay(SECOND), |can| can.delay = true, "`.delay`"),
    (|publish| publish.expires_in(SECOND), |can| can.expiry = true, "`.expires_in`"),
    (|publish| publish.partition(0), |can| can.explicit_partition = true, "`.partition`"),
];

#[tokio::test(start_paused = true)]
async fn what_the_backend_cannot_do_is_unsupported_by_its_name_and_nothing_is_sent() {
    for (ask, _, name) in ABILITIES {
        // All that it can do does not help.
        let backend = with(|can| {
            for (_, ability, other) in ABILITIES {
                if other != name {
                    ability(can);
                }
            }
        });
        let sent = backend.sent.clone();
        let bus = connect(backend).await;
        let error = ask(placed(&bus)).await.unwrap_err();
        assert_eq!((error.kind(), error.backend()), (ErrorKind::Unsupported, Some("wrapped")));
        let text = error.to_string();
        assert!(text.contains("wrapped") && text.contains(name) && text.contains("; "), "{text}");
        assert_eq!(sent.count(), 0);
        // Without it there is nothing to refuse.
        placed(&bus).await.unwrap();
        assert_eq!(sent.all()[0].options, None);
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_backend_can_do_is_asked_of_it() {
    for (ask, ability, _) in ABILITIES {
        let backend = with(ability);
        let sent = backend.sent.clone();
        let bus = connect(backend).await;
        ask(placed(&bus)).await.unwrap();
        let SendOptions { delay, expires_in, partition } = **sent.all()[0].options.as_ref().unwrap();
        let asked = [delay.is_some(), expires_in.is_some(), partition.is_some()];
        assert_eq!(asked.iter().filter(|asked| **asked).count(), 1);
    }
    let backend = with(|can| (can.delay, can.expiry, can.explicit_partition) = (true, true, true));
    let sent = backend.sent.clone();
    let bus = connect(backend).await;
    placed(&bus).delay(SECOND).expires_in(SECOND * 2).partition(3).header("channel", "web").await.unwrap();
    let expected = SendOptions { delay: Some(SECOND), expires_in: Some(SECOND * 2), partition: Some(3) };
    assert_eq!(sent.all()[0].options.as_deref(), Some(&expected));
    assert_eq!(sent.all()[0].message.header("channel"), Some(&b"web"[..]));
    // What is in the envelope asks nothing of the backend.
    placed(&bus).key("bob").header("channel", "web").await.unwrap();
    assert_eq!(sent.all()[1].options, None);
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_refused() {
    let backend = with(|can| (can.delay, can.expiry) = (true, true));
    let sent = backend.sent.clone();
    let bus = connect(backend).await;
    for (publish, says) in [
        (placed(&bus).delay(Duration::ZERO), "a delay of 0"),
        (placed(&bus).expires_in(Duration::ZERO), "expires at once"),
        (placed(&bus).delay(SECOND).expires_in(SECOND), "expires after 1s and is delayed by 1s"),
    ] {
        let error = publish.await.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Config, "publish"), "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
    assert_eq!(sent.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_publisher_in_a_handler_asks_for_the_same() {
    for able in [false, true] {
        let (backend, failures) = (with(|can| can.delay = able), Failures::default());
        let sent = backend.sent.clone();
        let bus = Bus::<Shop>::builder().state(failures.clone()).connect(backend).await.unwrap();
        let running = bus.start().await.unwrap();
        placed(&bus).await.unwrap();
        caught_up(&running).await;
        patiently(running.stop()).await.unwrap();
        let delayed = sent.all().iter().filter(|sent| sent.options.is_some()).count();
        assert_eq!(delayed, usize::from(able));
        let expected = if able { vec![] } else { vec![ErrorKind::Unsupported] };
        assert_eq!(failures.0.all(), expected);
    }
}
