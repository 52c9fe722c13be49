//! Whether names can be what they are wished to be.

use super::Names;
use crate::{
    backend::Plan,
    config::{Known, SettingOrigin, no_topic},
    error::Problem,
    topic::{MAX_BYTES, MAX_GROUP, MAX_TOKENS, RESERVED, Topic, is_pattern, is_reserved, matches},
};

/// The names that somebody wishes for, and where they say so.
#[derive(Debug)]
pub(crate) struct Wishes<'a> {
    pub(crate) prefix: Option<&'a (String, SettingOrigin)>,
    /// Topics and their names on the broker.
    pub(crate) renames: &'a [(String, String, SettingOrigin)],
}

impl Wishes<'_> {
    /// The names, or everything that is wrong with them.
    pub(crate) fn check(&self, known: &Known<'_>, plan: &Plan) -> Result<Names, Vec<Problem>> {
        let mut problems = Vec::new();
        let prefix = self.prefix.filter(|(prefix, origin)| {
            let wrong = wrong_prefix(prefix);
            problems.extend(
                wrong.map(|message| Problem::new(format!("the prefix `{prefix}` ({origin})"), message)),
            );
            wrong_prefix(prefix).is_none()
        });
        let mut renames = Vec::new();
        for (topic, name, origin) in self.renames {
            match wrong_rename(topic, name, known, plan) {
                None => renames.push((Topic::from(&**topic), Topic::from(&**name))),
                Some(message) => problems.push(renaming(topic, name, origin, message)),
            }
        }
        let names = Names::new(prefix.map(|(prefix, _)| prefix.clone()), renames);
        self.clashes(&names, plan, &mut problems);
        too_long(&names, plan, &mut problems);
        if problems.is_empty() { Ok(names) } else { Err(problems) }
    }

    /// Two topics that would be one on the broker, or, as Kafka has it, could not be told apart.
    fn clashes(&self, names: &Names, plan: &Plan, problems: &mut Vec<Problem>) {
        let topics = exact(plan);
        for (nth, (topic, name, origin)) in self.renames.iter().enumerate() {
            let ours = names.outward(&Topic::from(&**topic));
            let other = topics.iter().copied().find(|other| {
                // Of two that are renamed, the later one is told.
                let earlier = self.renames[nth..].iter().all(|(topic, ..)| ***other != **topic);
                earlier && names.outward(other).replace('_', ".") == ours.replace('_', ".")
            });
            problems.extend(other.map(|other| {
                let text = format!(
                    "\"{other}\" is called \"{}\", and no broker keeps the two apart; choose another name",
                    names.outward(other)
                );
                renaming(topic, name, origin, text)
            }));
        }
    }
}

fn renaming(topic: &str, name: &str, origin: &SettingOrigin, message: String) -> Problem {
    Problem::new(format!("\"{topic}\" renamed \"{name}\" ({origin})"), message)
}

/// The topics of a plan that are no patterns.
fn exact(plan: &Plan) -> Vec<&Topic> {
    let filters = plan.subscriptions.iter().map(|subscription| &subscription.filter);
    let mut topics: Vec<_> =
        plan.publishes.iter().chain(filters).filter(|topic| !is_pattern(topic)).collect();
    topics.sort_by(|one, other| one.as_str().cmp(other));
    topics.dedup();
    topics
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn wrong_prefix(prefix: &str) -> Option<&'static str> {
    if RESERVED.contains(&prefix) {
        return Some("`dead` and `reply` begin the topics of dead letters and replies; choose another one");
    }
    (!is_token(prefix)).then_some("a prefix is one or more letters, digits and `-`, such as `staging`")
}

fn wrong_rename(topic: &str, name: &str, known: &Known<'_>, plan: &Plan) -> Option<String> {
    if topic.contains('{') {
        return Some(
            "it has a field, so it is as many topics as the field has values; they keep their names".into(),
        );
    }
    let mut subscriptions = plan.subscriptions.iter();
    let is_ours = exact(plan).into_iter().any(|known| **known == *topic)
        || subscriptions.clone().any(|subscription| matches(&subscription.filter, topic));
    if !is_ours {
        return Some(no_topic(known, topic));
    }
    if let Some(pattern) = subscriptions
        .find(|one| is_pattern(&one.filter) && [topic, name].iter().any(|t| matches(&one.filter, t)))
    {
        return Some(format!(
            "group {} subscribes to \"{}\", and under another name a topic would leave the pattern or come into it; \
             let its handlers name their topics, or keep the name",
            pattern.group, pattern.filter
        ));
    }
    wrong_topic(name)
}

/// The grammar of topics, as the macros have it.
fn wrong_topic(name: &str) -> Option<String> {
    if is_reserved(name) {
        return Some("names that begin with `dead` or `reply` are reserved; choose another one".to_owned());
    }
    let tokens = || name.split('.');
    let is_topic = tokens().all(|token| is_token(&token.replace('_', "-")));
    (!is_topic).then(|| "a topic is tokens of letters, digits, `_` and `-`, joined by `.`".to_owned())
}

/// Names that only became too long.
fn too_long(names: &Names, plan: &Plan, problems: &mut Vec<Problem>) {
    let mut add = |place: String, message: String| {
        let problem = Problem::new(place, message);
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    };
    for subscription in &plan.subscriptions {
        let (own, group) = (&subscription.group, names.group(&subscription.group));
        if group.len() > MAX_GROUP {
            let text = format!(
                "it becomes `{group}` of {} characters, and a group has at most {MAX_GROUP}; choose a shorter prefix",
                group.len()
            );
            add(format!("group `{own}`"), text);
        }
    }
    let filters = plan.subscriptions.iter().map(|subscription| &subscription.filter);
    for own in plan.publishes.iter().chain(filters).chain(&plan.dead_letters) {
        let topic = names.outward(own);
        let tokens = topic.split('.').count();
        if topic.len() > MAX_BYTES || tokens > MAX_TOKENS {
            let text = format!(
                "it becomes \"{topic}\" of {} bytes and {tokens} tokens, and a topic has at most {MAX_BYTES} and \
                 {MAX_TOKENS}; choose a shorter one",
                topic.len()
            );
            add(format!("topic \"{own}\""), text);
        }
    }
}
