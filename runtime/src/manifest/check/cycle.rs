//! Events that lead to themselves.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Finding, Handling, Rule, System};

/// From an event over a handler to an event that it publishes.
#[derive(Debug, Clone, Copy)]
struct Step<'a> {
    service: &'a str,
    handler: &'a str,
    to: &'a str,
}

impl<'a> System<'a> {
    /// One finding for each cycle that has no event in common with those told before, the shortest first found.
    pub(super) fn cycles(&self, findings: &mut Vec<Finding>) {
        let steps = self.steps();
        let mut told: BTreeSet<&str> = self.beyond.may_repeat.iter().map(String::as_str).collect();
        for from in steps.keys().copied() {
            let Some(path) = around(from, &steps, &told) else { continue };
            let mut services: Vec<_> = path.iter().map(|step| step.service.to_owned()).collect();
            services.sort_unstable();
            services.dedup();
            let way: String = path
                .iter()
                .map(|step| {
                    format!(", which `{}` of `{}` makes `{}` of", step.handler, step.service, step.to)
                })
                .collect();
            findings.push(Finding {
                rule: Rule::Cycle,
                subject: from.to_owned(),
                services,
                what: format!("`{from}` leads to itself: `{from}`{way}"),
                advice: "break the cycle, or say that it may repeat, if something ends it".to_owned(),
            });
            told.extend(path.iter().map(|step| step.to));
        }
    }

    fn steps(&self) -> BTreeMap<&'a str, Vec<Step<'a>>> {
        let mut steps = BTreeMap::<&str, Vec<_>>::new();
        for handler in self.handlers.iter().filter(|handler| !handler.contract.publishes.is_empty()) {
            for kind in self.events.keys().filter(|kind| self.reaches(kind, handler)) {
                let Handling { service, name, contract, .. } = handler;
                let made =
                    contract.publishes.iter().map(|to| Step { service: &service.service, handler: name, to });
                steps.entry(kind).or_default().extend(made);
            }
        }
        steps
    }
}

/// The shortest way from an event to itself that meets none of those told.
fn around<'a>(
    from: &'a str,
    steps: &BTreeMap<&'a str, Vec<Step<'a>>>,
    told: &BTreeSet<&str>,
) -> Option<Vec<Step<'a>>> {
    if told.contains(from) {
        return None;
    }
    let (mut reached, mut left) = (BTreeMap::<&str, (&str, Step<'a>)>::new(), VecDeque::from([from]));
    while let Some(at) = left.pop_front() {
        for step in steps.get(at).into_iter().flatten() {
            if told.contains(step.to) || reached.contains_key(step.to) {
                continue;
            }
            reached.insert(step.to, (at, *step));
            if step.to == from {
                let mut path = Vec::new();
                let mut to = from;
                loop {
                    let (before, step) = reached[to];
                    path.push(step);
                    to = before;
                    if to == from {
                        path.reverse();
                        return Some(path);
                    }
                }
            }
            left.push_back(step.to);
        }
    }
    None
}
