//! Making sure that everything a plan needs is there, before anything is delivered.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    client::DefaultClientContext,
    config::FromClientConfigAndContext as _,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    metadata::Metadata,
    types::RDKafkaErrorCode as Code,
};

use super::{
    SYSTEM,
    block::block_on,
    commit::{add, committed},
    config::{Kafka, Provision},
    connect::{Trouble, created, metadata, partitions},
    errors::{error, of_client, of_code},
    instance::matching,
    names::{collide, discarded, group_of, physical},
    patience::patiently,
    rebalance::unsigned,
    record::Record,
    scratch::{scratch, why},
};
use crate::{
    backend::{Plan, Start, Subscription},
    error::{Error, ErrorKind, Problem, Result},
    topic,
};

/// How a topic is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) name: String,
    partitions: u32,
    nature: Nature,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nature {
    /// As long as the broker keeps things.
    Events,
    /// Nothing in it is ever evicted.
    Letters,
    /// The last word on each key is kept.
    Notes,
    /// Of no use after ten minutes.
    Replies,
}

impl Wanted {
    /// A topic by its name alone.
    pub(super) fn of(options: &Kafka, name: &str) -> Self {
        let name = physical(name);
        let first = name.split('.').next();
        let (partitions, nature) = match first {
            Some("reply") => (1, Nature::Replies),
            Some("dead") if name.starts_with("dead.discarded-letters.") => (1, Nature::Notes),
            // Oldest first is the order in which they are read, so that one partition it is.
            Some("dead") => (1, Nature::Letters),
            _ => (options.partitions, Nature::Events),
        };
        Self { name: name.to_owned(), partitions, nature }
    }

    fn config(&self, options: &Kafka) -> Vec<(&'static str, String)> {
        let mut config = vec![
            // How old something is only the broker's clock says.
            ("message.timestamp.type", "LogAppendTime".to_owned()),
            ("max.message.bytes", options.wire_max().to_string()),
        ];
        match self.nature {
            Nature::Events => {}
            Nature::Letters => config.extend(forever()),
            Nature::Notes => config.push(("cleanup.policy", "compact".to_owned())),
            Nature::Replies => {
                config.push(("retention.ms", "600000".to_owned()));
                config.push(("segment.ms", "600000".to_owned()));
            }
        }
        config
    }
}

fn forever() -> [(&'static str, String); 3] {
    [
        ("cleanup.policy", "delete".to_owned()),
        ("retention.ms", "-1".to_owned()),
        ("retention.bytes", "-1".to_owned()),
    ]
}

/// Where the subscriptions of one instance begin, by their group.
pub(super) type Starts = HashMap<String, Vec<(String, i32, u64)>>;

/// Does everything, blocking; answers the topics that there are, with how many partitions, and where the
/// subscriptions of one instance begin.
pub(super) fn provision<C: ClientContext>(
    options: &Kafka,
    plan: &Plan,
    client: &rdkafka::client::Client<C>,
    trouble: &Trouble,
) -> Result<(HashMap<String, u32>, Starts)> {
    let mut found = metadata(client, trouble, (None, "provision"), options.connect_timeout)?;
    let wanted = wanted(options, plan);
    let mut problems = collisions(&wanted, &found);
    let mut missing = Vec::new();
    for topic in &wanted {
        match partitions(&found, &topic.name, "provision")? {
            None => missing.push(topic),
            Some(count) if options.provision == Provision::Verify => {
                problems.extend(differences(options, topic, count, &found));
            }
            Some(_) => {}
        }
    }
    match options.provision {
        Provision::Trust => {}
        Provision::Verify => {
            problems.extend(verify_configs(options, &wanted, &missing)?);
            let text = |topic: &Wanted| {
                format!("expected {} partitions, found no such topic; create it", topic.partitions)
            };
            problems.extend(missing.iter().map(|it| Problem::new(format!("topic `{}`", it.name), text(it))));
        }
        Provision::Create => {}
    }
    if !problems.is_empty() {
        return Err(Error::from_problems(ErrorKind::Topology, "provision", problems).at(SYSTEM));
    }
    if options.provision == Provision::Create && !missing.is_empty() {
        create(options, &missing)?;
        found = await_topics(options, &missing, client, trouble)?;
    }
    let mut starts = Starts::new();
    for subscription in &plan.subscriptions {
        let resolved = resolve(options, subscription, &found)?;
        if subscription.instance.is_some() {
            starts.insert(group_of(subscription), resolved);
        }
    }
    let counts = found.topics().iter().filter_map(|topic| {
        let count = u32::try_from(topic.partitions().len()).ok().filter(|count| *count > 0)?;
        Some((topic.name().to_owned(), count))
    });
    Ok((counts.collect(), starts))
}

/// The exact topics of a plan. Dead letters are noted elsewhere when they are taken out.
fn wanted(options: &Kafka, plan: &Plan) -> Vec<Wanted> {
    let filters = plan.subscriptions.iter().map(|subscription| &subscription.filter);
    let exact = filters.chain(&plan.publishes).filter(|topic| !topic::is_pattern(topic));
    let named = exact.chain(&plan.dead_letters).map(|topic| topic.as_str().to_owned());
    let notes = plan.dead_letters.iter().map(discarded);
    let mut wanted: BTreeMap<String, Wanted> = BTreeMap::new();
    for name in named.chain(notes) {
        let topic = Wanted::of(options, &name);
        wanted.entry(topic.name.clone()).or_insert(topic);
    }
    wanted.into_values().collect()
}

fn collisions(wanted: &[Wanted], found: &Metadata) -> Vec<Problem> {
    let mut problems = Vec::new();
    let existing: Vec<&str> = found.topics().iter().map(|topic| topic.name()).collect();
    for (nth, topic) in wanted.iter().enumerate() {
        let earlier = wanted[..nth].iter().map(|other| other.name.as_str());
        let is_there = existing.contains(&topic.name.as_str());
        let others = existing.iter().copied().filter(|_| !is_there).chain(earlier);
        if let Some(other) = others.into_iter().find(|other| collide(other, &topic.name)) {
            let text = format!("it is the same to the broker as `{other}`; rename one of them");
            problems.push(Problem::new(format!("topic `{}`", topic.name), text));
        }
    }
    problems
}

fn differences(options: &Kafka, wanted: &Wanted, count: u32, found: &Metadata) -> Vec<Problem> {
    let place = || format!("topic `{}`", wanted.name);
    let mut problems = Vec::new();
    if count != wanted.partitions {
        let text = format!("expected {} partitions, found {count}", wanted.partitions);
        problems.push(Problem::new(place(), text));
    }
    let topic = found.topics().iter().find(|topic| topic.name() == wanted.name);
    let copies = topic.into_iter().flat_map(|topic| topic.partitions()).map(|it| it.replicas().len()).min();
    if let (Some(expected), Some(copies)) = (options.replication, copies)
        && usize::from(expected) != copies
    {
        problems.push(Problem::new(place(), format!("expected replication {expected}, found {copies}")));
    }
    problems
}

/// What the topics that are there say of how long they keep things.
fn verify_configs(options: &Kafka, wanted: &[Wanted], missing: &[&Wanted]) -> Result<Vec<Problem>> {
    let there: Vec<&Wanted> =
        wanted.iter().filter(|it| it.nature == Nature::Letters && !missing.contains(it)).collect();
    if there.is_empty() {
        return Ok(Vec::new());
    }
    let admin = admin(options)?;
    let which: Vec<_> = there.iter().map(|it| ResourceSpecifier::Topic(&it.name)).collect();
    let described = block_on(admin.describe_configs(&which, &admin_options(options)))
        .map_err(|failure| of_client(&failure, "provision", "the settings of topics"))?;
    let mut problems = Vec::new();
    for (topic, answer) in there.iter().zip(described) {
        let place = || format!("topic `{}`", topic.name);
        let config = answer.map_err(|code| of_code(code, "provision", &place()))?;
        for (name, expected) in forever() {
            let value = config.get(name).and_then(|entry| entry.value.as_deref()).unwrap_or("nothing");
            if value != expected {
                problems.push(Problem::new(place(), format!("expected `{name}` {expected}, found {value}")));
            }
        }
    }
    Ok(problems)
}

fn admin(options: &Kafka) -> Result<AdminClient<DefaultClientContext>> {
    created(AdminClient::from_config_and_context(&options.producer(), DefaultClientContext), "provision")
}

fn admin_options(options: &Kafka) -> AdminOptions {
    AdminOptions::new().request_timeout(Some(options.timeout)).operation_timeout(Some(options.timeout))
}

/// Creates topics; one that somebody else created meanwhile is as good.
pub(super) fn create(options: &Kafka, missing: &[&Wanted]) -> Result<()> {
    let admin = admin(options)?;
    let configs: Vec<_> = missing.iter().map(|topic| topic.config(options)).collect();
    let copies = options.replication.map_or(-1, i32::from);
    let new: Vec<NewTopic<'_>> = missing
        .iter()
        .zip(&configs)
        .map(|(topic, config)| {
            let count = i32::try_from(topic.partitions).unwrap_or(i32::MAX);
            let new = NewTopic::new(&topic.name, count, TopicReplication::Fixed(copies));
            config.iter().fold(new, |new, (name, value)| new.set(name, value))
        })
        .collect();
    let answers = block_on(admin.create_topics(&new, &admin_options(options)))
        .map_err(|failure| of_client(&failure, "provision", "creating topics"))?;
    let mut problems = Vec::new();
    for answer in answers {
        match answer {
            Ok(_) | Err((_, Code::TopicAlreadyExists)) => {}
            Err((
                name,
                code @ (Code::InvalidTopic | Code::InvalidReplicationFactor | Code::PolicyViolation),
            )) => {
                problems
                    .push(Problem::new(format!("topic `{name}`"), format!("it cannot be created: {code}")));
            }
            Err((name, code)) => return Err(of_code(code, "provision", &format!("topic `{name}`"))),
        }
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Error::from_problems(ErrorKind::Topology, "provision", problems).at(SYSTEM)),
    }
}

/// Waits until the cluster knows what was created.
pub(super) fn await_topics<C: ClientContext>(
    options: &Kafka,
    created: &[&Wanted],
    client: &rdkafka::client::Client<C>,
    trouble: &Trouble,
) -> Result<Metadata> {
    let deadline = Instant::now() + options.timeout;
    loop {
        let found = metadata(client, trouble, (None, "provision"), options.timeout)?;
        let is_there = |wanted: &&Wanted| {
            let topic = found.topics().iter().find(|topic| topic.name() == wanted.name);
            topic.is_some_and(|topic| {
                !topic.partitions().is_empty() && topic.partitions().iter().all(|it| it.leader() >= 0)
            })
        };
        if created.iter().all(is_there) {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            let text = "topics were created, and have no leaders yet; look at the brokers";
            return Err(error(ErrorKind::Timeout, "provision", text));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Finds out where a subscription begins, and commits it, so that nothing that is published from now on is missed
/// whenever somebody consumes, and after whatever crash. A partition that comes later begins at its beginning.
fn resolve(
    options: &Kafka,
    subscription: &Subscription,
    found: &Metadata,
) -> Result<Vec<(String, i32, u64)>> {
    let group = group_of(subscription);
    let all: Vec<(String, i32)> = matching(found, physical(&subscription.filter)).collect();
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let consumer = scratch(options, &group, "provision")?;
    let what = format!("group `{group}`");
    let failed = |failure| of_client(&why(&consumer, failure), "provision", &what);
    if subscription.instance.is_some() {
        return all
            .into_iter()
            .map(|(topic, partition)| {
                let ask = || consumer.fetch_watermarks(&topic, partition, options.timeout);
                let (_, high) = patiently(options.timeout, ask).map_err(failed)?;
                Ok((topic, partition, unsigned(high)))
            })
            .collect();
    }
    let ask = || committed(&consumer, &all, options.timeout);
    let committed = patiently(options.timeout, ask).map_err(failed)?;
    let is_new_group = committed.iter().all(Option::is_none);
    let new: Vec<_> = all.iter().zip(committed).filter(|(_, committed)| committed.is_none()).collect();
    let mut list = TopicPartitionList::new();
    for ((topic, partition), _) in &new {
        let ask = || consumer.fetch_watermarks(topic, *partition, options.timeout);
        let (low, high) = patiently(options.timeout, ask).map_err(failed)?;
        let latest = subscription.start == Some(Start::Latest) && is_new_group;
        let start = unsigned(if latest { high } else { low });
        add(&mut list, (topic, *partition), start, &Record::default()).map_err(failed)?;
    }
    if list.count() > 0 {
        commit_start(options, &consumer, &list).map_err(failed)?;
    }
    Ok(Vec::new())
}

/// Whoever is not a member may commit only while nobody is. A member begins with what is new by itself.
fn commit_start<C: rdkafka::consumer::ConsumerContext>(
    options: &Kafka,
    consumer: &BaseConsumer<C>,
    list: &TopicPartitionList,
) -> rdkafka::error::KafkaResult<()> {
    match patiently(options.timeout, || consumer.commit(list, CommitMode::Sync)) {
        Err(failure)
            if matches!(
                failure.rdkafka_error_code(),
                Some(Code::UnknownMemberId | Code::IllegalGeneration | Code::StaleMemberEpoch)
            ) =>
        {
            Ok(())
        }
        answer => answer,
    }
}
