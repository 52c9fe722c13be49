//! `allOf`, `anyOf`, `oneOf`, `not` and `if`: and of several alternatives the one that was meant.

use serde_json::{Map, Value};

use super::{Check, Kind, Wrong, list, short};
use crate::schema::document::Place;

impl<'a> Check<'a> {
    pub(super) fn combined(&mut self, keywords: &'a Map<String, Value>, instance: &Value, place: Place<'_>) {
        let parts = |keyword| keywords.get(keyword).and_then(Value::as_array);
        for part in parts("allOf").into_iter().flatten() {
            self.value(part, instance, place);
        }
        if let Some(alternatives) = parts("anyOf") {
            self.one_at_least(alternatives, instance, place);
        }
        if let Some(alternatives) = parts("oneOf") {
            let fitting = self.one_at_least(alternatives, instance, place);
            if fitting > 1 {
                let why = format!(
                    "expected what fits one alternative of `oneOf` alone, found {}, which fits {fitting}",
                    short(instance)
                );
                self.wrong(place, Kind::Other, why);
            }
        }
        if let Some(unwanted) = keywords.get("not")
            && self.fits(unwanted, instance)
        {
            self.wrong(
                place,
                Kind::Other,
                format!("expected what does not fit `not`, found {}", short(instance)),
            );
        }
        if let Some(condition) = keywords.get("if") {
            let branch = if self.fits(condition, instance) { "then" } else { "else" };
            if let Some(schema) = keywords.get(branch) {
                self.value(schema, instance, place);
            }
        }
    }

    /// How many alternatives a value fits. If none, what is wrong is told of the one that was meant, where that is clear.
    fn one_at_least(&mut self, alternatives: &'a [Value], instance: &Value, place: Place<'_>) -> usize {
        let mut fitting = 0;
        let mut trials = Vec::new();
        for alternative in alternatives {
            let trial = self.trial(alternative, instance, place);
            if trial.is_empty() {
                fitting += 1;
            } else if fitting == 0 {
                trials.push(trial);
            }
        }
        if fitting == 0 {
            let here = place.to_string();
            match meant(&here, &mut trials) {
                Some(trial) => self.wrong.extend(trial),
                None => self.none(&here, &trials, instance, place),
            }
        }
        fitting
    }

    fn none(&mut self, here: &str, trials: &[Vec<Wrong<'a>>], instance: &Value, place: Place<'_>) {
        if let Some((at, wanted)) = tag(trials) {
            let found = at
                .strip_prefix(here)
                .and_then(|inside| instance.pointer(inside))
                .map_or("nothing".to_owned(), short);
            let why =
                format!("expected {}, found {found}", list(wanted.iter().map(|wanted| short(wanted)), "or"));
            self.wrong.push(Wrong { place: at.to_owned(), why, kind: Kind::Other });
            return;
        }
        // What each alternative says about this very place, each said once.
        let mut whys: Vec<&str> = Vec::new();
        for first in trials.iter().filter_map(|trial| trial.first()) {
            if first.place == here && !whys.contains(&first.why.as_str()) {
                whys.push(&first.why);
            }
        }
        let shown = if whys.is_empty() { String::new() } else { format!(": {}", whys.join("; or ")) };
        let why =
            format!("found {}, which fits none of {} alternatives{shown}", short(instance), trials.len());
        self.wrong(place, Kind::Shape, why);
    }
}

/// The alternative that was meant: the only one whose tag and shape are right.
fn meant<'a>(here: &str, trials: &mut Vec<Vec<Wrong<'a>>>) -> Option<Vec<Wrong<'a>>> {
    if trials.len() == 1 {
        return trials.pop();
    }
    let distance = |trial: &Vec<Wrong<'_>>| {
        let farthest = trial.iter().map(|wrong| match wrong.kind {
            Kind::Const(_) => 2,
            Kind::Shape if wrong.place == here => 2,
            Kind::Shape if wrong.place.rfind('/') == Some(here.len()) => 1,
            Kind::Shape | Kind::Other => 0,
        });
        farthest.max().unwrap_or(0)
    };
    let distances: Vec<i32> = trials.iter().map(distance).collect();
    let least = *distances.iter().min()?;
    let mut nearest = distances.iter().enumerate().filter(|(_, far)| **far == least);
    let (index, _) = nearest.next()?;
    if nearest.next().is_some() || least == 2 {
        return tagged(here, trials);
    }
    Some(trials.swap_remove(index))
}

/// The only alternative whose tag is right, although its shape is not.
fn tagged<'a>(here: &str, trials: &mut Vec<Vec<Wrong<'a>>>) -> Option<Vec<Wrong<'a>>> {
    let is_tagged = |trial: &Vec<Wrong<'_>>| {
        trial
            .iter()
            .any(|wrong| matches!(wrong.kind, Kind::Const(_)) && wrong.place.rfind('/') == Some(here.len()))
    };
    let mut right = trials.iter().enumerate().filter(|(_, trial)| !is_tagged(trial));
    let (index, _) = right.next()?;
    if right.next().is_some() || trials.len() < 2 {
        return None;
    }
    Some(trials.swap_remove(index))
}

/// The place where every alternative wants another value, and these values.
fn tag<'t, 'a>(trials: &'t [Vec<Wrong<'a>>]) -> Option<(&'t str, Vec<&'a Value>)> {
    let of = |trial: &'t Vec<Wrong<'a>>| {
        trial.iter().find_map(|wrong| match wrong.kind {
            Kind::Const(wanted) => Some((wrong.place.as_str(), wanted)),
            Kind::Shape | Kind::Other => None,
        })
    };
    let all: Vec<_> = trials.iter().map(of).collect::<Option<_>>()?;
    let (at, _) = *all.first()?;
    all.iter().all(|(place, _)| *place == at).then(|| (at, all.iter().map(|(_, wanted)| *wanted).collect()))
}
