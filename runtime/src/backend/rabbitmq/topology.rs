//! Exchanges, queues and bindings: created, or compared.

use std::collections::BTreeSet;

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use tokio::time::timeout;

use super::{
    Core, answer,
    config::{Provision, RabbitMq},
    connect::Link,
    failure::{self, error},
    names::{binding_key, short},
    note, wire,
};
use crate::{
    backend::{Order, Plan, Subscription},
    error::{Error, ErrorKind, Problem, Result},
};

/// Makes sure that everything in a plan is there.
///
/// # Errors
/// `Topology` with every difference at once, `Connect`, `Permission`.
pub(super) async fn provision(core: &Core, plan: &Plan) -> Result<()> {
    let link = core.control().await?;
    let mode = core.options.provision;
    let mut maker = Maker { core, link: &link, channel: None, problems: Vec::new() };
    for item in items(core, plan) {
        match mode {
            // What only this instance has nobody else can make.
            _ if item.is_own() => maker.make(&item).await?,
            Provision::Trust => {}
            Provision::Create => maker.make(&item).await?,
            Provision::Verify => maker.compare(&item).await?,
        }
    }
    if mode == Provision::Verify && maker.problems.is_empty() {
        maker.probe().await?;
    }
    if maker.problems.is_empty() {
        return Ok(());
    }
    Err(Error::from_problems(ErrorKind::Topology, "provision", maker.problems).at(super::SYSTEM))
}

/// Makes the queue of an instance again, which may have expired.
///
/// # Errors
/// As for [`provision`].
pub(super) async fn make_own(core: &Core, link: &Link, subscription: &Subscription) -> Result<()> {
    let mut maker = Maker { core, link, channel: None, problems: Vec::new() };
    for item in of_subscription(core, subscription) {
        maker.make(&item).await?;
    }
    Ok(())
}

/// Something that is there or not.
#[derive(Debug, Clone)]
enum Item {
    Exchange { name: ShortString, kind: ExchangeKind },
    Queue { name: ShortString, what: String, arguments: FieldTable, is_own: bool },
    Binding { queue: ShortString, exchange: ShortString, key: String, arguments: FieldTable, is_own: bool },
}

impl Item {
    const fn is_own(&self) -> bool {
        match self {
            Self::Exchange { .. } => false,
            Self::Queue { is_own, .. } | Self::Binding { is_own, .. } => *is_own,
        }
    }
}

/// More returns than there will be: reading letters without taking them counts as one, and by default the server drops a
/// message after twenty.
const ENDLESS: i64 = 1_000_000_000;

fn items(core: &Core, plan: &Plan) -> Vec<Item> {
    let names = &core.names;
    let topic = |name| Item::Exchange { name, kind: ExchangeKind::Topic };
    let mut items = vec![
        topic(names.exchange()),
        topic(names.dead_exchange()),
        topic(names.reply_exchange()),
        Item::Exchange { name: names.backstop_exchange(), kind: ExchangeKind::Headers },
        Item::Exchange { name: names.control_exchange(), kind: ExchangeKind::Direct },
    ];
    for letters in &plan.dead_letters {
        let name = names.letters(letters);
        let arguments = table([text("x-queue-type", "quorum"), number("x-delivery-limit", ENDLESS)]);
        let what = format!("dead letters `{letters}`");
        items.push(Item::Queue { name: name.clone(), what, arguments, is_own: false });
        items.push(bind(name, names.dead_exchange(), letters.to_string()));
    }
    let shared = || plan.subscriptions.iter().filter(|subscription| subscription.instance.is_none());
    let groups: BTreeSet<&str> = shared().map(|subscription| subscription.group.as_str()).collect();
    for group in groups {
        let what = format!("backstop of group `{group}`");
        let arguments = table([text("x-queue-type", "quorum"), number("x-delivery-limit", ENDLESS)]);
        items.push(Item::Queue { name: names.backstop(group), what, arguments, is_own: false });
        let what = format!("journal of group `{group}`");
        let arguments = table([
            text("x-queue-type", "stream"),
            number("x-max-length-bytes", 4_000_000),
            number("x-stream-max-segment-size-bytes", 1_000_000),
        ]);
        items.push(Item::Queue { name: names.journal(group), what, arguments, is_own: false });
    }
    items.extend(plan.subscriptions.iter().flat_map(|subscription| of_subscription(core, subscription)));
    items
}

fn of_subscription(core: &Core, subscription: &Subscription) -> Vec<Item> {
    let (names, options) = (&core.names, &core.options);
    let Subscription { group, filter, order, instance, .. } = subscription;
    let (name, is_own) = (names.queue(subscription), instance.is_some());
    let what = format!("group `{group}` on `{filter}`");
    let arguments = match instance {
        Some(_) => own(options),
        None => shared(core, *order),
    };
    let key = binding_key(filter);
    let exchange = names.exchange_of(filter);
    let mut items = vec![
        Item::Queue { name: name.clone(), what, arguments, is_own },
        Item::Binding { queue: name.clone(), exchange, key, arguments: FieldTable::default(), is_own },
    ];
    if !is_own {
        // What expires dies too, and is meant to: it finds no way.
        let arguments = table([
            text("x-match", "all-with-x"),
            text("x-first-death-reason", "delivery_limit"),
            text("x-first-death-queue", name.as_str()),
        ]);
        let (queue, exchange) = (names.backstop(group), names.backstop_exchange());
        items.push(Item::Binding { queue, exchange, key: String::new(), arguments, is_own });
    }
    items
}

fn shared(core: &Core, order: Order) -> FieldTable {
    let mut arguments = table([
        text("x-queue-type", "quorum"),
        number("x-delivery-limit", i64::from(core.options.delivery_limit)),
        text("x-dead-letter-exchange", core.names.backstop_exchange().as_str()),
    ]);
    if order != Order::None {
        arguments.insert(short("x-single-active-consumer"), AMQPValue::Boolean(true));
    }
    raw(&core.options, &mut arguments);
    arguments
}

fn own(options: &RabbitMq) -> FieldTable {
    let expiry = i64::try_from(options.instance_expiry.as_millis()).unwrap_or(i64::MAX);
    table([text("x-queue-type", "classic"), number("x-expires", expiry)])
}

fn raw(options: &RabbitMq, into: &mut FieldTable) {
    for (name, value) in &options.queue_arguments {
        let value = match value.as_str() {
            "true" => AMQPValue::Boolean(true),
            "false" => AMQPValue::Boolean(false),
            text => text.parse().map_or_else(|_| AMQPValue::LongString(text.into()), AMQPValue::LongLongInt),
        };
        into.insert(short(name), value);
    }
}

fn bind(queue: ShortString, exchange: ShortString, key: String) -> Item {
    Item::Binding { queue, exchange, key, arguments: FieldTable::default(), is_own: false }
}

fn text(name: &str, value: &str) -> (ShortString, AMQPValue) {
    (short(name), AMQPValue::LongString(value.into()))
}

fn number(name: &str, value: i64) -> (ShortString, AMQPValue) {
    (short(name), AMQPValue::LongLongInt(value))
}

fn table<const N: usize>(fields: [(ShortString, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in fields {
        table.insert(name, value);
    }
    table
}

/// Works through items on scratch channels: whatever is refused takes its channel with it.
struct Maker<'a> {
    core: &'a Core,
    link: &'a Link,
    channel: Option<Channel>,
    problems: Vec<Problem>,
}

impl Maker<'_> {
    async fn channel(&mut self) -> Result<Channel> {
        if let Some(channel) = self.channel.as_ref().filter(|channel| channel.status().connected()) {
            return Ok(channel.clone());
        }
        let channel = self.link.channel(self.core.options.request_timeout).await?;
        self.channel = Some(channel.clone());
        Ok(channel)
    }

    /// Creates it, or notes that it differs.
    async fn make(&mut self, item: &Item) -> Result<()> {
        let done = self.declare(item, false).await?;
        self.judge(item, done)
    }

    /// Notes that it is missing, or that it differs.
    async fn compare(&mut self, item: &Item) -> Result<()> {
        if matches!(item, Item::Binding { .. }) {
            // AMQP cannot ask for a binding; making one that is there changes nothing, and one that is missing is noticed
            // by its queue missing, in all but the oddest cases.
            return Ok(());
        }
        match self.declare(item, true).await? {
            Ok(()) => {
                // It is there, so that this makes nothing, and says whether it is as it should be.
                let same = self.declare(item, false).await?;
                self.judge(item, same)
            }
            Err(cause) if failure::code(&cause) == Some(404) => {
                let text = "it is missing; create it with `provision = create`, or `typebus provision`";
                self.problems.push(Problem::new(place(item), text));
                Ok(())
            }
            missing => self.judge(item, missing),
        }
    }

    fn judge(&mut self, item: &Item, done: lapin::Result<()>) -> Result<()> {
        let Err(cause) = done else { return Ok(()) };
        match failure::code(&cause) {
            Some(406) => {
                let text = format!(
                    "it is there and differs: {cause}. An existing one cannot be switched: stop the group, let it drain, \
                     delete it, and start again; or give the group another name"
                );
                self.problems.push(Problem::new(place(item), text));
                Ok(())
            }
            Some(404) => {
                self.problems.push(Problem::new(place(item), format!("what it needs is missing: {cause}")));
                Ok(())
            }
            _ => Err(failure::of(&cause, "provision")),
        }
    }

    async fn declare(&mut self, item: &Item, passive: bool) -> Result<lapin::Result<()>> {
        let channel = self.channel().await?;
        let work = async {
            match item.clone() {
                Item::Exchange { name, kind } => {
                    let options = ExchangeDeclareOptions {
                        passive,
                        durable: true,
                        ..ExchangeDeclareOptions::default()
                    };
                    channel.exchange_declare(name, kind, options, FieldTable::default()).await
                }
                Item::Queue { name, arguments, .. } => {
                    let options =
                        QueueDeclareOptions { passive, durable: true, ..QueueDeclareOptions::default() };
                    channel.queue_declare(name, options, arguments).await.map(|_| ())
                }
                Item::Binding { queue, exchange, key, arguments, .. } => {
                    channel
                        .queue_bind(queue, exchange, short(&key), QueueBindOptions::default(), arguments)
                        .await
                }
            }
        };
        let limit = self.core.options.request_timeout;
        timeout(limit, work).await.map_err(|_| {
            let text = format!("{}: the server did not answer within {limit:?}", place(item));
            error(ErrorKind::Timeout, "provision", text)
        })
    }

    /// Publishes where nobody can be: what does not come back was caught by an alternate exchange, or by a queue that is
    /// bound to everything, and then no unroutable event would ever be noticed.
    async fn probe(&mut self) -> Result<()> {
        let key = short(&format!("{PROBE}-{:032x}", fastrand::u128(..)));
        let message = note("");
        // It expires before anybody can read it.
        let properties = wire::properties(&message)?.with_expiration(short("0"));
        let exchange = self.core.names.exchange();
        match answer(self.core.send(exchange.clone(), key, message, properties)).await {
            Err(error) if error.kind() == ErrorKind::Unroutable => Ok(()),
            Err(error) => Err(error),
            Ok(_) => {
                let text = "a message that nobody receives did not come back: an alternate exchange, or a queue bound to \
                            everything, catches what is unroutable, so that it would never be noticed; take it away";
                self.problems.push(Problem::new(format!("exchange `{exchange}`"), text));
                Ok(())
            }
        }
    }
}

/// The first token of what is published to see whether it comes back.
const PROBE: &str = "typebus-probe";

fn place(item: &Item) -> String {
    match item {
        Item::Exchange { name, .. } => format!("exchange `{name}`"),
        Item::Queue { name, what, .. } => format!("queue `{name}` ({what})"),
        Item::Binding { queue, exchange, key, .. } => {
            format!("binding of `{queue}` to `{exchange}` by `{key}`")
        }
    }
}
