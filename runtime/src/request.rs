//! Requests of a program, each of which waits for its reply.

mod calls;

use std::{
    fmt,
    future::poll_fn,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::timeout;

pub(crate) use self::calls::Calls;
use crate::{
    backend::{Outgoing, SendOptions, Sender},
    error::{Error, ErrorKind, Result},
    event::Reply,
    message::{Attribute, Message},
    outlet::Outlet,
    outputs::short,
    publish::Publish,
    reply::{self, Answer},
};

/// A request that is to be answered by an `R`. The event is encoded already; it is sent when this is awaited, and the
/// await gives the reply.
///
/// ```
/// # use schemars::JsonSchema;
/// # use serde::{Deserialize, Serialize};
/// # use std::time::Duration;
/// # use typebus::prelude::*;
/// # #[derive(Serialize, Deserialize, JsonSchema)]
/// # struct Quote { cents: u64 }
/// # #[derive(Serialize, Deserialize, JsonSchema, Event)]
/// # #[event(topic = "prices.quotes", reply = Quote)]
/// # struct GetQuote { sku: String }
/// # service! { Shop = "shop" { publishes: [GetQuote] } }
/// # async fn ask(bus: &Bus<Shop>) -> typebus::Result<()> {
/// let quote = bus.request(&GetQuote { sku: "mug".into() }).timeout(Duration::from_secs(2)).await?;
/// tracing::info!(quote.cents, "asked");
/// # Ok(())
/// # }
/// ```
///
/// A request is handled at least once, like every event, and answered at most once: the reply is sent once, and the
/// first one counts. It expires with its time-out: what nobody waits for any more is not run.
///
/// # Errors
/// * `Timeout`: there was no reply in time. Nobody may handle it, its handler may be too slow or have died, the reply
///   may be lost: a time-out cannot tell. The request may have been carried out
///   ([`outcome_unknown`](Error::outcome_unknown)).
/// * `NoReplier`: the broker knows that nobody receives it.
/// * `RequestFailed`: its handler gave it up, after all attempts; the message has the reason and the error. Or the
///   reply is no `R`.
/// * `Closed`: the bus was stopped.
/// * What publishing it answers; `Config`: a time-out of 0.
///
/// # Cancel safety
/// Dropped before the first poll nothing is sent. Dropped later, the reply is not waited for any more; the request may
/// be handled all the same.
#[must_use = "a request is not sent until it is awaited"]
pub struct Requesting<R> {
    stage: Stage,
    reply: PhantomData<fn() -> R>,
}

enum Stage {
    Draft(Box<Draft>),
    Asked(Pin<Box<dyn Future<Output = Result<Message>> + Send>>),
    Over,
}

struct Draft {
    publish: Publish,
    outlet: Arc<Outlet>,
    calls: Option<Arc<Calls>>,
    timeout: Duration,
}

impl<R> Requesting<R> {
    pub(crate) fn new(
        publish: Publish,
        outlet: &Arc<Outlet>,
        calls: Option<&Arc<Calls>>,
        timeout: Duration,
    ) -> Self {
        let draft = Draft { publish, outlet: Arc::clone(outlet), calls: calls.map(Arc::clone), timeout };
        Self { stage: Stage::Draft(Box::new(draft)), reply: PhantomData }
    }

    fn change(mut self, change: impl FnOnce(Draft) -> Draft) -> Self {
        if let Stage::Draft(draft) = self.stage {
            self.stage = Stage::Draft(Box::new(change(*draft)));
        }
        self
    }

    /// Waits for the reply so long, beginning with the await, instead of [`Tuning::request_timeout`] (30 s).
    ///
    /// [`Tuning::request_timeout`]: crate::Tuning::request_timeout
    pub fn timeout(self, timeout: Duration) -> Self {
        self.change(|draft| Draft { timeout, ..draft })
    }

    /// Replaces the key, as [`Publish::key`] does.
    pub fn key(self, key: impl Into<String>) -> Self {
        self.change(|draft| Draft { publish: draft.publish.key(key), ..draft })
    }

    /// Adds a header, as [`Publish::header`] does.
    pub fn header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.change(|draft| Draft { publish: draft.publish.header(name, value), ..draft })
    }
}

impl<R: Reply> Future for Requesting<R> {
    type Output = Result<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<R>> {
        if let Stage::Draft(_) = self.stage
            && let Stage::Draft(draft) = std::mem::replace(&mut self.stage, Stage::Over)
        {
            self.stage = Stage::Asked(Box::pin(draft.ask()));
        }
        let Stage::Asked(asked) = &mut self.stage else { return Poll::Pending };
        let answer = std::task::ready!(asked.as_mut().poll(cx));
        self.stage = Stage::Over;
        Poll::Ready(answer.and_then(|reply| understand(&reply)))
    }
}

impl<R> fmt::Debug for Requesting<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stage, publish) = match &self.stage {
            Stage::Draft(draft) => ("draft", Some(&draft.publish)),
            Stage::Asked(_) => ("asked", None),
            Stage::Over => ("over", None),
        };
        f.debug_struct("Requesting").field("stage", &stage).field("publish", &publish).finish()
    }
}

impl Draft {
    /// Sends the request and waits for the reply.
    async fn ask(self: Box<Self>) -> Result<Message> {
        let Self { publish, outlet, calls, timeout: time } = *self;
        let error = |kind, text: String| Error::new(kind, "request", text).at(outlet.backend.system());
        let (topic, event) = publish.prepare()?.into_parts();
        if time.is_zero() {
            return Err(error(ErrorKind::Config, "a time-out of 0 waits for no reply; say more".to_owned()));
        }
        let Some(calls) = calls else {
            let text = "the service has no request among its `publishes`, so nothing reads the replies";
            return Err(error(ErrorKind::Unsupported, text.to_owned()));
        };
        let kind = text_of(&event, Attribute::Type).to_owned();
        let mut call = calls.begin()?;
        let message = reply::request(&event, calls.topic(), &call.name, time);
        if !message.is_sound() {
            let text = format!("{kind} has no room for the 3 headers of a request; give it fewer of its own");
            return Err(error(ErrorKind::InvalidHeader, text));
        }
        outlet.fits(&kind, &message)?;
        let options = Some(Box::new(SendOptions { expires_in: Some(time), ..SendOptions::default() }));
        let outgoing = Outgoing { topic: topic.clone(), message, sender: Sender::Program, options };
        let mut publishing = Some(outlet.send(outgoing));
        let answered = poll_fn(|cx| {
            if let Some(Poll::Ready(confirmed)) = publishing.as_mut().map(|sent| Pin::new(sent).poll(cx)) {
                publishing = None;
                match confirmed {
                    Ok(_) => outlet.count(&topic),
                    Err(unroutable) if unroutable.kind() == ErrorKind::Unroutable => {
                        let text = format!(
                            "nobody handles {kind} on {topic}: {unroutable}; start the service that answers it"
                        );
                        return Poll::Ready(Err(error(ErrorKind::NoReplier, text).because(unroutable)));
                    }
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
            call.poll(cx)
        });
        timeout(time, answered).await.unwrap_or_else(|_| {
            let text = format!(
                "no reply to {kind} on {topic} within {time:?}: nobody handles it, its handler is too slow or has died, \
                 or the reply is lost; it may have been carried out; ask again if it bears repeating, or wait longer with \
                 `.timeout(..)`"
            );
            Err(error(ErrorKind::Timeout, text).with_unknown_outcome())
        })
    }
}

/// Reads the reply.
fn understand<R: Reply>(reply: &Message) -> Result<R> {
    let failed = |text: String| Error::new(ErrorKind::RequestFailed, "request", text);
    let from = text_of(reply, Attribute::Source);
    match reply::read(reply) {
        Some((_, Answer::Payload(payload))) => R::read(payload).map_err(|error| {
            let wanted = std::any::type_name::<R>();
            failed(format!("the reply of service {from:?} is no {wanted}: {}", short(&error))).because(error)
        }),
        Some((_, Answer::Refusal(reason, error))) => {
            Err(failed(format!("service {from:?} gave it up ({}): {}", short(&reason), short(&error))))
        }
        None => Err(failed(format!("the reply of service {from:?} cannot be read"))),
    }
}

fn text_of(message: &Message, attribute: Attribute) -> &str {
    std::str::from_utf8(message.attribute(attribute).unwrap_or_default()).unwrap_or_default()
}
