//! What a configuration comes to for one service.

use super::{
    Config, Entry, HandlerName, Key,
    fields::{HandlerField, TuningField},
    origin::SettingOrigin,
};
use crate::{
    error::Problem,
    handler::HandlerDescriptor,
    nearest::suggest,
    policy::{Guarantee, Policy},
    service::ServiceDescriptor,
    tuning::Tuning,
};

/// What a service is to do, and where each part of it was said.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) url: Option<(String, SettingOrigin)>,
    pub(crate) prefix: Option<(String, SettingOrigin)>,
    /// Topics of the service with their names on the broker.
    pub(crate) renames: Vec<(String, String, SettingOrigin)>,
    pub(crate) tuning: Tuning,
    /// In the order of [`TuningField::ALL`].
    pub(super) tuned: [SettingOrigin; TuningField::ALL.len()],
    /// In the order of the service's handlers.
    pub(crate) policies: Vec<Policy>,
    /// For each handler in the order of [`HandlerField::ALL`].
    pub(super) ruled: Vec<[SettingOrigin; 7]>,
    pub(crate) problems: Vec<Problem>,
}

impl Config {
    /// Applies everything that is said to a service, later things over earlier ones.
    pub(crate) fn apply(&self, service: &ServiceDescriptor) -> Applied {
        let policies: Vec<Policy> = service.handlers.iter().map(|handler| handler.policy).collect();
        let ruled = policies.iter().map(attributes).collect();
        let mut applied = Applied { ruled, policies, ..Applied::new(self.problems.clone()) };
        let known = Known::of(service);
        for entry in &self.entries {
            if let Err(message) = applied.add(entry, service, &known, &self.others) {
                applied.problems.push(Problem::new(entry.place(), message));
            }
        }
        applied
    }

    /// Applies what has nothing to do with handlers to a service of which no more is known than its topics.
    pub(crate) fn apply_to_topics(&self, service: &Known<'_>) -> Applied {
        let mut applied = Applied::new(self.problems.clone());
        for entry in &self.entries {
            if let Err(message) = applied.add_common(entry, service, &self.others) {
                applied.problems.push(Problem::new(entry.place(), message));
            }
        }
        applied
    }
}

/// What names may be renamed.
#[derive(Debug)]
pub(crate) struct Known<'a> {
    pub(crate) service: &'a str,
    /// Of the events that it handles or publishes, those with a field as they are written; sorted.
    pub(crate) topics: Vec<&'a str>,
}

impl Known<'static> {
    pub(crate) fn of(service: &ServiceDescriptor) -> Self {
        Self { service: service.name, topics: topics(service) }
    }
}

/// What an attribute said, as far as it can be seen.
fn attributes(policy: &Policy) -> [SettingOrigin; 7] {
    HandlerField::ALL.map(|field| match field.show(policy) == field.show(&Policy::DEFAULT) {
        true => SettingOrigin::Default,
        false => SettingOrigin::Attribute,
    })
}

impl Applied {
    fn new(problems: Vec<Problem>) -> Self {
        Self {
            url: None,
            prefix: None,
            renames: Vec::new(),
            tuning: Tuning::default(),
            tuned: [const { SettingOrigin::Default }; TuningField::ALL.len()],
            policies: Vec::new(),
            ruled: Vec::new(),
            problems,
        }
    }

    /// The program's own tuning, which beats any other.
    pub(crate) fn tune(&mut self, tuning: Tuning) {
        let configured = self.tuned.iter().filter(|origin| **origin != SettingOrigin::Default);
        configured.for_each(|origin| {
            tracing::warn!(%origin, "without effect, since the program calls `.tuning(..)`, which says all of it");
        });
        self.tuning = tuning;
        self.tuned = [const { SettingOrigin::Builder }; TuningField::ALL.len()];
    }

    fn add(
        &mut self,
        entry: &Entry,
        service: &ServiceDescriptor,
        known: &Known<'_>,
        others: &[&ServiceDescriptor],
    ) -> Result<(), String> {
        let Entry { key, raw, origin } = entry;
        match key {
            Key::Url | Key::Prefix | Key::Rename(_) | Key::Tuning(_) => self.add_common(entry, known, others),
            Key::Handler(name, field) => {
                let found: Vec<usize> = find(service, name);
                let at = match found[..] {
                    [only] => only,
                    [] if others.iter().any(|other| !find(other, name).is_empty()) => return Ok(()),
                    [] => return Err(no_handler(service, name)),
                    [..] => return Err(several(service, &found)),
                };
                fits(&service.handlers[at], *field)?;
                field.set(&mut self.policies[at], raw)?;
                let nth = HandlerField::ALL.iter().position(|known| known == field).unwrap_or_default();
                self.ruled[at][nth] = origin.clone();
                Ok(())
            }
        }
    }

    /// What is not a handler's.
    fn add_common(
        &mut self,
        entry: &Entry,
        known: &Known<'_>,
        others: &[&ServiceDescriptor],
    ) -> Result<(), String> {
        let Entry { key, raw, origin } = entry;
        match key {
            Key::Url => self.url = Some((raw.text("memory:")?.to_owned(), origin.clone())),
            Key::Prefix => self.prefix = Some((raw.text("staging")?.to_owned(), origin.clone())),
            Key::Rename(topic) => {
                if !known.topics.contains(&topic.as_str()) {
                    let foreign = others.iter().any(|other| topics(other).contains(&topic.as_str()));
                    return if foreign { Ok(()) } else { Err(no_topic(known, topic)) };
                }
                self.renames.retain(|(renamed, ..)| renamed != topic);
                self.renames.push((topic.clone(), raw.text("Orders_v1")?.to_owned(), origin.clone()));
            }
            Key::Tuning(field) => {
                field.set(&mut self.tuning, raw)?;
                let at = TuningField::ALL.iter().position(|known| known == field).unwrap_or_default();
                self.tuned[at] = origin.clone();
            }
            Key::Handler(..) => {}
        }
        Ok(())
    }
}

/// The handlers of that name.
fn find(service: &ServiceDescriptor, name: &HandlerName) -> Vec<usize> {
    let is = |handler: &HandlerDescriptor| match name {
        HandlerName::Exact(name) => handler.name == name,
        HandlerName::Capitals(name) => handler.name.to_uppercase() == *name,
    };
    (0..service.handlers.len()).filter(|at| is(&service.handlers[*at])).collect()
}

fn no_handler(service: &ServiceDescriptor, name: &HandlerName) -> String {
    let name = match name {
        HandlerName::Exact(name) => name.clone(),
        HandlerName::Capitals(name) => name.to_lowercase(),
    };
    let known = suggest(&name, "handler", service.handlers.iter().map(|handler| handler.name));
    format!("service {} has no handler `{name}`; {known}", service.name)
}

fn several(service: &ServiceDescriptor, found: &[usize]) -> String {
    let names: Vec<_> = found.iter().map(|at| format!("`{}`", service.handlers[*at].name)).collect();
    format!("{} are the same in capitals; configure them in a file", names.join(" and "))
}

/// What an attribute could not say either.
pub(super) fn fits(handler: &HandlerDescriptor, field: HandlerField) -> Result<(), String> {
    if field.is_of_batches() && !handler.batch {
        return Err(format!("`{}` takes no `Batch<_>`, so there are no batches of it", handler.name));
    }
    if field.is_of_retries() && handler.policy.delivery == Guarantee::AtMostOnce {
        return Err(format!("`{}` is `delivery = at_most_once`, so it is never retried", handler.name));
    }
    Ok(())
}

/// The topics of the events that a service handles or publishes, those with a field as they are written.
pub(crate) fn topics(service: &ServiceDescriptor) -> Vec<&'static str> {
    let handled = service.handlers.iter().flat_map(|handler| handler.accepts.iter());
    let mut topics: Vec<_> = handled.chain(service.all_published()).map(|event| event.topic()).collect();
    topics.sort_unstable();
    topics.dedup();
    topics
}

/// What is said to somebody who renames a topic that there is not.
pub(crate) fn no_topic(known: &Known<'_>, topic: &str) -> String {
    let advice = suggest(topic, "topic", known.topics.iter().copied());
    format!("service {} has no event on \"{topic}\"; {advice}", known.service)
}
