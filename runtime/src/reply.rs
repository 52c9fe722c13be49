//! Requests and replies on the wire.
//!
//! A request is an event with three headers more: where the reply goes, a name for the call, and for how long it is of
//! use. A reply is a message in the usual envelope, caused by its request: its `type` is the request's name with
//! `.reply`, in the request's version (`get.quote.reply.v1`), its payload is JSON, and it repeats the name of the call.
//! A reply with a reason has no payload: the request was given up, and says why.

use std::{any::Any, time::Duration};

use crate::{
    backend::{Delivery, Message, Outgoing, Sender},
    codec::Encoded,
    envelope::{Cause, Identity, Stamp, split_kind},
    error::{BoxError, Error, ErrorKind, Result},
    event::EventDescriptor,
    message::{Attribute, JSON, Letterhead},
    scope::Scope,
    topic::{Hashed, MAX_GROUP, Topic},
};

/// On a request: the topic of the caller's replies.
const REPLY_TO: &str = "typebus-reply-to";
/// On a request and its reply: which call it is.
const CALL: &str = "typebus-call";
/// On a request: for how many milliseconds after it was published somebody waits.
const TIME_TO_LIVE: &str = "typebus-time-to-live";
/// On a dead letter, and on a reply instead of a payload.
pub(crate) const REASON: &str = "typebus-reason";
/// As [`REASON`]; at most 1 KiB.
pub(crate) const ERROR: &str = "typebus-error";

/// The topic of the replies to one instance of a service.
pub(crate) fn topic(service: &str, instance: &str) -> Topic {
    Topic::from(format!("reply.{service}.{instance}"))
}

/// Whether it is a topic of replies. Nothing else is published under a first token `reply`.
pub(crate) fn is_topic(topic: &str) -> bool {
    let mut tokens = topic.split('.');
    let (first, service, instance) = (tokens.next(), tokens.next(), tokens.next());
    let service = service.unwrap_or_default();
    let instance = instance.unwrap_or_default();
    first == Some("reply")
        && tokens.next().is_none()
        && (1..=MAX_GROUP).contains(&service.len())
        && service.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && (1..=32).contains(&instance.len())
        && instance.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

/// The request that `event` becomes by these headers.
pub(crate) fn request(event: &Message, reply_to: &Topic, call: &str, time_to_live: Duration) -> Message {
    let millis = u64::try_from(time_to_live.as_millis()).unwrap_or(u64::MAX);
    let mut builder = event.to_builder();
    builder
        .header(REPLY_TO.as_bytes(), reply_to.as_bytes())
        .header(CALL.as_bytes(), call.as_bytes())
        .header(TIME_TO_LIVE.as_bytes(), millis.to_string().as_bytes());
    builder.build()
}

/// For how long after its publishing a request is of use; `None` for one that was published like any event.
pub(crate) fn time_to_live(request: &Message) -> Option<Duration> {
    let millis = std::str::from_utf8(request.header(TIME_TO_LIVE)?).ok()?;
    millis.parse().ok().map(Duration::from_millis)
}

/// Who waits for a reply, and for which.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    reply_to: &'a str,
    call: &'a [u8],
}

/// What the errors of a reply are about, since a reply is no event.
const REPLY: EventDescriptor = EventDescriptor::new("the reply", "", "", 0, 0, 1, Hashed::NONE);

impl<'a> Asked<'a> {
    /// `None` if nobody asked, or if the headers are not such as the bus writes: a reply must not be a way to publish
    /// on any topic.
    pub(crate) fn by(request: &'a Delivery) -> Option<Self> {
        let reply_to = request.message.header(REPLY_TO)?;
        let call = request.message.header(CALL).filter(|call| (1..=64).contains(&call.len()));
        match (std::str::from_utf8(reply_to).ok().filter(|topic| is_topic(topic)), call) {
            (Some(reply_to), Some(call)) => Some(Self { reply_to, call }),
            _ => {
                tracing::warn!(
                    messaging.destination.name = %request.topic,
                    reply_to = %reply_to.escape_ascii(),
                    "a request asks for its reply in a way that the bus does not; it gets none"
                );
                None
            }
        }
    }

    /// The reply with this payload, which is what the request names.
    pub(crate) fn reply(&self, scope: &Scope, cause: Cause<'_>, reply: &dyn Any) -> Result<Outgoing> {
        let mut encoded = Encoded::default();
        let written = encoded.builder.payload(|into| match scope.write_reply {
            Some(write) => write(reply, into),
            None => Err(BoxError::from("its handler takes no request")),
        });
        written.map_err(|error| {
            let text = format!("the reply cannot be written as JSON: {error}");
            Error::new(ErrorKind::Encode, "reply", text).because(error)
        })?;
        self.seal(scope, cause, encoded, &[])
    }

    /// The reply that says why there is none.
    pub(crate) fn refusal(
        &self,
        scope: &Scope,
        cause: Cause<'_>,
        reason: &str,
        error: &str,
    ) -> Result<Outgoing> {
        self.seal(scope, cause, Encoded::default(), &[(REASON, reason), (ERROR, error)])
    }

    fn seal(
        &self,
        scope: &Scope,
        cause: Cause<'_>,
        mut encoded: Encoded,
        headers: &[(&str, &str)],
    ) -> Result<Outgoing> {
        let request = &cause.delivery.message;
        let kind = request.attribute(Attribute::Type).and_then(|kind| std::str::from_utf8(kind).ok());
        let (name, version) = split_kind(kind.unwrap_or(&cause.delivery.topic));
        let letterhead = Letterhead::new(&[
            (Attribute::Type, &format!("{name}.reply.v{version}")),
            (Attribute::ContentType, JSON),
            (Attribute::SpecVersion, "1.0"),
            (Attribute::Source, scope.outlet.source()),
        ]);
        let identity = Identity::Derived(cause.derive_id(scope, Some(b"reply"), 0));
        let stamp = Stamp { identity, cause: Some(cause), ..Stamp::PLAIN };
        stamp.seal(&REPLY, &letterhead, &mut encoded)?;
        encoded.builder.header(CALL.as_bytes(), self.call);
        for (name, value) in headers {
            encoded.builder.header(name.as_bytes(), value.as_bytes());
        }
        let message = encoded.builder.build();
        scope.outlet.fits(REPLY.ty, &message)?;
        Ok(Outgoing { topic: self.reply_to.into(), message, sender: Sender::Handler, options: None })
    }
}

/// What a reply says.
#[derive(Debug)]
pub(crate) enum Answer<'a> {
    Payload(&'a [u8]),
    /// The request was given up: reason and error.
    Refusal(&'a str, &'a str),
}

/// Which call a message answers, and how; nothing else should be on a topic of replies.
pub(crate) fn read(reply: &Message) -> Option<(&str, Answer<'_>)> {
    let text = |name| reply.header(name).and_then(|value| std::str::from_utf8(value).ok());
    let answer = match reply.header(REASON) {
        Some(_) => Answer::Refusal(text(REASON).unwrap_or_default(), text(ERROR).unwrap_or_default()),
        None => Answer::Payload(reply.payload()),
    };
    Some((text(CALL)?, answer))
}
