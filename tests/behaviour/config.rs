//! What an operator says: the environment, a file, what beats what, and every mistake at once.

use std::time::Duration;

use typebus::{
    Config, Error, ErrorKind, IntoBackend, Limits, SettingOrigin, Tuning,
    backend::{Backend, Capabilities, memory::Memory},
    prelude::*,
    testing::Foreign,
};
use typebus_tests::{
    Cancelled, Does, Gate, Job, Journal, Paid, Placed, Seen, Shipped, broker, caught_up, letters, patiently,
    start,
};

use crate::wrapped::Wrapped;

fn vars(vars: &[(&str, &str)]) -> Config {
    Config::from_vars(vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

fn toml(text: &str) -> Config {
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
struct Held {
    gate: Gate,
    seen: Seen<u64>,
    batches: Seen<usize>,
}

service! {
    Worker = "worker" { handles: [work, hold, pack], publishes: [Job, Placed, Shipped], state: [Journal, Held] }
}

async fn refused(config: Config) -> Error {
    let state = (Journal::default(), Held::default());
    let error = Bus::<Worker>::builder().state(state).config(config).connect("memory:").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    error
}

/// Each problem has its place and its words, and there are no others.
fn assert_problems(error: &Error, expected: &[[&str; 2]]) {
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

#[tokio::test]
async fn without_a_url_it_is_said_where_to_write_one() {
    let build = || Bus::<Worker>::builder().state((Journal::default(), Held::default()));
    let error = build().connect(&Config::new()).await.unwrap_err();
    assert_problems(&error, &[["the configuration", "`TYPEBUS_URL`, or `url`"]]);
    // A variable that is set to nothing says nothing.
    let error = build().connect(&vars(&[("TYPEBUS_URL", ""), ("TYPEBUS_PREFIX", "")])).await.unwrap_err();
    assert_problems(&error, &[["the configuration", "`TYPEBUS_URL`, or `url`"]]);
    // One mistake may be the reason of the other, and neither is said twice.
    let config = vars(&[("TYPEBUS_ULR", "memory:")]);
    let error = build().config(config.clone()).connect(&config).await.unwrap_err();
    let expected = [["`TYPEBUS_ULR`", "did you mean `TYPEBUS_URL`?"], ["the configuration", "no URL"]];
    assert_problems(&error, &expected);
}

#[tokio::test]
async fn mistakes_of_the_environment_are_reported_all_at_once() {
    let config = vars(&[
        ("TYPEBUS_HANDLERS_HOLD_CONCURENCY", "4"),
        ("TYPEBUS_HANDLERS_HOLD_CONCURRENCY", "many"),
        ("TYPEBUS_HANDLERS_HOLD_ATTEMPTS", "0"),
        ("TYPEBUS_HANDLERS_HOLD_BACKOFF", "0ms..1s"),
        ("TYPEBUS_HANDLERS_HOLD_BATCH_MAX", "4"),
        ("TYPEBUS_HANDLERS_HOLD_JITTER", "yes"),
        ("TYPEBUS_HANDLERS_HOLD_TIMEOUT", "0s"),
        ("TYPEBUS_HANDLERS_HODL_TIMEOUT", "1s"),
        ("TYPEBUS_HANDLERS_PACK_BATCH_WAIT", "soon"),
        ("TYPEBUS_HANDLERS_PACK_CONCURRENCY", "65536"),
        ("TYPEBUS_HANDLERS_QUEUE", "1"),
        ("TYPEBUS_HANDLER_HOLD_TIMEOUT", "1s"),
        ("TYPEBUS_TUNING_HELD", "0"),
        ("TYPEBUS_TUNING_DRIAN", "1s"),
        ("TYPEBUS_RENAME_X", "y"),
        ("TYPEBUS_SOMETHING", ""),
        ("TYPEBUS_BLESS", "1"),
        ("TYPEBUS", "1"),
    ]);
    let expected = [
        ["`TYPEBUS_HANDLERS_HOLD_ATTEMPTS`", "`0` is not a whole number from 1 to 4294967295"],
        ["`TYPEBUS_HANDLERS_HOLD_BACKOFF`", "without a pause"],
        ["`TYPEBUS_HANDLERS_HOLD_CONCURENCY`", "did you mean `TYPEBUS_HANDLERS_HOLD_CONCURRENCY`?"],
        ["`TYPEBUS_HANDLERS_HOLD_CONCURRENCY`", "`many` is not a whole number from 1 to 65535"],
        ["`TYPEBUS_HANDLERS_HOLD_JITTER`", "`yes` is neither `true` nor `false`"],
        ["`TYPEBUS_HANDLERS_HOLD_TIMEOUT`", "`none` is no timeout"],
        ["`TYPEBUS_HANDLERS_PACK_BATCH_WAIT`", "`soon` is not a duration"],
        ["`TYPEBUS_HANDLERS_PACK_CONCURRENCY`", "from 1 to 65535"],
        [
            "`TYPEBUS_HANDLERS_QUEUE`",
            "CONCURRENCY, ATTEMPTS, BACKOFF, JITTER, TIMEOUT, BATCH_MAX, BATCH_WAIT",
        ],
        ["`TYPEBUS_HANDLER_HOLD_TIMEOUT`", "did you mean `TYPEBUS_HANDLERS_HOLD_TIMEOUT`?"],
        ["`TYPEBUS_RENAME_X`", "`.rename::<Event>(..)`"],
        [
            "`TYPEBUS_SOMETHING`",
            "`TYPEBUS_URL`, `TYPEBUS_PREFIX`, `TYPEBUS_TUNING_..` and `TYPEBUS_HANDLERS_..`",
        ],
        ["`TYPEBUS_TUNING_DRIAN`", "did you mean `TYPEBUS_TUNING_DRAIN`?"],
        ["`TYPEBUS_TUNING_HELD`", "`0` is not a whole number from 1"],
    ];
    assert_eq!(config.problems().len(), expected.len(), "{:?}", config.problems());
    // What needs the service comes after what does not.
    let of_the_service = [
        [
            "`TYPEBUS_HANDLERS_HODL_TIMEOUT`",
            "has no handler `hodl`; did you mean `hold`? There are the handlers `work`, `hold` and `pack`",
        ],
        ["`TYPEBUS_HANDLERS_HOLD_BATCH_MAX`", "`hold` takes no `Batch<_>`"],
    ];
    assert_problems(&refused(config).await, &[&expected[..], &of_the_service].concat());
}

#[tokio::test]
async fn mistakes_of_a_file_have_their_lines() {
    let text = r#"
ulr = "memory:"
prefix = 5
handlers = 5
[tuning]
held = "5"
drain = 5
gap = 1.5
close = 1979-05-27
[rename]
shop.orders = { a = 5 }
"shop.parcels" = ["p"]
"shop.nowhere" = "n"
"#;
    let in_the_file = |name: &str, line: u32| format!("`{name}` (line {line} of the configuration)");
    let places = [
        ("ulr", 2, "did you mean `url`?"),
        ("prefix", 3, "`5` is not a string"),
        ("handlers", 4, "`5` is not a table; write `[handlers]`"),
        ("tuning.held", 6, "write it without quotes"),
        ("tuning.drain", 7, "`5` is not a string; write one such as \"10s\""),
        ("tuning.gap", 8, "a number with a fraction is not a whole number"),
        ("tuning.close", 9, "a date is not a string"),
        ("rename.shop.orders.a", 11, "`5` is not a string"),
        ("rename.shop.parcels", 12, "a list is not a string"),
        (
            "rename.shop.nowhere",
            13,
            "worker has no event on \"shop.nowhere\"; did you mean `shop.orders`? There are",
        ),
    ];
    let places: Vec<_> = places.map(|(name, line, words)| (in_the_file(name, line), words)).into();
    let expected: Vec<[&str; 2]> = places.iter().map(|(place, words)| [place.as_str(), words]).collect();
    assert_problems(&refused(toml(text)).await, &expected);

    let text = r#"
[handlers.hold]
concurency = 5
order = "none"
timeout = 5
batch.mx = 5
[handlers.pack]
batch = 5
[handlers.pakc]
attempts = 99999999999999999999
concurrency = 5
"#;
    let places = [
        ("handlers.hold.concurency", 3, "did you mean `concurrency`? There are the settings"),
        ("handlers.hold.order", 4, "for `#[handler(..)]` alone"),
        ("handlers.hold.timeout", 5, "such as \"10s\""),
        ("handlers.hold.batch.mx", 6, "did you mean `batch.max`?"),
        ("handlers.pack.batch", 8, "not a table"),
        ("handlers.pakc.attempts", 10, "more than 64 bits is not a whole number"),
        ("handlers.pakc.concurrency", 11, "did you mean `pack`?"),
    ];
    let places: Vec<_> = places.map(|(name, line, words)| (in_the_file(name, line), words)).into();
    let expected: Vec<[&str; 2]> = places.iter().map(|(place, words)| [place.as_str(), words]).collect();
    assert_problems(&refused(toml(text)).await, &expected);
}

#[tokio::test]
async fn mistakes_of_everything_are_reported_together() {
    let able = Wrapped::new("memory:");
    let capabilities = Capabilities { key_order: false, ..able.capabilities };
    let config = toml("x = 1").merge(vars(&[("TYPEBUS_Y", "2")]));
    let builder = Bus::<Worker>::builder().state((Journal::default(), Held::default())).config(config);
    let error = builder.prefix("a b").connect(Wrapped { capabilities, ..able }).await.unwrap_err();
    assert_eq!((error.kind(), error.backend()), (ErrorKind::Config, Some("wrapped")));
    let expected = [
        ["handler `work`", "`order = key`"],
        ["handler `hold`", "`order = key`"],
        ["`x` (line 1 of the configuration)", "unknown setting"],
        ["`TYPEBUS_Y`", "unknown setting"],
        ["the prefix `a b` (builder)", "letters, digits and `-`"],
    ];
    assert_problems(&error, &expected);
    // A backend that cannot be made is one problem among them.
    let builder = Bus::<Worker>::builder().state((Journal::default(), Held::default())).config(toml("x = 1"));
    let error = builder.connect("kafak:").await.unwrap_err();
    let expected =
        [["the backend", "no scheme of a broker"], ["`x` (line 1 of the configuration)", "unknown setting"]];
    assert_problems(&error, &expected);
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

#[tokio::test]
async fn files_that_cannot_be_read_are_refused_without_what_they_hold() {
    let error = Config::from_toml_file("/nonexistent/typebus.toml").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("/nonexistent/typebus.toml"), "{error}");
    for text in [
        "a = 1\nurl = \"kafka://u:hunter2@h\nb = 2",
        "url = kafka://u:hunter2@h",
        "url = \"x\"\nurl = \"hunter2\"",
        "url = \"\\hunter2\"",
        "[hunter2",
        "hunter2",
        "url = \"a\" hunter2",
        "[tuning]\nheld = hunter2",
    ] {
        let error = Config::from_toml(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("not TOML") && shown.contains("line "), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[tokio::test]
async fn a_file_is_named_where_its_settings_are() {
    let path = std::env::temp_dir().join(format!("typebus-{}.toml", std::process::id()));
    std::fs::write(&path, "\nurl = \"memory:\"\nx = 1\n[handlers.hold]\nattempts = 2\n").unwrap();
    let config = Config::from_toml_file(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let path = path.display();
    assert_eq!(config.problems()[0].place(), format!("`x` (line 3 of {path})"));
}

#[tokio::test]
async fn the_real_environment_is_read() {
    // Cargo sets variables for tests, none of which is ours.
    assert!(std::env::var("CARGO_MANIFEST_DIR").is_ok());
    assert_eq!(format!("{:?}", Config::from_env().unwrap()), "{}");
}

#[tokio::test]
async fn at_most_once_has_no_retries_to_configure() {
    let config = vars(&[("TYPEBUS_HANDLERS_ONCE_ATTEMPTS", "2"), ("TYPEBUS_HANDLERS_ONCE_TIMEOUT", "2s")]);
    let error = Bus::<Once>::builder().config(config).connect("memory:").await.unwrap_err();
    let retries = error.problems().iter().filter(|problem| problem.place().contains("_ATTEMPTS"));
    assert!(
        retries
            .map(|problem| problem.message())
            .eq(["`once` is `delivery = at_most_once`, so it is never retried"])
    );
    assert!(error.problems().iter().all(|problem| !problem.place().contains("_TIMEOUT")), "{error}");
}

#[handler(delivery = at_most_once)]
async fn once(_: Cancelled) {}

service! { Once = "once" { handles: [once] } }

#[tokio::test]
async fn no_secret_is_shown() {
    let url = "memory:shop-of-secrets?password=hunter2&token=hunter2";
    let config = vars(&[("TYPEBUS_URL", url), ("TYPEBUS_PASSWORD", "hunter2"), ("TYPEBUS_URLS", "hunter2")]);
    let file = toml(
        "url = \"kafka://u:hunter2@h?sasl=hunter2\"\npassword = \"hunter2\"\n[hunter]\ntoken = \"hunter2\"",
    );
    let unfit = toml("url = [\"hunter2\"]");
    let build = || Bus::<Worker>::builder().state((Journal::default(), Held::default()));
    let mut shown = String::new();
    for config in [config, file, unfit] {
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
