//! `manifest::check`: what is wrong among services.

use typebus::manifest::{Beyond, HandlerContract, Manifest, Rule, check};

use super::{Build, event, reply, schema, service};

const ORDER: &str = "order.placed.v1";
const NEWER: &str = "order.placed.v2";
const PAID: &str = "order.paid.v1";

fn shop() -> Manifest {
    service("shop").publishes(ORDER)
}

fn billing() -> Manifest {
    service("billing").handles("charge", &[ORDER])
}

/// What is found, beside the rule and the services, begins so.
#[track_caller]
fn expect(manifests: &[Manifest], beyond: &Beyond, expected: &[(Rule, &[&str], &str)]) {
    let findings = check(manifests, beyond);
    let fits = findings.len() == expected.len()
        && findings.iter().zip(expected).all(|(finding, (rule, services, what))| {
            finding.rule == *rule
                && finding.services == *services
                && finding.what.starts_with(what)
                && !finding.advice.is_empty()
        });
    assert!(fits, "{findings:#?}\nexpected {expected:#?}");
    let mut turned = manifests.to_vec();
    turned.reverse();
    let rules = |findings: &[typebus::manifest::Finding]| {
        findings.iter().map(|finding| finding.rule).collect::<Vec<_>>()
    };
    assert_eq!(rules(&check(&turned, beyond)), rules(&findings), "whatever the order of the services is");
}

#[track_caller]
fn found(manifests: &[Manifest], expected: &[(Rule, &[&str], &str)]) {
    expect(manifests, &Beyond::default(), expected);
}

fn kinds(kinds: &[&str]) -> std::collections::BTreeSet<String> {
    kinds.iter().map(|kind| (*kind).to_owned()).collect()
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    found(&[], &[]);
    found(&[shop(), billing()], &[]);
}

#[test]
fn an_event_that_nobody_handles_is_an_orphan_unless_it_leaves_the_system() {
    found(
        &[shop()],
        &[(Rule::OrphanEvent, &["shop"], "`shop` publishes `order.placed.v1`, which nobody handles")],
    );
    expect(&[shop()], &Beyond { to_outside: kinds(&[ORDER]), ..Beyond::default() }, &[]);
}

#[test]
fn a_handler_of_what_nobody_publishes_is_dead_unless_it_comes_from_outside() {
    found(
        &[billing()],
        &[(
            Rule::DeadHandler,
            &["billing"],
            "`charge` of `billing` waits for `order.placed.v1`, which nobody publishes",
        )],
    );
    expect(&[billing()], &Beyond { from_outside: kinds(&[ORDER]), ..Beyond::default() }, &[]);
}

/// Takes whatever comes on a pattern.
fn archive(pattern: &str) -> Manifest {
    let mut archive = service("archive");
    let mut keep = HandlerContract::new("archive");
    keep.topics.push(pattern.to_owned());
    archive.handlers.insert("keep".to_owned(), keep);
    archive
}

#[test]
fn a_handler_of_whatever_comes_handles_what_its_pattern_brings() {
    found(&[shop(), archive("shop.>")], &[]);
    found(
        &[shop(), archive("store.*")],
        &[
            (
                Rule::DeadHandler,
                &["archive"],
                "`keep` of `archive` listens to `store.*`, where nobody publishes",
            ),
            (Rule::OrphanEvent, &["shop"], "`shop` publishes"),
        ],
    );
}

#[test]
fn a_handler_of_an_older_version_is_not_dead_while_a_newer_one_is_published() {
    let both = service("billing").handles("charge", &[NEWER]).handles("charge_old", &[ORDER]);
    found(&[service("shop").publishes(NEWER), both], &[]);
}

#[test]
fn a_reader_of_another_version_is_behind() {
    found(
        &[service("shop").publishes(NEWER), billing()],
        &[(
            Rule::ReaderBehind,
            &["billing", "shop"],
            "`shop` publishes `order.placed.v2`, and `billing` reads version 1 of it, but not version 2",
        )],
    );
    let ahead = service("billing").handles("charge", &[NEWER]);
    found(
        &[shop(), ahead.clone()],
        &[
            (
                Rule::ReaderBehind,
                &["billing", "shop"],
                "`shop` publishes `order.placed.v1`, and `billing` reads version 2 of it, but not version 1",
            ),
            (Rule::DeadHandler, &["billing"], "`charge` of `billing` waits for `order.placed.v2`"),
        ],
    );
    let made_of = ahead.knows(event(ORDER)).event(NEWER, |order| order.upcasts.push(ORDER.to_owned()));
    found(&[shop(), made_of], &[]);
}

#[test]
fn a_reader_with_a_type_of_its_own_reads_what_the_writer_writes() {
    let needs = |field: &'static str| {
        billing().event(ORDER, |order| order.schema = Some(schema(&["id", field], &[])))
    };
    found(
        &[shop(), needs("note")],
        &[(
            Rule::ReaderBehind,
            &["billing", "shop"],
            "`billing` does not read some `order.placed.v1` of `shop`: /note",
        )],
    );
    // Less than what is written is read by ignoring the rest.
    let more = shop().event(ORDER, |order| order.schema = Some(schema(&["id", "note"], &[])));
    found(&[more, billing()], &[]);
}

#[test]
fn a_request_is_answered_as_the_asker_reads_it_and_by_one() {
    let asks = |fields: &[&str]| shop().event(ORDER, |order| order.reply = Some(reply(fields)));
    let answers = |fields: &[&str]| billing().event(ORDER, |order| order.reply = Some(reply(fields)));
    found(&[asks(&["price"]), answers(&["price", "currency"])], &[]);
    found(
        &[asks(&["price", "currency"]), answers(&["price"])],
        &[(
            Rule::ReaderBehind,
            &["billing", "shop"],
            "`shop` does not read some reply to `order.placed.v1` of `billing`: /currency",
        )],
    );
    found(
        &[asks(&["price"]), billing()],
        &[(
            Rule::ReaderBehind,
            &["billing", "shop"],
            "`shop` asks by `order.placed.v1`, and `billing` does not reply",
        )],
    );
    let second = service("sales")
        .handles("quote", &[ORDER])
        .event(ORDER, |order| order.reply = Some(reply(&["price"])));
    found(
        &[asks(&["price"]), answers(&["price"]), second],
        &[(
            Rule::GroupClash,
            &["billing", "sales"],
            "`charge` of `billing` and `quote` of `sales` both answer the request",
        )],
    );
}

#[test]
fn services_that_share_a_group_on_a_topic_get_half_of_it_each() {
    let second = |topic: &str, broadcast| {
        service("sales").handles("count", &[ORDER]).handler("count", |count| {
            count.group = "billing".to_owned();
            count.topics = vec![topic.to_owned()];
            count.broadcast = broadcast;
        })
    };
    for topic in ["shop.order", "shop.*"] {
        found(
            &[shop(), billing(), second(topic, false)],
            &[(
                Rule::GroupClash,
                &["billing", "sales"],
                "`charge` of `billing` and `count` of `sales` share the group `billing`",
            )],
        );
    }
    found(&[shop(), billing(), second("shop.order", true)], &[]);
    found(&[shop(), billing(), second("shop.other", false)], &[]);
}

#[test]
fn names_mean_one_thing() {
    found(&[shop(), billing(), shop()], &[(Rule::NameClash, &["shop"], "two services are called `shop`")]);
    let elsewhere = billing().event(ORDER, |order| order.topic = "orders".to_owned());
    found(
        &[shop(), elsewhere],
        &[(
            Rule::NameClash,
            &["billing", "shop"],
            "the topic of `order.placed.v1` is `shop.order` in `shop` and `orders` in `billing`",
        )],
    );
    let unordered = billing().event(ORDER, |order| order.key = None);
    found(
        &[shop(), unordered],
        &[(
            Rule::NameClash,
            &["billing", "shop"],
            "the key of `order.placed.v1` is `id` in `shop` and `none` in `billing`",
        )],
    );
    let alike = service("store").publishes(PAID).event(PAID, |paid| paid.topic = "shop_order".to_owned());
    found(
        &[
            shop(),
            billing(),
            alike,
            service("books")
                .handles("book", &[PAID])
                .event(PAID, |paid| paid.topic = "shop_order".to_owned()),
        ],
        &[(
            Rule::NameClash,
            &["billing", "books", "shop", "store"],
            "Kafka cannot keep the topics `shop.order` and `shop_order` apart",
        )],
    );
}

#[test]
fn an_event_that_leads_to_itself_is_a_cycle_unless_it_may() {
    let makes = |service: Manifest, handler: &str, kind: &str| {
        service.knows(event(kind)).handler(handler, |it| it.publishes.push(kind.to_owned()))
    };
    let there = makes(billing(), "charge", PAID);
    let back = makes(service("shop").publishes(ORDER).handles("reorder", &[PAID]), "reorder", ORDER);
    found(
        &[there.clone(), back.clone()],
        &[(
            Rule::Cycle,
            &["billing", "shop"],
            "`order.paid.v1` leads to itself: `order.paid.v1`, which `reorder` of `shop` makes `order.placed.v1` of, which \
             `charge` of `billing` makes `order.paid.v1` of",
        )],
    );
    for kind in [ORDER, PAID] {
        expect(
            &[there.clone(), back.clone()],
            &Beyond { may_repeat: kinds(&[kind]), ..Beyond::default() },
            &[],
        );
    }
    let echo = makes(billing().publishes(ORDER), "charge", ORDER);
    found(
        &[echo],
        &[(
            Rule::Cycle,
            &["billing"],
            "`order.placed.v1` leads to itself: `order.placed.v1`, which `charge`",
        )],
    );
}
