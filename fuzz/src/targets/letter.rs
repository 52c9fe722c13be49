//! Dead letters and replays, which others may forge.

use typebus::{DeadLetter, Position};

use crate::{
    letter::Letter,
    shop::{Scene, alone, read_all},
};

pub(super) const WORDS: &[&str] = &[
    "typebus-reason: ",
    "typebus-error: ",
    "typebus-attempts: ",
    "typebus-handler: ",
    "typebus-group: shop",
    "typebus-group: ",
    "typebus-origin-topic: ",
    "typebus-origin-partition: ",
    "typebus-origin-position: ",
    "typebus-redriven: ",
    "typebus-first: ",
    "typebus-last: ",
    "2026-11-24T05:51:08.123Z",
    "shop.orders",
    "shop.audit",
    "shop.payments",
    "dead.shop",
    "ce_type: order.placed.v2",
    "ce_type: ",
    "ce_id: 1",
    "place",
    "audit",
    "unknown-version",
    "headers",
    "crashed",
    "7:9",
    ":",
    "18446744073709551615:1",
    "@key: ann",
    "content-type: application/cloudevents+json",
    "\n",
    "\n\n",
];

/// Headers of a dead letter, as a [`Letter`] that somebody put on the topic of dead letters, and on that of replays.
pub fn letter(input: &[u8]) {
    let forged = Letter::read(input);
    alone(async {
        let scene = Scene::set().await;
        scene.send("dead.shop", &forged).await;
        scene.send("dead.shop.redrive", &forged).await;
        let running = scene.start().await;
        // What the forged replay became is a dead letter beside the forged one, or was handled.
        let before = scene.letters().await;
        before.iter().for_each(|letter| is_read(letter, &forged));
        let handled = scene.log.take();
        assert!(before.len() + handled.len() <= 2, "{before:?} {handled:?}");
        for group in running.stats().groups() {
            assert_eq!((group.received, group.retried), (group.settled(), 0), "{group:?}");
        }
        let letters = scene.bus.dead_letters("shop");
        for letter in &before {
            // Those of nobody are listed, so that they can be discarded, but are nobody's to replay.
            if letter.group() != "shop" {
                assert!(letters.replay(letter).await.is_err(), "{letter:?}");
                continue;
            }
            letters.replay(letter).await.expect("a dead letter of the group's can be replayed");
            running.caught_up().await.expect("it catches up");
            let redriven = letter.redriven().saturating_add(1);
            for arrival in scene.log.take() {
                assert_eq!((&*arrival.topic, arrival.redriven), (&*letter.origin().topic, redriven));
                let position = position(&letter.origin().position);
                assert_eq!(
                    arrival.position.map(|found| found.to_string()),
                    position.map(|given| given.to_string())
                );
            }
        }
        for letter in scene.letters().await {
            is_read(&letter, &forged);
        }
        running.stop().await.expect("it stops");
    });
}

/// It says what can be read of it, and what was sent is still there.
fn is_read(letter: &DeadLetter, forged: &Letter) {
    read_all(letter.metadata());
    let _ =
        (letter.reason().to_string(), letter.error(), letter.attempts(), letter.handler(), letter.redriven());
    let _ =
        (letter.first().map(|time| time.to_rfc3339()), letter.last(), letter.origin(), format!("{letter:?}"));
    assert_eq!(letter.payload(), forged.payload);
}

/// One number, or two with a colon between.
fn position(text: &str) -> Option<Position> {
    let number = |text: &str| text.parse::<u64>().ok();
    match text.split(':').collect::<Vec<_>>()[..] {
        [one] => number(one).map(Position::new),
        [major, minor] => Some(Position::pair(number(major)?, number(minor)?)),
        _ => None,
    }
}
