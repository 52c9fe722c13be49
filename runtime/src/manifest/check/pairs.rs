//! The rules between two services.

use std::collections::{BTreeMap, BTreeSet};

use super::{EventContract, Finding, HandlerContract, Manifest, Rule, System, both, overlap};
use crate::schema;

impl System<'_> {
    /// Services of one name, events that are two things, and topics that are one to Kafka.
    pub(super) fn names(&self, findings: &mut Vec<Finding>) {
        for (at, (manifest, _)) in self.services.iter().enumerate() {
            if self.services[..at].iter().any(|(earlier, _)| earlier.service == manifest.service) {
                findings.push(Finding {
                    rule: Rule::NameClash,
                    subject: manifest.service.clone(),
                    services: vec![manifest.service.clone()],
                    what: format!("two services are called `{}`", manifest.service),
                    advice: "give one of them another name, or check it once only".to_owned(),
                });
            }
        }
        for (kind, known) in &self.events {
            let Some(((first, one), others)) = known.split_first() else { continue };
            for (second, other) in others {
                for (name, one, other) in aspects(one, other) {
                    if one != other {
                        findings.push(Finding {
                            rule: Rule::NameClash,
                            subject: (*kind).to_owned(),
                            services: both(first, second),
                            what: format!(
                                "the {name} of `{kind}` is `{one}` in `{}` and `{other}` in `{}`",
                                first.service, second.service
                            ),
                            advice: "let both use one type, or give one of the events another name"
                                .to_owned(),
                        });
                    }
                }
            }
        }
        self.topics(findings);
    }

    fn topics(&self, findings: &mut Vec<Finding>) {
        let mut all = BTreeMap::<_, BTreeSet<&str>>::new();
        for (manifest, event) in self.events.values().flatten() {
            let topic = event.topic.as_str();
            all.entry((topic.replace('_', "."), topic)).or_default().insert(&manifest.service);
        }
        for (((to_kafka, one), first), ((same, other), second)) in all.iter().zip(all.iter().skip(1)) {
            if to_kafka == same {
                findings.push(Finding {
                    rule: Rule::NameClash,
                    subject: (*one).to_owned(),
                    services: first.union(second).map(|name| (*name).to_owned()).collect(),
                    what: format!(
                        "Kafka cannot keep the topics `{one}` and `{other}` apart in the names of its metrics"
                    ),
                    advice: "let them differ in more than `.` and `_`".to_owned(),
                });
            }
        }
    }

    /// Groups, and requests, that two services share.
    pub(super) fn groups(&self, findings: &mut Vec<Finding>) {
        for (at, one) in self.handlers.iter().enumerate() {
            let others = self.handlers[at + 1..].iter();
            for other in others.filter(|other| other.service.service != one.service.service) {
                let (a, b, services) = (one.contract, other.contract, both(one.service, other.service));
                if let Some(topic) = shared(a, b) {
                    findings.push(Finding {
                        rule: Rule::GroupClash,
                        subject: a.group.clone(),
                        services: services.clone(),
                        what: format!(
                            "{one} and {other} share the group `{}` on `{topic}`, so that each gets a part of the \
                             messages only",
                            a.group
                        ),
                        advice: "give one of them another `group`".to_owned(),
                    });
                }
                let is_request =
                    |kind: &&String| one.service.events.get(*kind).is_some_and(|event| event.reply.is_some());
                let mut asked = a.events.iter().filter(is_request);
                if let Some(kind) = asked.find(|kind| b.events.contains(kind)) {
                    findings.push(Finding {
                        rule: Rule::GroupClash,
                        subject: kind.clone(),
                        services,
                        what: format!("{one} and {other} both answer the request `{kind}`"),
                        advice: "let one of them answer".to_owned(),
                    });
                }
            }
        }
    }

    /// Whoever reads an event by name reads what is written by that name.
    pub(super) fn readers(&self, findings: &mut Vec<Finding>) {
        for (writer, writes) in &self.services {
            for kind in &writes.writes {
                let Some(written) = writer.events.get(*kind) else { continue };
                for (reader, roles) in &self.services {
                    if roles.reads.contains(kind) {
                        if let Some(read) = reader.events.get(*kind) {
                            same_kind(kind, (writer, written), (reader, read), findings);
                        }
                        continue;
                    }
                    let known = reader.events.iter().filter(|(other, event)| {
                        event.name == written.name && roles.reads.contains(other.as_str())
                    });
                    if let Some(newest) = known.map(|(_, event)| event.version).max() {
                        findings.push(other_version(kind, writer, written.version, reader, newest));
                    }
                }
            }
        }
    }
}

/// What an event has to be the same in for everybody.
fn aspects<'a>(one: &'a EventContract, other: &'a EventContract) -> [(&'static str, &'a str, &'a str); 3] {
    let key = |event: &'a EventContract| event.key.as_deref().unwrap_or("none");
    [
        ("topic", one.topic.as_str(), other.topic.as_str()),
        ("content type", one.content_type.as_str(), other.content_type.as_str()),
        ("key", key(one), key(other)),
    ]
}

/// The topic on which two handlers have one subscription.
fn shared<'a>(one: &'a HandlerContract, other: &HandlerContract) -> Option<&'a str> {
    if one.group != other.group || one.broadcast || other.broadcast {
        return None;
    }
    let topics = one.topics.iter().find(|mine| other.topics.iter().any(|theirs| overlap(mine, theirs)));
    topics.map(String::as_str)
}

fn other_version(kind: &str, writer: &Manifest, version: u16, reader: &Manifest, newest: u16) -> Finding {
    let advice = if newest < version {
        format!(
            "teach `{}` version {version} before `{}` publishes it: until then it holds such messages",
            reader.service, writer.service
        )
    } else {
        format!(
            "let version {newest} in `{}` say `upcasts(..)` with the type of version {version}",
            reader.service
        )
    };
    Finding {
        rule: Rule::ReaderBehind,
        subject: kind.to_owned(),
        services: both(writer, reader),
        what: format!(
            "`{}` publishes `{kind}`, and `{}` reads version {newest} of it, but not version {version}",
            writer.service, reader.service
        ),
        advice,
    }
}

/// Two services that know one kind by types of their own.
fn same_kind(
    kind: &str,
    (writer, written): (&Manifest, &EventContract),
    (reader, read): (&Manifest, &EventContract),
    findings: &mut Vec<Finding>,
) {
    let mut add = |what: String| {
        findings.push(Finding {
            rule: Rule::ReaderBehind,
            subject: kind.to_owned(),
            services: both(writer, reader),
            what,
            advice: "let both use one type, or give what is written a new `version`".to_owned(),
        });
    };
    if let (Some(old), Some(new)) = (&written.schema, &read.schema) {
        for why in unread(old, new) {
            add(format!("`{}` does not read some `{kind}` of `{}`: {why}", reader.service, writer.service));
        }
    }
    match (&written.reply, &read.reply) {
        (Some(asked), Some(given)) => {
            for why in unread(&given.schema, &asked.schema) {
                add(format!(
                    "`{}` does not read some reply to `{kind}` of `{}`: {why}",
                    writer.service, reader.service
                ));
            }
        }
        (Some(_), None) => {
            add(format!("`{}` asks by `{kind}`, and `{}` does not reply", writer.service, reader.service));
        }
        (None, _) => {}
    }
}

/// Why a type does not read what another wrote.
fn unread(written: &serde_json::Value, read: &serde_json::Value) -> Vec<String> {
    let all = schema::unread(written, read).into_iter();
    all.map(|(place, why)| if place.is_empty() { why } else { format!("{place}: {why}") }).collect()
}
