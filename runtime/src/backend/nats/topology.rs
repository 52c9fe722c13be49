//! Streams and consumers: which a plan needs, whether they are as it needs them, and how they are made.

use std::{collections::BTreeMap, future::poll_fn, pin::Pin};

use async_nats::jetstream::{
    ErrorCode,
    consumer::{AckPolicy, DeliverPolicy, PriorityPolicy, pull},
    context::GetStreamErrorKind,
    stream::{self, RetentionPolicy, StorageType, Stream as Handle},
};
use futures_core::Stream;

use super::{
    SYSTEM,
    config::{Nats, Provision},
    connect::Link,
    failure::{asked, error},
    names,
    sources::{Source, meet, sources},
};
use crate::{
    backend::{Order, Plan, Start, Subscription, Topic},
    error::{Error, ErrorKind, Problem, Result},
};

/// Made by typebus: it may be brought up to date.
const MADE_BY: (&str, &str) = ("typebus", "1");
/// How long what was remembered of single deliveries and consumers is kept.
const STATE_AGE: std::time::Duration = std::time::Duration::from_secs(14 * 24 * 60 * 60);
/// How long replies are kept, which nobody wants who has not received them.
const REPLY_AGE: std::time::Duration = std::time::Duration::from_secs(10 * 60);

/// Brings about what a plan needs, or says all that keeps it from that.
pub(super) async fn provision(options: &Nats, link: &Link, plan: &Plan) -> Result<()> {
    let mut work = Work { options, link, problems: Vec::new() };
    work.run(plan).await?;
    match work.problems.is_empty() {
        true => Ok(()),
        false => Err(Error::from_problems(ErrorKind::Topology, "provision", work.problems).at(SYSTEM)),
    }
}

struct Work<'a> {
    options: &'a Nats,
    link: &'a Link,
    problems: Vec<Problem>,
}

impl Work<'_> {
    fn wrong(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.problems.push(Problem::new(place, text));
    }

    async fn run(&mut self, plan: &Plan) -> Result<()> {
        if !self.link.is_at_least(2, 14) {
            let version = self.link.client.server_info().version;
            let text = format!(
                "the server is {version}; order after a crash needs the reset of consumers, which 2.14 is the first to have"
            );
            self.wrong("the server", text);
            return Ok(());
        }
        let mut streams: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut readers: BTreeMap<String, usize> = BTreeMap::new();
        for subscription in &plan.subscriptions {
            let (group, filter) = (&subscription.group, &subscription.filter);
            let found = sources(self.options, filter);
            if found.is_empty() {
                let text = "a pattern that begins with a wildcard belongs to no stream; begin it with a plain token, or \
                            name the streams (`stream.NAME=SUBJECTS`)";
                self.wrong(format!("group `{group}` on `{filter}`"), text);
            }
            for source in found {
                *readers.entry(source.stream.clone()).or_default() +=
                    usize::from(subscription.instance.is_none());
                streams.entry(source.stream).or_default().extend(source.filters);
            }
        }
        for published in plan.publishes.iter().chain(&plan.dead_letters) {
            for source in sources(self.options, published) {
                streams.entry(source.stream).or_default().extend(source.filters);
            }
        }
        if !self.problems.is_empty() {
            return Ok(());
        }
        if self.options.provision != Provision::Trust {
            if plan.subscriptions.iter().any(|subscription| subscription.instance.is_none()) {
                self.stream(names::STATE, &[names::STATES.to_owned()], 0).await?;
            }
            for (name, filters) in &streams {
                self.stream(name, filters, readers.get(name).copied().unwrap_or_default()).await?;
            }
        }
        if !self.problems.is_empty() {
            return Ok(());
        }
        for subscription in &plan.subscriptions {
            if self.options.provision == Provision::Trust && subscription.instance.is_none() {
                continue;
            }
            for source in sources(self.options, &subscription.filter) {
                self.consumer(subscription, &source).await?;
            }
        }
        Ok(())
    }

    async fn stream(&mut self, name: &str, filters: &[String], readers: usize) -> Result<()> {
        let place = format!("stream `{name}`");
        let wanted = stream_config(self.options, self.link, name, filters);
        match stream(self.link, name).await? {
            Some(found) => self.compare(&found.cached_info().config, &wanted, filters, readers),
            None if self.options.provision == Provision::Verify => {
                let subjects = wanted.subjects.join(", ");
                self.wrong(place, format!("it is missing; it is to have the subjects {subjects}"));
            }
            None => match self
                .link
                .allowed(
                    "provision",
                    &format!("$JS.API.STREAM.CREATE.{name}"),
                    self.link.context.create_stream(wanted.clone()),
                )
                .await?
            {
                Ok(_) => {}
                Err(cause) => match cause.kind() {
                    stream_error if is_code(&stream_error, ErrorCode::STREAM_NAME_EXIST) => {
                        // Another service was faster.
                        if let Some(found) = stream(self.link, name).await? {
                            self.compare(&found.cached_info().config, &wanted, filters, readers);
                        }
                    }
                    stream_error if is_code(&stream_error, ErrorCode::STREAM_SUBJECT_OVERLAP) => {
                        let others = self.overlapping(&wanted.subjects).await?;
                        let text = format!(
                            "its subjects {} overlap with {others}; name that stream (`stream.NAME=SUBJECTS`), or \
                             rename the topics",
                            wanted.subjects.join(", ")
                        );
                        self.wrong(place, text);
                    }
                    _ => return Err(asked("provision", &format!("creating {place}"), cause)),
                },
            },
        }
        Ok(())
    }

    /// The streams that have some of these subjects.
    async fn overlapping(&self, subjects: &[String]) -> Result<String> {
        let mut streams = self.link.context.streams();
        let mut found = Vec::new();
        loop {
            let listing = poll_fn(|cx| Pin::new(&mut streams).poll_next(cx));
            let Some(next) = self.link.allowed("provision", "$JS.API.STREAM.LIST", listing).await? else {
                break;
            };
            let config = next.map_err(|cause| asked("provision", "listing the streams", cause))?.config;
            let is_shared = |theirs: &&String| subjects.iter().any(|ours| names::overlap(ours, theirs));
            let shared: Vec<_> = config.subjects.iter().filter(is_shared).cloned().collect();
            if !shared.is_empty() {
                found.push(format!("stream `{}` ({})", config.name, shared.join(", ")));
            }
        }
        Ok(found.join(" and "))
    }

    fn compare(
        &mut self,
        found: &stream::Config,
        wanted: &stream::Config,
        filters: &[String],
        readers: usize,
    ) {
        let place = format!("stream `{}`", wanted.name);
        let missing: Vec<_> = filters
            .iter()
            .filter(|filter| {
                !found.subjects.iter().any(|subject| meet(subject, filter).as_ref() == Some(*filter))
            })
            .cloned()
            .collect();
        if !missing.is_empty() {
            let text = format!(
                "it has the subjects {}, and {} are needed",
                found.subjects.join(", "),
                missing.join(", ")
            );
            self.wrong(place.clone(), text);
        }
        match found.retention {
            RetentionPolicy::Limits => {}
            RetentionPolicy::Interest => {
                let text = "its retention is `interest`, which confirms what no consumer wants and stores nothing; use a \
                            stream with `limits`";
                self.wrong(place.clone(), text);
            }
            RetentionPolicy::WorkQueue if readers > 1 => {
                let text = "its retention is `workqueue`, which has room for one group, and there are several; use a \
                            stream with `limits`";
                self.wrong(place.clone(), text);
            }
            RetentionPolicy::WorkQueue => {}
        }
        if found.no_ack {
            self.wrong(place.clone(), "it has `no_ack`, so that nothing is ever confirmed; turn it off");
        }
        let is_ours =
            wanted.subjects.first().is_some_and(|subject| names::is_dead(&Topic::from(subject.as_str())));
        if is_ours
            && (found.max_age > std::time::Duration::ZERO || found.max_bytes > 0 || found.max_messages > 0)
        {
            let text = "it has limits (`max_age`, `max_bytes` or `max_msgs`), and dead letters must never be evicted";
            self.wrong(place.clone(), text);
        }
        if self.options.provision != Provision::Verify {
            return;
        }
        let mut differs = |what: &str, found: String, wanted: String| {
            if found != wanted {
                let text = format!("`{what}` is {found}, and is to be {wanted}");
                self.problems.push(Problem::new(place.clone(), text));
            }
        };
        differs("storage", format!("{:?}", found.storage), format!("{:?}", wanted.storage));
        differs("num_replicas", found.num_replicas.to_string(), wanted.num_replicas.to_string());
        differs(
            "duplicate_window",
            format!("{:?}", found.duplicate_window),
            format!("{:?}", wanted.duplicate_window),
        );
        differs("allow_msg_ttl", found.allow_message_ttl.to_string(), wanted.allow_message_ttl.to_string());
        if found.max_message_size > 0 && found.max_message_size < wanted.max_message_size {
            differs("max_msg_size", found.max_message_size.to_string(), wanted.max_message_size.to_string());
        }
    }

    async fn consumer(&mut self, subscription: &Subscription, source: &Source) -> Result<()> {
        let name = names::consumer(subscription);
        let place = format!("consumer `{name}` of stream `{}`", source.stream);
        let wanted = consumer_config(self.options, subscription, &name, &source.filters);
        let Some(stream) = stream(self.link, &source.stream).await? else {
            self.wrong(place, "its stream is missing");
            return Ok(());
        };
        let creating = format!("$JS.API.CONSUMER.CREATE.{}.{name}", source.stream);
        let Some(info) = consumer(self.link, &stream, &name).await? else {
            if self.options.provision == Provision::Verify && subscription.instance.is_none() {
                self.wrong(place, "it is missing");
                return Ok(());
            }
            let created = self.link.allowed("provision", &creating, stream.create_consumer(wanted)).await?;
            return created
                .map(|_| ())
                .map_err(|cause| asked("provision", &format!("creating {place}"), cause));
        };
        let found = &info.config;
        let mut filters = found.filter_subjects.clone();
        filters.extend(Some(found.filter_subject.clone()).filter(|filter| !filter.is_empty()));
        if filters != source.filters {
            let text =
                format!("it reads {}, and is to read {}", filters.join(", "), source.filters.join(", "));
            self.wrong(place.clone(), text);
        }
        if found.ack_policy != AckPolicy::Explicit || found.max_deliver > 0 {
            let text = format!(
                "it has ack_policy {:?} and max_deliver {}, and is to have Explicit and -1",
                found.ack_policy, found.max_deliver
            );
            self.wrong(place.clone(), text);
        }
        let is_made_by_us = found.metadata.contains_key(MADE_BY.0);
        if found.priority_policy != wanted.priority_policy {
            if is_made_by_us && self.options.provision == Provision::Create {
                let updated =
                    self.link.allowed("provision", &creating, stream.update_consumer(wanted)).await?;
                return updated
                    .map(|_| ())
                    .map_err(|cause| asked("provision", &format!("giving {place} its new order"), cause));
            }
            let text = format!(
                "its priority_policy is {:?}, and the order of the subscription needs {:?}",
                found.priority_policy, wanted.priority_policy
            );
            self.wrong(place.clone(), text);
        }
        if self.options.provision == Provision::Verify {
            if found.ack_wait != wanted.ack_wait {
                let text = format!("`ack_wait` is {:?}, and is to be {:?}", found.ack_wait, wanted.ack_wait);
                self.wrong(place.clone(), text);
            }
            if found.max_ack_pending != wanted.max_ack_pending {
                let (found, wanted) = (found.max_ack_pending, wanted.max_ack_pending);
                self.wrong(place, format!("`max_ack_pending` is {found}, and is to be {wanted}"));
            }
        }
        Ok(())
    }
}

fn stream_config(options: &Nats, link: &Link, name: &str, filters: &[String]) -> stream::Config {
    let named = options.streams.iter().find(|(named, _)| named == name).map(|(_, subjects)| subjects.clone());
    let first = filters.first().map_or("", |filter| names::first_token(filter));
    let is_state = name == names::STATE;
    let subjects = match named {
        Some(subjects) => {
            let laters = filters.iter().map(|filter| names::laters(names::first_token(filter)));
            let mut subjects: Vec<_> =
                subjects.into_iter().chain(laters.filter(|it| !it.contains(".*."))).collect();
            subjects.dedup();
            subjects
        }
        None if is_state => filters.to_vec(),
        None => filters.first().map_or_else(Vec::new, |filter| names::subjects(filter)),
    };
    let is_letters = first == "dead";
    stream::Config {
        name: name.to_owned(),
        subjects,
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        num_replicas: options.replicas,
        duplicate_window: options.duplicate_window,
        max_message_size: i32::try_from(options.max_message).unwrap_or(i32::MAX),
        max_age: match first {
            _ if is_state => STATE_AGE,
            "reply" => REPLY_AGE,
            _ => std::time::Duration::ZERO,
        },
        max_messages_per_subject: if is_state { 1 } else { -1 },
        allow_message_ttl: true,
        allow_message_schedules: !is_letters && !is_state && link.is_at_least(2, 12),
        description: Some("made by typebus".to_owned()),
        metadata: [(MADE_BY.0.to_owned(), MADE_BY.1.to_owned())].into(),
        ..stream::Config::default()
    }
}

/// The consumer of a subscription. The instance's own goes by itself.
pub(super) fn consumer_config(
    options: &Nats,
    subscription: &Subscription,
    name: &str,
    filters: &[String],
) -> pull::Config {
    let is_pinned = is_pinned(subscription);
    let (filter_subject, filter_subjects) = match filters {
        [filter] => (filter.clone(), Vec::new()),
        filters => (String::new(), filters.to_vec()),
    };
    let from_now = subscription.instance.is_some() || subscription.start == Some(Start::Latest);
    pull::Config {
        name: Some(name.to_owned()),
        durable_name: Some(name.to_owned()),
        description: Some("made by typebus".to_owned()),
        deliver_policy: if from_now { DeliverPolicy::New } else { DeliverPolicy::All },
        ack_policy: AckPolicy::Explicit,
        ack_wait: options.ack_wait,
        max_deliver: -1,
        max_ack_pending: i64::try_from(subscription.limits.gap).unwrap_or(i64::MAX),
        filter_subject,
        filter_subjects,
        inactive_threshold: match subscription.instance {
            Some(_) => options.instance_expiry,
            None => std::time::Duration::ZERO,
        },
        priority_policy: if is_pinned { PriorityPolicy::PinnedClient } else { PriorityPolicy::None },
        priority_groups: if is_pinned { vec![names::PINNED.to_owned()] } else { Vec::new() },
        priority_timeout: if is_pinned { options.pin_timeout } else { std::time::Duration::ZERO },
        metadata: [(MADE_BY.0.to_owned(), MADE_BY.1.to_owned())].into(),
        ..pull::Config::default()
    }
}

/// Whether one instance at a time is active.
pub(super) fn is_pinned(subscription: &Subscription) -> bool {
    subscription.instance.is_none() && subscription.order != Order::None
}

/// A stream, if it exists.
pub(super) async fn stream(link: &Link, name: &str) -> Result<Option<Handle>> {
    let subject = format!("$JS.API.STREAM.INFO.{name}");
    match link.allowed("provision", &subject, link.context.get_stream(name)).await? {
        Ok(stream) => Ok(Some(stream)),
        Err(cause) => match cause.kind() {
            GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                Ok(None)
            }
            GetStreamErrorKind::JetStream(error)
                if error.error_code() == ErrorCode::JETSTREAM_NOT_ENABLED
                    || error.error_code() == ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT =>
            {
                let text = "JetStream is off, on the server or for this account; turn it on";
                Err(self::error(ErrorKind::Topology, "provision", text))
            }
            _ => Err(asked("provision", &format!("asking for stream `{name}`"), cause)),
        },
    }
}

/// A consumer's state, if it exists.
pub(super) async fn consumer(
    link: &Link,
    stream: &Handle,
    name: &str,
) -> Result<Option<async_nats::jetstream::consumer::Info>> {
    use async_nats::jetstream::context::ConsumerInfoErrorKind as Kind;
    let subject = format!("$JS.API.CONSUMER.INFO.{}.{name}", stream.cached_info().config.name);
    match link.allowed("provision", &subject, stream.consumer_info(name)).await? {
        Ok(info) => Ok(Some(info)),
        Err(cause) => match cause.kind() {
            Kind::NotFound => Ok(None),
            Kind::JetStream(error) if error.error_code() == ErrorCode::CONSUMER_NOT_FOUND => Ok(None),
            _ => Err(asked("provision", &format!("asking for consumer `{name}`"), cause)),
        },
    }
}

fn is_code(kind: &async_nats::jetstream::context::CreateStreamErrorKind, code: ErrorCode) -> bool {
    use async_nats::jetstream::context::CreateStreamErrorKind as Kind;
    matches!(kind, Kind::JetStream(error) if error.error_code() == code)
}
