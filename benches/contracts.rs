//! How long it takes to read, check and compare contracts of 200 events; fails above its bound of 100 ms.
//!
//! The events are the webhooks example's, nested and all, under as many names as it takes. In the second state each of
//! them has another type, so that nothing is told by being equal.

use std::{
    io::{self, Write as _},
    process::ExitCode,
    time::{Duration, Instant},
};

use serde_json::json;
use typebus::manifest::{Beyond, HandlerContract, Manifest, check};

const EVENTS: usize = 200;
const ROUNDS: usize = 21;
const BOUND: Duration = Duration::from_millis(100);

fn main() -> io::Result<ExitCode> {
    let (writer, reader) = (writer(), reader());
    let text = writer.to_string();
    let all = [writer.clone(), reader.clone()];
    let found = check(&all, &Beyond::default());
    assert!(found.is_empty(), "{found:#?}");
    let changes = writer.diff(&changed(&writer)).len();
    assert_eq!(changes, EVENTS, "each event has one more field");
    let rows = [
        ("one service is read", time(|| text.parse::<Manifest>().is_ok())),
        ("one service is checked", time(|| check(&all[..1], &Beyond::default()).len() == EVENTS)),
        (
            "a writer and a reader with types of its own are checked",
            time(|| check(&all, &Beyond::default()).is_empty()),
        ),
        ("a service and its next state are compared", time(|| writer.diff(&all[1]).len() > EVENTS)),
    ];
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{EVENTS} events, {} kB of manifest, {ROUNDS} rounds each, bound {BOUND:?}",
        text.len() / 1024
    )?;
    for (what, [median, most]) in rows {
        writeln!(out, "{what}: {median:.1?} (at most {most:.1?})")?;
    }
    let slow = rows.iter().any(|(_, [median, _])| *median > BOUND);
    Ok(if slow { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The median, and the longest.
fn time(work: impl Fn() -> bool) -> [Duration; 2] {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            assert!(std::hint::black_box(work()));
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    [times[ROUNDS / 2], times[ROUNDS - 1]]
}

/// Publishes all of them.
fn writer() -> Manifest {
    let text = include_str!("../examples/webhooks/typebus/gateway.json");
    let gateway: Manifest = match text.parse() {
        Ok(gateway) => gateway,
        Err(wrong) => panic!("gateway.json: {wrong}"),
    };
    let mut writer = Manifest::new("writer");
    for (nth, event) in (0..EVENTS).zip(gateway.events.values().cycle()) {
        let mut event = event.clone();
        event.name = format!("{}.n{nth}", event.name);
        writer.publishes.push(event.kind());
        writer.events.insert(event.kind(), event);
    }
    writer.publishes.sort();
    writer
}

/// Handles all of them, by types of its own.
fn reader() -> Manifest {
    let mut reader = changed(&writer());
    "reader".clone_into(&mut reader.service);
    for kind in std::mem::take(&mut reader.publishes) {
        let mut handler = HandlerContract::new("reader");
        handler.topics.push(reader.events[&kind].topic.clone());
        handler.events.push(kind.clone());
        reader.handlers.insert(format!("on_{kind}"), handler);
    }
    reader
}

/// With one more field in each type, which may be absent.
fn changed(manifest: &Manifest) -> Manifest {
    let mut changed = manifest.clone();
    for event in changed.events.values_mut() {
        if let Some(schema) = &mut event.schema {
            schema["properties"]["one_more"] = json!({ "type": ["string", "null"] });
        }
    }
    changed
}
