//! `Manifest::diff`: a row for each kind of change, with whom it breaks.

use serde_json::json;
use typebus::{
    Order,
    manifest::{HandlerContract, Manifest},
};

use super::{Build, event, reply, schema, service};

const ORDER: &str = "order.placed.v1";
const NEWER: &str = "order.placed.v2";

/// Whom a change breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Breaks {
    Nobody,
    Writers,
    Readers,
    Both,
}
use Breaks::{Both, Nobody, Readers, Writers};

struct Row {
    old: Manifest,
    new: Manifest,
    /// The first lines of what is told, sorted as they are told.
    told: &'static [(&'static str, Breaks)],
}

impl Row {
    fn changed(
        old: Manifest,
        change: impl FnOnce(Manifest) -> Manifest,
        told: &'static [(&'static str, Breaks)],
    ) -> Self {
        let new = change(old.clone());
        Self { old, new, told }
    }
}

/// Handles orders.
fn reader() -> Manifest {
    service("billing").handles("charge", &[ORDER])
}

/// Publishes orders.
fn writer() -> Manifest {
    service("shop").publishes(ORDER)
}

/// Publishes and handles orders.
fn loner() -> Manifest {
    reader().publishes(ORDER)
}

fn asker() -> Manifest {
    writer().event(ORDER, |order| order.reply = Some(reply(&["price"])))
}

fn replier() -> Manifest {
    reader().event(ORDER, |order| order.reply = Some(reply(&["price"])))
}

fn moved(manifest: Manifest) -> Manifest {
    manifest.event(ORDER, |order| order.topic = "orders".to_owned())
}

fn renamed_field(manifest: Manifest) -> Manifest {
    manifest.event(ORDER, |order| order.schema = Some(schema(&["number"], &[])))
}

fn rows() -> Vec<Row> {
    const MOVED: &str = "event `order.placed.v1`: its topic was `shop.order` and is `orders`";
    const FORM: &str =
        "event `order.placed.v1`: its content type was `application/json` and is `application/cbor`";
    let form = |manifest: Manifest| {
        manifest.event(ORDER, |order| order.content_type = "application/cbor".to_owned())
    };
    vec![
        Row::changed(reader(), |it| it, &[]),
        // The event.
        Row::changed(reader(), moved, &[(MOVED, Writers)]),
        Row::changed(writer(), moved, &[(MOVED, Readers)]),
        Row::changed(loner(), moved, &[(MOVED, Both)]),
        Row::changed(reader(), form, &[(FORM, Writers)]),
        Row::changed(writer(), form, &[(FORM, Readers)]),
        Row::changed(
            loner(),
            |it| it.event(ORDER, |order| order.key = None),
            &[("event `order.placed.v1`: its key was `id` and is `none`: messages from before", Nobody)],
        ),
        Row::changed(
            loner(),
            |it| it.event(ORDER, |order| order.id = Some("id".to_owned())),
            &[("event `order.placed.v1`: its id was `none` and is `id`: an event from before", Nobody)],
        ),
        Row::changed(
            loner(),
            |it| it.event(ORDER, |order| order.description = Some("Paid for.".to_owned())),
            &[("event `order.placed.v1`: its description is another", Nobody)],
        ),
        Row::changed(
            reader(),
            |it| it.publishes("order.paid.v1"),
            &[
                ("event `order.paid.v1`: it is new", Nobody),
                ("event `order.paid.v1`: the program publishes it", Nobody),
            ],
        ),
        Row {
            old: writer(),
            new: service("shop"),
            told: &[
                ("event `order.placed.v1`: it is not part of the contract any more", Nobody),
                ("event `order.placed.v1`: the program does not publish it any more", Nobody),
            ],
        },
        // A version.
        Row {
            old: reader(),
            new: service("billing").handles("charge", &[NEWER]),
            told: &[
                ("event `order.placed.v1`: it is not part of the contract any more", Writers),
                ("event `order.placed.v2`: it is new", Nobody),
                ("handler `charge`: events: order.placed.v1 before, order.placed.v2 now", Nobody),
            ],
        },
        Row::changed(
            reader(),
            |it| it.handles("charge", &[NEWER]),
            &[
                ("event `order.placed.v1`: nothing here handles it any more", Writers),
                ("event `order.placed.v2`: it is new", Nobody),
                ("handler `charge`: events", Nobody),
            ],
        ),
        Row::changed(
            reader(),
            |it| it.handles("charge", &[NEWER]).event(NEWER, |order| order.upcasts.push(ORDER.to_owned())),
            &[
                ("event `order.placed.v2`: it is new", Nobody),
                ("handler `charge`: events: order.placed.v1 before", Nobody),
            ],
        ),
        // The payload, as far as it reaches this service.
        Row::changed(
            reader(),
            renamed_field,
            &[
                ("event `order.placed.v1` /id: the field `id` is gone", Nobody),
                ("event `order.placed.v1` /number: the field `number` is new", Writers),
            ],
        ),
        Row::changed(
            writer(),
            renamed_field,
            &[
                ("event `order.placed.v1` /id: the field `id` is gone", Readers),
                ("event `order.placed.v1` /number: the field `number` is new", Nobody),
            ],
        ),
        Row::changed(
            reader(),
            |it| it.event(ORDER, |order| order.schema = None),
            &[("event `order.placed.v1`: it has no JSON Schema any more", Nobody)],
        ),
        // The reply: who handles writes it, and who publishes reads it.
        Row::changed(
            replier(),
            |it| it.event(ORDER, |order| order.reply = None),
            &[("reply to `order.placed.v1`: there is none any more", Readers)],
        ),
        Row::changed(
            asker(),
            |it| it.event(ORDER, |order| order.reply = None),
            &[("reply to `order.placed.v1`: there is none any more", Nobody)],
        ),
        Row::changed(
            writer(),
            |it| it.event(ORDER, |order| order.reply = Some(reply(&[]))),
            &[("reply to `order.placed.v1`: there is one", Writers)],
        ),
        Row::changed(
            reader(),
            |it| it.event(ORDER, |order| order.reply = Some(reply(&[]))),
            &[("reply to `order.placed.v1`: there is one", Nobody)],
        ),
        Row::changed(
            asker(),
            |it| it.event(ORDER, |order| order.reply = Some(reply(&["price", "currency"]))),
            &[("reply to `order.placed.v1` /currency", Writers)],
        ),
        Row::changed(
            replier(),
            |it| it.event(ORDER, |order| order.reply = Some(reply(&["price", "currency"]))),
            &[("reply to `order.placed.v1` /currency", Nobody)],
        ),
        // The handler.
        Row {
            old: reader(),
            new: service("billing").knows(event(ORDER)),
            told: &[
                ("event `order.placed.v1`: nothing here handles it any more", Nobody),
                ("handler `charge`: it is gone: what waits for it", Nobody),
            ],
        },
        Row::changed(
            reader(),
            |it| it.handles("book", &[ORDER]),
            &[("handler `book`: it is new, in the group `billing`", Nobody)],
        ),
        Row::changed(
            reader(),
            |it| it.handler("charge", |charge| charge.group = "charging".to_owned()),
            &[("handler `charge`: its group was `billing` and is `charging`", Writers)],
        ),
        Row::changed(
            reader(),
            |it| it.handler("charge", |charge| charge.broadcast = true),
            &[("handler `charge`: every instance gets its own copy", Writers)],
        ),
        Row::changed(
            reader().handler("charge", |charge| charge.broadcast = true),
            |it| it.handler("charge", |charge| charge.broadcast = false),
            &[("handler `charge`: its group gets one copy, not every instance", Nobody)],
        ),
        Row::changed(
            reader()
                .handler("charge", |charge| drop(charge.policy.insert("timeout".to_owned(), json!("10s")))),
            |it| {
                it.handler("charge", |charge: &mut HandlerContract| {
                    charge.policy.insert("timeout".to_owned(), json!("5s"));
                    charge.policy.insert("attempts".to_owned(), json!(3));
                    charge.order = Order::None;
                    charge.dead_letter = None;
                })
            },
            &[
                ("handler `charge`: attempts: not set before, 3 now", Nobody),
                ("handler `charge`: dead_letter: dead.billing before, discard now", Nobody),
                ("handler `charge`: order: key before, none now", Nobody),
                ("handler `charge`: timeout: 10s before, 5s now", Nobody),
            ],
        ),
        // The service.
        Row::changed(
            writer(),
            |mut it| {
                it.service = "store".to_owned();
                it.description = Some("Sells.".to_owned());
                it
            },
            &[
                ("the service: it was `shop` and is `store`", Nobody),
                ("the service: its description is another", Nobody),
            ],
        ),
    ]
}

#[test]
fn each_change_is_told_with_whom_it_breaks() {
    let mut wrong = String::new();
    for Row { old, new, told } in rows() {
        let differences = old.diff(&new);
        let found: Vec<_> = differences
            .iter()
            .map(|difference| {
                let breaks = match (&difference.change.breaks_writers, &difference.change.breaks_readers) {
                    (None, None) => Nobody,
                    (Some(_), None) => Writers,
                    (None, Some(_)) => Readers,
                    (Some(_), Some(_)) => Both,
                };
                (difference.to_string(), breaks)
            })
            .collect();
        let fits = found.len() == told.len()
            && found
                .iter()
                .zip(told)
                .all(|((text, breaks), (starts, expected))| text.starts_with(starts) && breaks == expected);
        if !fits {
            wrong += &format!("expected {told:#?}\nfound {found:#?}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn what_breaks_says_why_in_a_line_of_its_own() {
    let told = reader().diff(&reader().handler("charge", |charge| charge.group = "charging".to_owned()));
    assert_eq!(
        told[0].to_string(),
        "handler `charge`: its group was `billing` and is `charging`\n  breaks writers: what waits for `billing` stays \
         there, and nobody handles it"
    );
}
