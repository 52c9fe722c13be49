//! The rules among the services of a system.

mod asked;
mod shared;

use self::shared::{conflict, may_share};
use super::{
    catalog::{Catalog, weigh},
    cycle::{Cycle, Graph},
    service::{count, group_hash, route},
    table::{Table, mix, room},
};
use crate::{
    event::Events, handler::HandlerDescriptor, service::ServiceDescriptor, topology::TopologyDescriptor,
};

/// Room for everything that a system lists: the `N` of its [`SystemSurvey`].
#[must_use]
pub const fn known_in(system: TopologyDescriptor) -> usize {
    room(count_all(&system))
}

const fn count_all(system: &TopologyDescriptor) -> usize {
    let mut sum = 2
        + weigh(&Events::Many(system.from_outside))
        + weigh(&Events::Many(system.to_outside))
        + weigh(&Events::Many(system.may_repeat));
    let mut at = 0;
    while at < system.services.len() {
        sum += 2 + count(&system.services[at]);
        at += 1;
    }
    sum
}

/// How often an event arrives at a handler that publishes something, at most: the `M` of its [`SystemSurvey`].
#[must_use]
pub const fn arrivals(system: TopologyDescriptor) -> usize {
    let (mut all, mut sum, mut at) = (0, 1, 0);
    while at < system.services.len() {
        let (handlers, mut nth) = (system.services[at].handlers, 0);
        while nth < handlers.len() {
            let HandlerDescriptor { any, accepts, publishes, .. } = &handlers[nth];
            if !matches!(publishes, [Events::None, Events::None]) {
                if *any && all == 0 {
                    all = count_all(&system);
                }
                sum += if *any { all } else { weigh(accepts) };
            }
            nth += 1;
        }
        at += 1;
    }
    sum
}

/// Who publishes and who handles what in a system: made once, and asked by each entry of its lists.
#[derive(Debug)]
pub struct SystemSurvey<const N: usize, const M: usize> {
    catalog: Catalog<N>,
    /// By the number of the event.
    published: [bool; N],
    handled: [bool; N],
    from_outside: [bool; N],
    to_outside: [bool; N],
    /// Entries of `may_repeat` without which nothing would repeat that does not without them.
    needless: [bool; N],
    graph: Graph<N, M>,
    cycle: Option<Cycle<N>>,
    /// For each service 1 + the index of an earlier one with a subscription or request in common.
    against: [usize; N],
    /// A part of the system has an error of its own, so that nothing can be said of what is missing.
    broken: bool,
}

impl<const N: usize, const M: usize> SystemSurvey<N, M> {
    const NEW: Self = Self {
        catalog: Catalog::NEW,
        published: [false; N],
        handled: [false; N],
        from_outside: [false; N],
        to_outside: [false; N],
        needless: [false; N],
        graph: Graph::NEW,
        cycle: None,
        against: [0; N],
        broken: false,
    };

    /// Looks at everything once.
    #[must_use]
    pub const fn of(system: &TopologyDescriptor) -> Self {
        let mut survey = Self::NEW;
        survey.collect(system);
        let mut at = 0;
        while at < system.services.len() {
            survey.mark(&system.services[at]);
            at += 1;
        }
        let Self { catalog, from_outside, to_outside, .. } = &mut survey;
        mark(from_outside, &Events::Many(system.from_outside), catalog);
        mark(to_outside, &Events::Many(system.to_outside), catalog);
        survey.mark_repeats(system);
        survey.mark_shared(system);
        survey
    }

    /// Every event of the system.
    const fn collect(&mut self, system: &TopologyDescriptor) {
        let mut at = 0;
        while at < system.services.len() {
            let service = &system.services[at];
            self.broken |= service.broken;
            self.catalog.add(&Events::Many(service.publishes));
            let mut nth = 0;
            while nth < service.handlers.len() {
                self.broken |= service.handlers[nth].broken;
                self.catalog.add(&service.handlers[nth].accepts);
                self.catalog.add(&service.handlers[nth].publishes[0]);
                self.catalog.add(&service.handlers[nth].publishes[1]);
                nth += 1;
            }
            at += 1;
        }
        self.catalog.add(&Events::Many(system.from_outside));
        self.catalog.add(&Events::Many(system.to_outside));
        self.catalog.add(&Events::Many(system.may_repeat));
        // Of two events of one name, nobody can say which is published or handled.
        self.broken |= self.catalog.broken || self.catalog.has_namesakes();
    }

    /// What a service publishes, handles, and leads to.
    const fn mark(&mut self, service: &ServiceDescriptor) {
        mark(&mut self.published, &Events::Many(service.publishes), &self.catalog);
        let mut nth = 0;
        while nth < service.handlers.len() {
            let handler = &service.handlers[nth];
            mark(&mut self.published, &handler.publishes[0], &self.catalog);
            mark(&mut self.published, &handler.publishes[1], &self.catalog);
            let leads = self.graph.add(handler, &self.catalog);
            if handler.any {
                self.read_any(handler, leads);
            } else {
                self.read(&handler.accepts, leads);
            }
            nth += 1;
        }
    }

    /// A handler gets these events, and, if it `leads` on, publishes others.
    const fn read(&mut self, events: &Events, leads: bool) {
        match events {
            Events::None => {}
            Events::One(event) => {
                if let Some(number) = self.catalog.number(event) {
                    self.handled[number] = true;
                    if leads {
                        self.graph.reads(number);
                    }
                    if !matches!(event.upcasts, Events::None) {
                        self.read(&event.upcasts, leads);
                    }
                }
            }
            Events::Many(parts) => {
                let mut at = 0;
                while at < parts.len() {
                    self.read(&parts[at], leads);
                    at += 1;
                }
            }
        }
    }

    const fn read_any(&mut self, handler: &HandlerDescriptor, leads: bool) {
        let Some(topic) = &handler.topic else { return };
        let mut at = 0;
        while at < self.catalog.len() {
            if let Some(event) = self.catalog.at(at)
                && topic.overlaps(&event.topic)
            {
                self.handled[at] = true;
                if leads {
                    self.graph.reads(at);
                }
            }
            at += 1;
        }
    }

    /// Rule 6: the first cycle beside `may_repeat`, and the entries of that which break none.
    const fn mark_repeats(&mut self, system: &TopologyDescriptor) {
        let (mut without, entries) = ([false; N], Events::Many(system.may_repeat));
        let mut at = 0;
        while let Some(event) = entries.get(at) {
            if let Some(number) = self.catalog.number(event) {
                self.needless[number] =
                    without[number] || self.graph.cycle(&without, Some(number), self.catalog.len()).is_none();
                without[number] = true;
            }
            at += 1;
        }
        self.cycle = self.graph.cycle(&without, None, self.catalog.len());
    }

    /// Rules 4 and 6: services with a subscription or a request in common.
    const fn mark_shared(&mut self, system: &TopologyDescriptor) {
        let mut routes = Table::<N>::NEW;
        let mut at = 0;
        while at < system.services.len() {
            let (service, mut nth) = (&system.services[at], 0);
            self.share(routes.insert(mix(3, service.name_hash), at), at);
            while nth < service.handlers.len() {
                let handler = &service.handlers[nth];
                let (group, mut place) = (group_hash(service, handler), 0);
                while let Some(filter) = super::catalog::filter(handler, place) {
                    self.share(routes.insert(mix(group, route(filter)), at), at);
                    place += 1;
                }
                self.share_requests(&mut routes, &handler.accepts, at);
                nth += 1;
            }
            at += 1;
        }
        self.mark_patterns(system);
    }

    /// A request and its older versions have one handler in all services.
    const fn share_requests(&mut self, routes: &mut Table<N>, events: &Events, at: usize) {
        if let Events::One(event) = events
            && event.reply.is_some()
        {
            self.share(routes.insert(mix(2, event.hash), at), at);
            let mut nth = 0;
            while let Some(older) = event.upcasts.get(nth) {
                self.share_requests(routes, &Events::One(older), at);
                nth += 1;
            }
        }
    }

    const fn share(&mut self, before: Option<usize>, index: usize) {
        if let Some(before) = before
            && before != index
            && self.against[index] == 0
        {
            self.against[index] = 1 + before;
        }
    }

    /// A pattern of one service against everything of another in the same group.
    const fn mark_patterns(&mut self, system: &TopologyDescriptor) {
        let mut later = 1;
        while later < system.services.len() {
            let mut earlier = 0;
            while earlier < later && self.against[later] == 0 {
                let (a, b) = (&system.services[earlier], &system.services[later]);
                if may_share(a, b) && conflict(a, b).is_some() {
                    self.against[later] = 1 + earlier;
                }
                earlier += 1;
            }
            later += 1;
        }
    }
}

const fn mark<const N: usize>(marks: &mut [bool; N], events: &Events, catalog: &Catalog<N>) {
    match events {
        Events::None => {}
        Events::One(event) => {
            if let Some(number) = catalog.number(event) {
                marks[number] = true;
            }
        }
        Events::Many(parts) => {
            let mut at = 0;
            while at < parts.len() {
                mark(marks, &parts[at], catalog);
                at += 1;
            }
        }
    }
}
