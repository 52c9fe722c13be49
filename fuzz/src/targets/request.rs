//! Requests and replies, which others may forge.

use std::time::Duration;

use typebus::{ErrorKind, Reason, prelude::*, testing::Foreign};

use crate::{
    letter::Letter,
    shop::{End, GetQuote, Quote, alone, broker, play},
};

pub(super) const WORDS: &[&str] = &[
    "typebus-reply-to: ",
    "reply.shop.0123456789abcdef",
    "typebus-call: ",
    "typebus-time-to-live: ",
    "typebus-reason: ",
    "typebus-error: ",
    "ce_type: get.quote.v1",
    "ce_type: get.quote.reply.v1",
    "ce_type: get.quote.v2",
    "content-type: application/json",
    "content-type: application/cloudevents+json",
    "no-replier",
    "failed",
    "expired",
    "{\"number\":1}",
    "{\"cents\":1}",
    "shop.orders",
    "\n",
    "\n\n",
];

/// Headers of a request, as a [`Letter`]: whoever asks in an odd way gets no reply, or his own.
pub fn request(input: &[u8]) {
    let letter = Letter::read(input);
    let end = play(&letter, &["shop.quotes"]).remove(0);
    let has_time = letter.headers.iter().any(|(name, _)| name == b"typebus-time-to-live");
    match end {
        End::Expired => assert!(has_time, "nobody said how long it is of use"),
        End::Dead(reason) => {
            let is_expected =
                matches!(reason, Reason::Headers | Reason::Undecodable | Reason::UnknownVersion);
            assert!(is_expected, "{reason:?}");
        }
        End::Handled(_) | End::Skipped => {}
    }
}

/// Who asks, and is told by others.
#[handler(topic = "shop.quotes", group = "spy")]
async fn spy(event: AnyEvent, asked: State<Asked>) {
    let metadata = event.metadata();
    let header = |name| metadata.header(name).unwrap_or_default().to_owned();
    _ = asked.0.send((header("typebus-reply-to"), header("typebus-call")));
}

struct Asked(tokio::sync::mpsc::UnboundedSender<(String, String)>);

service! { Asker = "asker" { handles: [spy], publishes: [GetQuote], state: [Asked], manifest: none } }

/// A reply, as a [`Letter`] that answers the call in flight: the call ends, and the next one is answered.
pub fn reply(input: &[u8]) {
    let forged = Letter::read(input);
    alone(async {
        let (url, (sender, mut calls)) = (broker(), tokio::sync::mpsc::unbounded_channel());
        let bus = Bus::<Asker>::builder().state(Asked(sender)).connect(&url).await.expect("it is sound");
        let foreign = Foreign::connect(&url).expect("the broker is there");
        let running = bus.start().await.expect("it starts");
        let good = Letter::with_payload(br#"{"cents":7}"#)
            .header("ce_type", "get.quote.reply.v1")
            .header("content-type", "application/json");
        for letter in [&forged, &good] {
            let answer = async {
                let (topic, call) = calls.recv().await.expect("somebody asked");
                // First a reply to nobody, which is passed over; the one that names the call is what counts.
                letter.by(&foreign, &topic).send().await.expect("the broker takes it");
                let named = letter.clone().header("typebus-call", call);
                named.by(&foreign, &topic).send().await.expect("the broker takes it");
            };
            let ask = async { bus.request(&GetQuote { number: 1 }).await };
            let (told, ()) = tokio::join!(ask, answer);
            match told {
                Ok(quote) if letter == &good => assert_eq!(quote, Quote { cents: 7 }),
                Ok(_) => {}
                Err(error) => {
                    assert!(letter != &good, "a good reply after {forged:?} was not taken: {error}");
                    let is_expected = matches!(
                        error.kind(),
                        ErrorKind::RequestFailed | ErrorKind::Timeout | ErrorKind::NoReplier
                    );
                    assert!(is_expected && !error.to_string().is_empty(), "{error:?}");
                }
            }
        }
        tokio::time::timeout(Duration::from_secs(3_600), running.stop())
            .await
            .expect("in time")
            .expect("it stops");
    });
}
