//! What an operator says: the environment, a file, what beats what, and every mistake at once.

use std::time::Duration;

use typebus::{
    Config, Error, ErrorKind, IntoBackend, Limits, SettingOrigin, Tuning,
    backend::{Backend, memory::Memory},
    prelude::*,
    testing::Foreign,
};
use typebus_tests::{
    Does, Gate, Job, Journal, Paid, Placed, Seen, Shipped, broker, caught_up, letters, patiently, start,
};

pub(crate) fn vars(vars: &[(&str, &str)]) -> Config {
    Config::from_vars(vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

pub(crate) fn toml(text: &str) -> Config {
    Config::from_toml(text).unwrap()
}

#[handler]
async fn work(job: Job, attempt: Attempt, journal: State<Journal>) -> Result<(), Failure> {
    journal.run(&job, attempt.number()).await
}

#[handler(concurrency = 2)]
async fn hold(order: Placed, held: State<Held>) {
    held.seen.push(order.number);
    held.gate.pass().await;
}

#[handler(group = "packing", batch(max = 10), order = none)]
async fn pack(parcels: Batch<Shipped>, held: State<Held>) {
    held.batches.push(parcels.len());
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Held {
    gate: Gate,
    seen: Seen<u64>,
    batches: Seen<usize>,
}

service! {
    pub(crate) Worker = "worker" { handles: [work, hold, pack], publishes: [Job, Placed, Shipped], state: [Journal, Held] }
}

/// Each problem has its place and its words, and there are no others.
pub(crate) fn assert_problems(error: &Error, expected: &[[&str; 2]]) {
    let problems: Vec<_> = error.problems().iter().map(|p| (p.place(), p.message())).collect();
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for ((place, message), [expected_place, words]) in problems.iter().zip(expected) {
        assert_eq!(place, expected_place);
        assert!(message.contains(words), "{place}: {message:?} has no {words:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_environment_decides_how_a_handler_retries() {
    let config = vars(&[
        ("TYPEBUS_HANDLERS_WORK_ATTEMPTS", "3"),
        ("TYPEBUS_HANDLERS_WORK_BACKOFF", "10m..20m"),
        ("TYPEBUS_HANDLERS_WORK_JITTER", "false"),
        ("TYPEBUS_HANDLERS_WORK_TIMEOUT", "5s"),
        ("HOME", "/root"),
    ]);
    let journal = Journal::default();
    let state = (journal.clone(), Held::default());
    let bus = Bus::<Worker>::builder().state(state).config(config).connect("memory:").await.unwrap();
    bus.publish(&Job::of("a", 1).does([Does::Fail, Does::Hang, Does::Fail])).await.unwrap();
    let running = start(&bus).await;
    assert_eq!(journal.beginnings(), [(1, 1), (1, 2), (1, 3)]);
    assert_eq!(journal.delays(1), [Duration::from_secs(600), Duration::from_secs(1_200)]);
    let [_, _, began, ended, ..] = &journal.marks()[..] else { panic!("four marks") };
    assert_eq!(ended.at - began.at, Duration::from_secs(5), "the time-out");
    assert_eq!(letters(&bus, "worker").await[0].attempts(), 3);
    drop(running);
}

#[tokio::test(start_paused = true)]
async fn a_file_decides_how_many_run_at_once_and_how_batches_fill() {
    let config = toml("[handlers.hold]\nconcurrency = 5\n[handlers.pack.batch]\nmax = 3\nwait = \"10m\"");
    let held = Held::default();
    let state = (Journal::default(), held.clone());
    let bus = Bus::<Worker>::builder().state(state).config(config).connect("memory:").await.unwrap();
    let running = bus.start().await.unwrap();
    for number in 0..9 {
        bus.publish(&Placed { number, customer: number.to_string() }).await.unwrap();
    }
    held.gate.crowd(5).await;
    assert_eq!(held.seen.count(), 5, "as many as the file says, and not 2");
    held.gate.open();
    for number in 0..4 {
        bus.publish(&Shipped { number }).await.unwrap();
    }
    let before = tokio::time::Instant::now();
    caught_up(&running).await;
    assert_eq!(held.batches.sorted(), [1, 3]);
    assert_eq!(before.elapsed(), Duration::from_secs(600), "the last one waited for others");
}

#[tokio::test(start_paused = true)]
async fn the_tuning_is_in_force() {
    let config = vars(&[
        ("TYPEBUS_TUNING_HELD", "1"),
        ("TYPEBUS_TUNING_DRAIN", "7s"),
        ("TYPEBUS_TUNING_HELD_BYTES", "1000000"),
        ("TYPEBUS_TUNING_GAP", "10"),
        ("TYPEBUS_TUNING_CLOSE", "2s"),
        ("TYPEBUS_TUNING_REVOKE_GRACE", "3s"),
    ]);
    let held = Held::default();
    let state = (Journal::default(), held.clone());
    let bus = Bus::<Worker>::builder().state(state).config(config).connect("memory:").await.unwrap();
    for number in 0..3 {
        bus.publish(&Placed { number, customer: number.to_string() }).await.unwrap();
    }
    let running = bus.start().await.unwrap();
    held.gate.crowd(1).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(held.seen.count(), 1, "no more is held than one");
    let before = tokio::time::Instant::now();
    patiently(running.stop()).await.unwrap();
    assert_eq!(before.elapsed(), Duration::from_secs(7), "the drain");
    let shown = ["held", "held_bytes", "gap", "drain", "close", "revoke_grace"]
        .map(|name| bus.effective().get(&format!("tuning.{name}")).unwrap().value().to_owned());
    assert_eq!(shown, ["1", "1000000", "10", "\"7s\"", "\"2s\"", "\"3s\""]);
}

#[tokio::test]
async fn files_are_beaten_by_the_environment_and_both_by_the_program() {
    let file = toml(
        "prefix = \"file\"\nrename.\"shop.orders\" = \"file\"\n[tuning]\ndrain = \"1s\"\nclose = \"1s\"\n\
         [handlers.hold]\nconcurrency = 3\ntimeout = \"none\"",
    );
    let environment = vars(&[
        ("TYPEBUS_PREFIX", "env"),
        ("TYPEBUS_TUNING_CLOSE", "3s"),
        ("TYPEBUS_HANDLERS_HOLD_CONCURRENCY", "4"),
    ]);
    let build =
        |config: Config| Bus::<Worker>::builder().state((Journal::default(), Held::default())).config(config);
    let config = file.merge(environment);
    let bus = build(config.clone()).connect("memory:").await.unwrap();
    let shown = |bus: &Bus<Worker>, name: &str| {
        let setting = bus.effective().get(name).unwrap().clone();
        (setting.value().to_owned(), setting.origin().to_string())
    };
    for (name, value, origin) in [
        ("url", "\"memory:\"", "builder"),
        ("prefix", "\"env\"", "TYPEBUS_PREFIX"),
        ("rename.\"shop.orders\"", "\"file\"", "line 2 of the configuration"),
        ("tuning.held", "1000", "default"),
        ("tuning.drain", "\"1s\"", "line 4 of the configuration"),
        ("tuning.close", "\"3s\"", "TYPEBUS_TUNING_CLOSE"),
        ("handlers.hold.concurrency", "4", "TYPEBUS_HANDLERS_HOLD_CONCURRENCY"),
        ("handlers.hold.timeout", "\"none\"", "line 8 of the configuration"),
        ("handlers.hold.attempts", "8", "default"),
        ("handlers.pack.batch.max", "10", "attribute"),
        ("handlers.work.backoff", "\"200ms..30s\"", "default"),
    ] {
        assert_eq!(shown(&bus, name), (value.to_owned(), origin.to_owned()), "{name}");
    }
    assert!(bus.effective().get("handlers.work.batch.max").is_none(), "it has no batches");
    // The builder's calls beat both, in whichever order they come.
    let tuning = Tuning { limits: Limits { held: 5, ..Limits::default() }, ..Tuning::default() };
    let state = (Journal::default(), Held::default());
    let early = Bus::<Worker>::builder().state(state).prefix("code").rename::<Placed>("code").tuning(tuning);
    let early = early.config(config.clone()).connect("memory:").await.unwrap();
    let late = build(config).prefix("code").rename::<Placed>("code").tuning(tuning);
    let late = late.connect("memory:").await.unwrap();
    for bus in [early, late] {
        for (name, value) in [
            ("prefix", "\"code\""),
            ("rename.\"shop.orders\"", "\"code\""),
            ("tuning.held", "5"),
            ("tuning.drain", "\"20s\""),
        ] {
            assert_eq!(shown(&bus, name), (value.to_owned(), "builder".to_owned()));
        }
        assert_eq!(shown(&bus, "handlers.hold.concurrency").0, "4");
    }
}

#[tokio::test]
async fn what_is_shown_is_toml_that_says_the_same() {
    let config = toml(
        "prefix = \"a\"\nrename.shop.parcels = \"p\"\n[handlers.work]\ntimeout = \"90s\"\njitter = false\n\
         [handlers.pack]\nbatch = { wait = \"0ms\" }",
    );
    let build = |config| {
        Bus::<Worker>::builder()
            .state((Journal::default(), Held::default()))
            .config(config)
            .connect("memory:")
    };
    let first = build(config).await.unwrap().effective().to_string();
    let again = build(toml(&first)).await.unwrap();
    let values = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split(" # ").next().unwrap().to_owned()).collect()
    };
    assert_eq!(values(&first), values(&again.effective().to_string()));
    let lines = "\n[handlers.work]\nconcurrency = 16 # default\nattempts = 8 # default\nbackoff = \
                 \"200ms..30s\" # default\njitter = false # line 5 of the configuration\n";
    assert!(first.contains(lines), "{first}");
    let origins = again.effective().settings().iter().map(|setting| setting.origin().clone());
    let said = |origin| matches!(origin, SettingOrigin::File { path: None, .. } | SettingOrigin::Builder);
    assert!(origins.into_iter().all(said), "everything was said");
}

#[tokio::test(start_paused = true)]
async fn a_configuration_is_connected_to_and_an_explicit_url_beats_its_own() {
    let (url, other) = (broker(), broker());
    let config = vars(&[("TYPEBUS_URL", &url), ("TYPEBUS_HANDLERS_HOLD_CONCURRENCY", "9")]);
    let build = || Bus::<Worker>::builder().state((Journal::default(), Held::default()));
    let here = [
        build().connect(&config).await.unwrap(),
        build().config(config.clone()).connect(&config).await.unwrap(),
        build().config(vars(&[("TYPEBUS_HANDLERS_HOLD_CONCURRENCY", "1")])).connect(&config).await.unwrap(),
    ];
    let there = build().config(config.clone()).connect(&other).await.unwrap();
    for bus in &here {
        assert_eq!(bus.effective().get("url").unwrap().value(), format!("\"{url}\""));
        assert_eq!(bus.effective().get("handlers.hold.concurrency").unwrap().value(), "9");
    }
    assert_eq!(there.effective().get("url").unwrap().value(), format!("\"{other}\""));
    assert_eq!(there.effective().get("handlers.hold.concurrency").unwrap().value(), "9");
    let typed = build().config(config).connect(Memory::named(&other["memory:".len()..])).await.unwrap();
    assert_eq!(
        typed.effective().get("url"),
        None,
        "what it is connected to is no URL, and so not the configured one"
    );
    let placed = Placed { number: 1, customer: "c".into() };
    for bus in [&there, &typed] {
        assert!(bus.publish(&placed).await.unwrap().position().is_some());
    }
    assert!(Foreign::connect(&vars(&[("TYPEBUS_URL", &url)])).is_ok());
}

#[handler(group = "small")]
async fn refund(_: Paid) {}

#[allow(nonstandard_style, reason = "two names that are one in capitals")]
#[handler(group = "large")]
async fn Refund(_: Paid) {}

#[handler(group = "batch")]
async fn refund_batch(_: Batch<Paid>) {}

service! { Refunds = "refunds" { handles: [refund, Refund, refund_batch] } }

#[tokio::test]
async fn names_with_underscores_and_capitals_are_told_apart() {
    let config = vars(&[
        ("TYPEBUS_HANDLERS_REFUND_BATCH_BATCH_MAX", "7"),
        ("TYPEBUS_HANDLERS_REFUND_BATCH_TIMEOUT", "7s"),
    ]);
    let bus = Bus::<Refunds>::builder().config(config).connect("memory:").await.unwrap();
    let value = |name: &str| bus.effective().get(name).map(|setting| setting.value().to_owned());
    assert_eq!(value("handlers.refund_batch.batch.max").unwrap(), "7");
    assert_eq!(value("handlers.refund_batch.timeout").unwrap(), "\"7s\"");
    assert_eq!(value("handlers.refund.timeout").unwrap(), "\"1m\"");

    let config =
        vars(&[("TYPEBUS_HANDLERS_REFUND_TIMEOUT", "7s"), ("TYPEBUS_HANDLERS_REFUND_BATCH_MAX", "7")]);
    let error = Bus::<Refunds>::builder().config(config).connect("memory:").await.unwrap_err();
    let words = "`refund` and `Refund` are the same in capitals; configure them in a file";
    let expected =
        [["`TYPEBUS_HANDLERS_REFUND_BATCH_MAX`", words], ["`TYPEBUS_HANDLERS_REFUND_TIMEOUT`", words]];
    assert_problems(&error, &expected);

    let config = toml("[handlers]\nrefund.timeout = \"1s\"\nRefund.timeout = \"2s\"");
    let bus = Bus::<Refunds>::builder().config(config).connect("memory:").await.unwrap();
    let value = |name: &str| bus.effective().get(name).map(|setting| setting.value().to_owned());
    assert_eq!(
        (value("handlers.refund.timeout").unwrap(), value("handlers.Refund.timeout").unwrap()),
        ("\"1s\"".into(), "\"2s\"".into())
    );
}

#[tokio::test]
async fn services_of_one_program_share_a_configuration() {
    let text = "[handlers]\nhold.concurrency = 5\nrefund.concurrency = 6\n[rename]\nshop.orders = \"o\"";
    let error = Bus::<Refunds>::builder().config(toml(text)).connect("memory:").await.unwrap_err();
    assert_eq!(error.problems().len(), 2, "{error}");
    let config = toml(text).shared_with::<Worker>().shared_with::<Refunds>();
    let refunds = Bus::<Refunds>::builder().config(config.clone()).connect("memory:").await.unwrap();
    assert_eq!(refunds.effective().get("handlers.refund.concurrency").unwrap().value(), "6");
    let state = (Journal::default(), Held::default());
    let worker = Bus::<Worker>::builder().state(state).config(config).connect("memory:").await.unwrap();
    assert_eq!(worker.effective().get("handlers.hold.concurrency").unwrap().value(), "5");
    // What neither has is a mistake of both.
    let config = toml("[handlers]\nnobody.concurrency = 5").shared_with::<Worker>();
    assert!(Bus::<Refunds>::builder().config(config).connect("memory:").await.is_err());
}

/// A process of its own has an environment of its own: this very test, started again.
#[cfg(unix)]
#[test]
fn the_real_environment_is_read() {
    const ROLE: &str = "ROLE_IN_THE_TEST_OF_THE_ENVIRONMENT";
    match std::env::var(ROLE).as_deref() {
        Ok("reads") => {
            let config = Config::from_env().unwrap();
            assert_eq!(format!("{config:?}"), r#"{"prefix": `staging`, "url": "memory:here"}"#);
            assert!(config.problems().is_empty());
        }
        Ok(_) => {
            let error = Config::from_env().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert_problems(&error, &[["`TYPEBUS_URL`", "its value is not UTF-8"]]);
            assert!(!format!("{error:?}").contains("hunter2"));
        }
        Err(_) => {
            use std::{ffi::OsStr, os::unix::ffi::OsStrExt, process::Command};
            let run = |role, url: &[u8]| {
                let mut again = Command::new(std::env::current_exe().unwrap());
                again.args(["--exact", "config::the_real_environment_is_read"]).env(ROLE, role);
                again.env("TYPEBUS_PREFIX", "staging").env("TYPEBUS_URL", OsStr::from_bytes(url));
                let output = again.output().unwrap();
                let text = String::from_utf8_lossy(&output.stdout);
                assert!(output.status.success() && text.contains("1 passed"), "{text}");
            };
            run("reads", b"memory:here");
            run("is refused", b"hunter2\xff");
        }
    }
}

#[tokio::test]
async fn no_secret_is_shown() {
    let url = "memory:shop-of-secrets?password=hunter2&token=hunter2";
    let config = vars(&[("TYPEBUS_URL", url), ("TYPEBUS_PASSWORD", "hunter2"), ("TYPEBUS_URLS", "hunter2")]);
    let file = toml(
        "url = \"kafka://u:hunter2@h?sasl=hunter2\"\npassword = \"hunter2\"\n[hunter]\ntoken = \"hunter2\"",
    );
    let unfit = toml("url = [\"hunter2\"]");
    let mistaken = vars(&[("TYPEBUS_URL", "memory://u:hunter2@h")]);
    let build = || Bus::<Worker>::builder().state((Journal::default(), Held::default()));
    let mut shown = String::new();
    for config in [config, file, unfit, mistaken] {
        let builder = build().config(config.clone());
        shown += &format!("{config:?} {builder:?} {:?}", config.problems());
        let error = builder.connect(&config).await.unwrap_err();
        shown += &format!("{error} {error:?}");
    }
    let bus = build().connect(Secretive).await.unwrap();
    shown += &format!("{bus:?} {} {:?}", bus.effective(), bus.effective());
    let url = bus.effective().get("url").unwrap();
    assert_eq!(url.value(), "\"kafka://***@host:9092/x?sasl.password=***&linger=5&token=***\"");
    assert!(shown.contains("***"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

/// Connects to memory, and says that it is something with a password.
pub(crate) struct Secretive;

impl IntoBackend for Secretive {
    fn into_backend(self) -> typebus::Result<std::sync::Arc<dyn Backend>> {
        "memory:".into_backend()
    }

    fn said(&self) -> Config {
        let url = "kafka://me:hunter2@host:9092/x?sasl.password=hunter2&linger=5&token=hunter2";
        vars(&[("TYPEBUS_URL", url)])
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_practically_for_ever_stops_all_the_same_and_can_be_written_down() {
    let config = vars(&[
        ("TYPEBUS_TUNING_DRAIN", "213503982334d"),
        ("TYPEBUS_TUNING_CLOSE", "213503982334d"),
        ("TYPEBUS_TUNING_GAP", "9223372036854775807"),
        ("TYPEBUS_TUNING_HELD_BYTES", "9223372036854775807"),
        ("TYPEBUS_HANDLERS_WORK_TIMEOUT", "213503982334d"),
    ]);
    let journal = Journal::default();
    let state = || (journal.clone(), Held::default());
    let bus = Bus::<Worker>::builder().state(state()).config(config).connect("memory:").await.unwrap();
    bus.publish(&Job::of("a", 1).does([Does::Take(50)])).await.unwrap();
    let running = start(&bus).await;
    patiently(running.stop()).await.unwrap();
    assert_eq!(journal.beginnings(), [(1, 1)]);

    let written = bus.effective().to_string();
    let again =
        Bus::<Worker>::builder().state(state()).config(toml(&written)).connect("memory:").await.unwrap();
    let values = |bus: &Bus<Worker>| -> Vec<_> {
        bus.effective().settings().iter().map(|setting| setting.value().to_owned()).collect()
    };
    assert_eq!(values(&again), values(&bus));
}
