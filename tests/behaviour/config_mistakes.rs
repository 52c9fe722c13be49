//! What is wrong with a configuration: all of it at once, each with its place and what to do.

use typebus::{Config, Error, ErrorKind, backend::Capabilities, prelude::*};
use typebus_tests::{Cancelled, Journal};

use crate::{
    config::{Held, Worker, assert_problems, toml, vars},
    wrapped::Wrapped,
};

async fn refused(config: Config) -> Error {
    let state = (Journal::default(), Held::default());
    let error = Bus::<Worker>::builder().state(state).config(config).connect("memory:").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    error
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
async fn more_than_there_is_memory_for_is_refused_and_not_tried() {
    let config = vars(&[("TYPEBUS_TUNING_HELD", "1000001"), ("TYPEBUS_TUNING_GAP", "9223372036854775808")]);
    let expected = [
        ["`TYPEBUS_TUNING_GAP`", "`9223372036854775808` is not a whole number from 1 to 9223372036854775807"],
        ["`limits.held`", "is 1000001, and each takes memory from the start; say at most 1000000"],
    ];
    assert_problems(&refused(config).await, &expected);
}
