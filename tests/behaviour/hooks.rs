//! What a program does before it consumes, and after.

use std::{future::pending, time::Duration};

use tokio::time::Instant;
use typebus::{BoxError, Error, ErrorKind, Publisher, Tuning, prelude::*};
use typebus_tests::{Gate, Placed, Seen, broker, caught_up, counts, patiently};

use crate::wrapped::Wrapped;

type Steps = Seen<String>;

#[handler]
async fn take(order: Placed, steps: State<Steps>) {
    tokio::time::sleep(Duration::from_secs(1)).await;
    steps.push(format!("order {}", order.number));
}

service! { Taker = "taker" { handles: [take], publishes: [Placed], state: [Steps] } }

fn placed(number: u64) -> Placed {
    Placed { number, customer: "c".into() }
}

/// A hook that writes a step down.
fn step(
    steps: &Steps,
    what: &'static str,
) -> impl FnOnce() -> std::future::Ready<Result<(), BoxError>> + use<> {
    let steps = steps.clone();
    move || {
        steps.push(what.to_owned());
        std::future::ready(Ok(()))
    }
}

async fn refuse() -> Result<(), BoxError> {
    Err("no database".into())
}

#[tokio::test(start_paused = true)]
async fn hooks_run_before_the_first_delivery_and_after_the_last() {
    let steps = Steps::default();
    let bus = Bus::<Taker>::builder()
        .state(steps.clone())
        .on_start(step(&steps, "start 1"))
        .on_stop(step(&steps, "stop 1"))
        .on_start({
            let steps = steps.clone();
            async move || {
                tokio::time::sleep(Duration::from_secs(5)).await;
                steps.push("start 2".into());
                Ok(())
            }
        })
        .on_stop(step(&steps, "stop 2"))
        .connect("memory:")
        .await
        .unwrap();
    bus.publish(&placed(1)).await.unwrap();
    assert_eq!(steps.count(), 0, "connecting is not starting");
    let running = bus.start().await.unwrap();
    steps.reached(2).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    // The handler runs, and the drain waits for it.
    patiently(running.stop()).await.unwrap();
    assert_eq!(steps.all(), ["start 1", "start 2", "order 1", "stop 2", "stop 1"]);
    patiently(running.stop()).await.unwrap();
    assert_eq!(steps.count(), 5, "once");
}

#[tokio::test(start_paused = true)]
async fn a_start_hook_that_fails_or_panics_fails_the_start_and_spends_the_bus() {
    fn assert_failed(error: &Error, words: &str) {
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Fatal, "start"));
        assert!(error.to_string().contains(words), "{error}");
    }
    let steps = Steps::default();
    let build = || Bus::<Taker>::builder().state(steps.clone()).on_start(step(&steps, "start 1"));
    let build = || build().on_stop(step(&steps, "stop"));
    let failing = build().on_start(refuse).on_start(step(&steps, "never")).connect("memory:").await.unwrap();
    let error = failing.start().await.unwrap_err();
    assert_failed(&error, "start hook 2 of service taker failed: no database");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "no database");
    for panicking in [
        build().on_start(|| -> std::future::Pending<_> { panic!("oh dear") }),
        build().on_start(async || panic!("oh dear")),
    ] {
        let panicking = panicking.connect("memory:").await.unwrap();
        assert_failed(
            &panicking.start().await.unwrap_err(),
            "start hook 2 of service taker panicked: oh dear",
        );
        assert_eq!(panicking.start().await.unwrap_err().kind(), ErrorKind::Config, "it is spent");
    }
    failing.publish(&placed(1)).await.unwrap();
    assert_eq!(failing.start().await.unwrap_err().kind(), ErrorKind::Config, "it is spent");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(steps.all(), ["start 1"; 3], "nothing was consumed, and nothing stopped");
}

#[tokio::test(start_paused = true)]
async fn a_start_that_is_dropped_in_a_hook_spends_the_bus() {
    let gate = Gate::default();
    let hook = {
        let gate = gate.clone();
        async move || {
            gate.pass().await;
            Ok(())
        }
    };
    let bus =
        Bus::<Taker>::builder().state(Steps::default()).on_start(hook).connect("memory:").await.unwrap();
    {
        let mut start = Box::pin(bus.start());
        tokio::select! {
            biased;
            result = &mut start => panic!("it waits for the gate: {result:?}"),
            () = gate.crowd(1) => {}
        }
    }
    assert_eq!(gate.waiting(), 0, "the hook was dropped");
    assert_eq!(bus.start().await.unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_fails_after_its_hooks_can_be_repeated_without_them() {
    static REFUSE: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(true);
    let steps = Steps::default();
    let strict = Wrapped {
        subscribe: |_| {
            let refuses = REFUSE.swap(false, std::sync::atomic::Ordering::SeqCst);
            refuses.then(|| Error::new(ErrorKind::Permission, "subscribe", "not yet"))
        },
        ..Wrapped::new("memory:")
    };
    let builder = Bus::<Taker>::builder().state(steps.clone());
    let builder = builder.on_start(step(&steps, "start")).on_stop(step(&steps, "stop"));
    let bus = builder.connect(strict).await.unwrap();
    assert_eq!(bus.start().await.unwrap_err().kind(), ErrorKind::Permission);
    assert_eq!(steps.all(), ["start"]);
    let running = bus.start().await.unwrap();
    patiently(running.stop()).await.unwrap();
    assert_eq!(steps.all(), ["start", "stop"]);
}

#[tokio::test(start_paused = true)]
async fn stop_hooks_all_run_whatever_becomes_of_them_and_the_first_failure_is_reported() {
    let steps = Steps::default();
    let bus = Bus::<Taker>::builder()
        .state(steps.clone())
        .on_stop(step(&steps, "last"))
        .on_stop(async || panic!("oh dear"))
        .on_stop(refuse)
        .on_stop(step(&steps, "first"))
        .connect("memory:")
        .await
        .unwrap();
    let running = bus.start().await.unwrap();
    let error = patiently(running.stop()).await.unwrap_err();
    assert_eq!(steps.all(), ["first", "last"]);
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Fatal, "stop"));
    assert!(error.to_string().contains("stop hook 3 of service taker failed: no database"), "{error}");
    assert_eq!(
        bus.publish(&placed(1)).await.unwrap_err().kind(),
        ErrorKind::Closed,
        "it closed all the same"
    );
}

#[tokio::test(start_paused = true)]
async fn stop_hooks_have_half_of_the_time_to_close_together() {
    let steps = Steps::default();
    let tuning = Tuning { close: Duration::from_secs(8), ..Tuning::default() };
    let bus = Bus::<Taker>::builder()
        .state(steps.clone())
        .tuning(tuning)
        .on_stop(step(&steps, "it is not waited for, but it runs"))
        .on_stop(pending)
        .on_stop(|| async {
            tokio::time::sleep(Duration::from_secs(3)).await;
            Ok(())
        })
        .connect("memory:")
        .await
        .unwrap();
    let running = bus.start().await.unwrap();
    let before = Instant::now();
    let error = patiently(running.stop()).await.unwrap_err();
    assert_eq!(before.elapsed(), Duration::from_secs(4));
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Timeout, "stop"));
    assert!(error.to_string().contains("stop hook 2"), "{error}");
    assert_eq!(steps.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_hook_may_publish() {
    let url = broker();
    let (steps, farewell) = (Steps::default(), Seen::<Publisher<Placed>>::default());
    let hook = {
        let farewell = farewell.clone();
        async move || {
            farewell.all()[0].publish(&placed(9)).await?;
            Ok(())
        }
    };
    let connect = || Bus::<Taker>::builder().state(steps.clone());
    let bus = connect().on_stop(hook).connect(&url).await.unwrap();
    farewell.push(bus.publisher::<Placed>());
    let running = bus.start().await.unwrap();
    // Dropping it stops it in the background, and that is enough for the hook.
    drop(running);
    let next = connect().connect(&url).await.unwrap();
    let running = next.start().await.unwrap();
    steps.reached(1).await;
    caught_up(&running).await;
    assert_eq!((steps.all(), counts(&running).handled), (vec!["order 9".to_owned()], 1));
}

#[tokio::test(start_paused = true)]
async fn a_bus_that_was_never_started_runs_no_hook() {
    let steps = Steps::default();
    let builder = Bus::<Taker>::builder().state(steps.clone());
    let builder = builder.on_start(step(&steps, "start")).on_stop(step(&steps, "stop"));
    let bus = builder.connect("memory:").await.unwrap();
    bus.publish(&placed(1)).await.unwrap();
    drop(bus);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(steps.count(), 0);
}
