//! What a builder is told beside the state, and what it comes to.

use std::sync::Arc;

use crate::{
    backend::{Backend, Plan},
    config::{Applied, Config, Effective, SettingOrigin},
    error::{Error, ErrorKind, Problem, Result},
    event::EventDescriptor,
    hooks::Hooks,
    names::{Names, Wishes},
    plan::{Wiring, plan, problems, wire},
    service::ServiceDescriptor,
    tuning::Tuning,
};

/// What was said, as it was said.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) config: Config,
    pub(crate) tuning: Option<Tuning>,
    pub(crate) prefix: Option<String>,
    pub(crate) renames: Vec<(&'static EventDescriptor, String)>,
    pub(crate) hooks: Hooks,
}

/// What holds, as far as it can hold.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) tuning: Tuning,
    pub(crate) wirings: Vec<Wiring>,
    pub(crate) plan: Plan,
    pub(crate) names: Names,
    pub(crate) effective: Effective,
    /// Everything that is wrong.
    pub(crate) problems: Vec<Problem>,
}

impl Options {
    /// Applies all of it to a service. What the program says beats what the configuration says.
    pub(crate) fn settle(&self, service: &'static ServiceDescriptor) -> Settled {
        let mut applied = self.config.apply(service);
        if let Some(tuning) = self.tuning {
            applied.tune(tuning);
        }
        if let Some(prefix) = &self.prefix {
            applied.prefix = Some((prefix.clone(), SettingOrigin::Builder));
        }
        self.rename(&mut applied);
        let mut problems = std::mem::take(&mut applied.problems);
        problems.extend(applied.tuning.problems());
        let wirings = wire(service, &applied.policies, applied.tuning.limits);
        let plan = plan(service, &wirings);
        let wishes = Wishes { prefix: applied.prefix.as_ref(), renames: &applied.renames };
        let names = wishes.check(service, &plan).unwrap_or_else(|wrong| {
            problems.extend(wrong);
            Names::default()
        });
        let effective = Effective::new(service, &applied);
        Settled { tuning: applied.tuning, wirings, plan, names, effective, problems }
    }

    /// Several events may be on one topic; they have to agree.
    fn rename(&self, applied: &mut Applied) {
        for (nth, (event, name)) in self.renames.iter().enumerate() {
            let topic = event.topic();
            let other = self.renames[..nth].iter().find(|(other, _)| other.topic() == topic);
            if let Some((other, _)) = other.filter(|(_, other)| other != name) {
                let place = format!("{} renamed \"{name}\" (builder)", event.type_name());
                let text = format!(
                    "it is on \"{topic}\" like {}, which is renamed otherwise; rename a topic once",
                    other.type_name()
                );
                applied.problems.push(Problem::new(place, text));
                continue;
            }
            applied.renames.retain(|(renamed, ..)| renamed != topic);
            applied.renames.push((topic.to_owned(), name.clone(), SettingOrigin::Builder));
        }
    }
}

impl Settled {
    /// That nothing is wrong, with the backend neither; all that is wrong is said at once.
    pub(crate) fn check(
        &self,
        service: &ServiceDescriptor,
        backend: Result<Arc<dyn Backend>>,
    ) -> Result<Arc<dyn Backend>> {
        let mut problems = match &backend {
            Ok(backend) => problems(service, backend.system(), &backend.capabilities()),
            Err(error) if self.problems.is_empty() => return Err(error.clone()),
            Err(error) if error.problems().is_empty() => vec![Problem::new("the backend", error.to_string())],
            Err(error) => error.problems().to_vec(),
        };
        // A configuration that is also connected to says the same twice.
        for problem in &self.problems {
            if !problems.contains(problem) {
                problems.push(problem.clone());
            }
        }
        if problems.is_empty() {
            return backend;
        }
        let error = Error::from_problems(ErrorKind::Config, "start", problems);
        Err(match backend.map_or_else(|error| error.backend(), |backend| Some(backend.system())) {
            Some(system) => error.at(system),
            None => error,
        })
    }
}
