//! The rules among the services of a system.

use super::{
    catalog::{Catalog, weigh},
    cycle::{Cycle, Graph},
    service::{caught, count, group, group_hash, overlap, route, shared},
    table::{Table, mix, room},
    text::Text,
};
use crate::{
    event::{EventDescriptor, Events},
    handler::HandlerDescriptor,
    service::ServiceDescriptor,
    topic::str_eq,
    topology::TopologyDescriptor,
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

    /// Rules 4 and 6, for one service among those before it in the list, in which at most `nth` stand before it: a name, a
    /// subscription or a request in common.
    #[must_use]
    pub const fn conflict(
        &self,
        system: &TopologyDescriptor,
        service: &ServiceDescriptor,
        nth: usize,
    ) -> Option<Text> {
        let index = index(system, service);
        // Of two with one name it is the second that is told.
        if service.broken || index == system.services.len() || nth < index {
            return None;
        }
        let noted = self.against[index];
        if noted == 0 { None } else { conflict(&system.services[noted - 1], &system.services[index]) }
    }

    /// Rule 6: what a service handles and nobody publishes.
    #[must_use]
    pub const fn dead(&self, system: &TopologyDescriptor, service: &ServiceDescriptor) -> Option<Text> {
        if self.broken {
            return None;
        }
        let mut nth = 0;
        while nth < service.handlers.len() {
            let handler = &service.handlers[nth];
            if handler.any && self.hears_nothing(handler) {
                return Some(self.dead_pattern(system, service, handler));
            }
            if self.lacks(&handler.accepts) {
                let text = Text::NEW.add("handler ").quote(handler.name).add(" of ").quote(service.name);
                let text = self.unpublished(text.add(" waits for "), &handler.accepts);
                let text = text.add(", which nobody in ").add(system.name).add(" publishes; ");
                let them = text.them();
                return Some(
                    text.add("publish ").add(them).add(", or add ").add(them).add(" to `from_outside: [..]`"),
                );
            }
            nth += 1;
        }
        None
    }

    /// Whether one of the events does not come.
    const fn lacks(&self, events: &Events) -> bool {
        match events {
            Events::None => false,
            Events::One(event) => !self.comes(event),
            Events::Many(parts) => {
                let (mut at, mut lacks) = (0, false);
                while at < parts.len() {
                    lacks |= self.lacks(&parts[at]);
                    at += 1;
                }
                lacks
            }
        }
    }

    const fn dead_pattern(
        &self,
        system: &TopologyDescriptor,
        service: &ServiceDescriptor,
        handler: &HandlerDescriptor,
    ) -> Text {
        let text = Text::NEW.add("handler ").quote(handler.name).add(" of ").quote(service.name);
        let topic = match &handler.topic {
            Some(topic) => topic.text(),
            None => "",
        };
        text.add(" listens to ")
            .quote(topic)
            .add(", on which nobody in ")
            .add(system.name)
            .add(" publishes; correct the topic, or add what comes there to `from_outside: [..]`")
    }

    const fn hears_nothing(&self, handler: &HandlerDescriptor) -> bool {
        let Some(topic) = &handler.topic else { return false };
        let mut at = 0;
        while at < self.catalog.len() {
            if (self.published[at] || self.from_outside[at])
                && let Some(event) = self.catalog.at(at)
                && topic.overlaps(&event.topic)
            {
                return false;
            }
            at += 1;
        }
        true
    }

    const fn unpublished(&self, text: Text, events: &Events) -> Text {
        match events {
            Events::None => text,
            Events::One(event) if self.comes(event) => text,
            Events::One(event) => text.next(event),
            Events::Many(parts) => {
                let (mut at, mut text) = (0, text);
                while at < parts.len() {
                    text = self.unpublished(text, &parts[at]);
                    at += 1;
                }
                text
            }
        }
    }

    /// Whether somebody publishes the event, or an older version of it.
    const fn comes(&self, event: &EventDescriptor) -> bool {
        let Some(number) = self.catalog.number(event) else { return true };
        if self.published[number] || self.from_outside[number] {
            return true;
        }
        let mut at = 0;
        while let Some(older) = event.upcasts.get(at) {
            if self.comes(older) {
                return true;
            }
            at += 1;
        }
        false
    }

    /// Rule 6: what a service publishes and nobody handles.
    #[must_use]
    pub const fn orphans(&self, system: &TopologyDescriptor, service: &ServiceDescriptor) -> Option<Text> {
        if self.broken {
            return None;
        }
        let (mut lonely, mut nth) = (self.is_lonely(&Events::Many(service.publishes)), 0);
        while nth < service.handlers.len() {
            let [returned, published] = &service.handlers[nth].publishes;
            lonely |= self.is_lonely(returned) || self.is_lonely(published);
            nth += 1;
        }
        if !lonely {
            return None;
        }
        let mut text = Text::NEW.quote(service.name).add(" publishes ");
        text = self.unhandled(text, &Events::Many(service.publishes));
        nth = 0;
        while nth < service.handlers.len() {
            text = self.unhandled(text, &service.handlers[nth].publishes[0]);
            text = self.unhandled(text, &service.handlers[nth].publishes[1]);
            nth += 1;
        }
        let text = text.add(", which nobody in ").add(system.name).add(" handles; ");
        let them = text.them();
        Some(text.add("handle ").add(them).add(", or add ").add(them).add(" to `to_outside: [..]`"))
    }

    /// Whether nobody handles one of the events.
    const fn is_lonely(&self, events: &Events) -> bool {
        match events {
            Events::None => false,
            Events::One(event) => match self.catalog.number(event) {
                Some(number) => !self.handled[number] && !self.to_outside[number],
                None => false,
            },
            Events::Many(parts) => {
                let (mut at, mut lonely) = (0, false);
                while at < parts.len() {
                    lonely |= self.is_lonely(&parts[at]);
                    at += 1;
                }
                lonely
            }
        }
    }

    const fn unhandled(&self, text: Text, events: &Events) -> Text {
        match events {
            Events::None => text,
            Events::One(event) => {
                if self.is_lonely(events) {
                    text.next(event)
                } else {
                    text
                }
            }
            Events::Many(parts) => {
                let (mut at, mut text) = (0, text);
                while at < parts.len() {
                    text = self.unhandled(text, &parts[at]);
                    at += 1;
                }
                text
            }
        }
    }

    /// Rule 3: a pattern of a service that brings an event of another service.
    #[must_use]
    pub const fn caught(&self, service: &ServiceDescriptor) -> Option<Text> {
        if self.broken {
            return None;
        }
        if !listens_to_patterns(service) {
            return None;
        }
        // What the service itself knows, it was told by `service!`.
        let mut own = Catalog::<N>::NEW;
        let mut nth = 0;
        own.add(&Events::Many(service.publishes));
        while nth < service.handlers.len() {
            let handler = &service.handlers[nth];
            own.add(&handler.accepts);
            own.add(&handler.publishes[0]);
            own.add(&handler.publishes[1]);
            nth += 1;
        }
        nth = 0;
        while nth < service.handlers.len() {
            let handler = &service.handlers[nth];
            if let Some((filter, event)) = self.catalog.caught(handler, Some(&own)) {
                return Some(caught(handler, Some(service.name), &filter, event));
            }
            nth += 1;
        }
        None
    }

    /// Rule 6: an entry of `from_outside` that nobody needs.
    #[must_use]
    pub const fn needless_source(&self, system: &TopologyDescriptor, entry: &Events) -> Option<Text> {
        let mut at = 0;
        while let (false, Some(event)) = (self.broken, entry.get(at)) {
            if let Some(number) = self.catalog.number(event) {
                if self.published[number] {
                    let why = ", so `from_outside` need not name it; take it from the list";
                    return Some(self.published_by(system, event).add(why));
                }
                if !self.handled[number] {
                    let text = Text::NEW.add("nobody in ").add(system.name).add(" handles ").event(event);
                    return Some(text.add(", so it need not come `from_outside`; take it from the list"));
                }
            }
            at += 1;
        }
        None
    }

    /// `"billing" publishes OrderPlaced ("shop.orders")`
    const fn published_by(&self, system: &TopologyDescriptor, event: &EventDescriptor) -> Text {
        let mut at = 0;
        while at < system.services.len() {
            let (service, mut nth) = (&system.services[at], 0);
            let mut publishes = super::catalog::takes(&Events::Many(service.publishes), event);
            while nth < service.handlers.len() {
                let [returned, published] = &service.handlers[nth].publishes;
                publishes |=
                    super::catalog::takes(returned, event) || super::catalog::takes(published, event);
                nth += 1;
            }
            if publishes {
                return Text::NEW.quote(service.name).add(" publishes ").event(event);
            }
            at += 1;
        }
        Text::NEW.event(event)
    }

    /// Rule 6: an entry of `to_outside` that nobody needs.
    #[must_use]
    pub const fn needless_sink(&self, system: &TopologyDescriptor, entry: &Events) -> Option<Text> {
        let mut at = 0;
        while let (false, Some(event)) = (self.broken, entry.get(at)) {
            if let Some(number) = self.catalog.number(event) {
                if !self.published[number] {
                    let text = Text::NEW.add("nobody in ").add(system.name).add(" publishes ").event(event);
                    return Some(text.add(", so it cannot go `to_outside`; take it from the list"));
                }
                if self.handled[number] {
                    let text = Text::NEW.event(event).add(" is handled in ").add(system.name);
                    return Some(text.add(", so `to_outside` need not name it; take it from the list"));
                }
            }
            at += 1;
        }
        None
    }

    /// Rule 6: an entry of `may_repeat` that nobody needs.
    #[must_use]
    pub const fn needless_repeat(&self, system: &TopologyDescriptor, entry: &Events) -> Option<Text> {
        let mut at = 0;
        while let (false, Some(event)) = (self.broken, entry.get(at)) {
            if let Some(number) = self.catalog.number(event)
                && self.needless[number]
            {
                let text = Text::NEW.event(event).add(" leads to no event in ").add(system.name);
                return Some(text.add(
                    " that leads to it again, beside what `may_repeat` names before it; take it from the list",
                ));
            }
            at += 1;
        }
        None
    }

    /// Rule 6: events that lead to themselves.
    #[must_use]
    pub const fn cycle(&self, system: &TopologyDescriptor) -> Option<Text> {
        let (Some(cycle), false) = (&self.cycle, self.broken) else { return None };
        let (mut text, mut at) = (Text::NEW, 0);
        let mut first = None;
        while at < cycle.len {
            if let (Some(event), Some((service, handler))) =
                (self.catalog.at(cycle.events[at]), nth_handler(system, cycle.handlers[at]))
            {
                if first.is_none() {
                    first = Some(event);
                }
                text = text.event(event).add(if at == 0 { " makes " } else { ", which makes " });
                text = text.quote(handler.name).add(" of ").quote(service.name);
                text = text.add(" publish ");
            }
            at += 1;
        }
        let Some(event) = first else { return None };
        text =
            text.event(event).add(" again, for ever; end it, or, if it ends by itself, say `may_repeat: [");
        Some(text.add(event.ty).add("]`"))
    }

    /// Rule 1, for everything that the system knows.
    #[must_use]
    pub const fn clash(&self) -> Option<Text> {
        self.catalog.clash()
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

const fn listens_to_patterns(service: &ServiceDescriptor) -> bool {
    let mut nth = 0;
    while nth < service.handlers.len() {
        let mut place = 0;
        while let Some(filter) = super::catalog::filter(&service.handlers[nth], place) {
            if filter.is_wild() {
                return true;
            }
            place += 1;
        }
        nth += 1;
    }
    false
}

/// The last service of this name and these lists.
const fn index(system: &TopologyDescriptor, service: &ServiceDescriptor) -> usize {
    let mut at = system.services.len();
    while at > 0 {
        at -= 1;
        let other = &system.services[at];
        if other.name_hash == service.name_hash
            && str_eq(other.name, service.name)
            && other.handlers.len() == service.handlers.len()
            && other.publishes.len() == service.publishes.len()
        {
            return at;
        }
    }
    system.services.len()
}

const fn nth_handler(
    system: &TopologyDescriptor,
    nth: usize,
) -> Option<(&'static ServiceDescriptor, &'static HandlerDescriptor)> {
    let (mut at, mut left) = (0, nth);
    while at < system.services.len() {
        let service = &system.services[at];
        if left < service.handlers.len() {
            return Some((service, &service.handlers[left]));
        }
        left -= service.handlers.len();
        at += 1;
    }
    None
}

/// Whether two services of one name are one, under two paths.
const fn is_same(a: &ServiceDescriptor, b: &ServiceDescriptor) -> bool {
    if a.handlers.len() != b.handlers.len() || a.publishes.len() != b.publishes.len() {
        return false;
    }
    let mut at = 0;
    while at < a.handlers.len() {
        if !a.handlers[at].is(&b.handlers[at]) {
            return false;
        }
        at += 1;
    }
    let (mine, theirs) = (Events::Many(a.publishes), Events::Many(b.publishes));
    at = 0;
    while let (Some(mine), Some(theirs)) = (mine.get(at), theirs.get(at)) {
        if mine.hash != theirs.hash {
            return false;
        }
        at += 1;
    }
    true
}

/// Whether a pattern of the one could meet something of the other: most services have no group in common.
const fn may_share(a: &ServiceDescriptor, b: &ServiceDescriptor) -> bool {
    let mut i = 0;
    while i < a.handlers.len() {
        let mine = group_hash(a, &a.handlers[i]);
        if mine == b.name_hash || (a.handlers[i].group_hash != 0 && has_group(b, mine)) {
            return true;
        }
        i += 1;
    }
    has_group(b, a.name_hash)
}

const fn has_group(service: &ServiceDescriptor, group: u64) -> bool {
    let mut at = 0;
    while at < service.handlers.len() {
        if service.handlers[at].group_hash == group {
            return true;
        }
        at += 1;
    }
    false
}

const fn conflict(a: &ServiceDescriptor, b: &ServiceDescriptor) -> Option<Text> {
    if str_eq(a.name, b.name) {
        if is_same(a, b) {
            return Some(Text::NEW.add("service ").quote(a.name).add(" is listed twice; list it once"));
        }
        let text = Text::NEW.add("two services are named ").quote(a.name);
        return Some(text.add(
            "; a service's name is the source of its events and the group of its handlers, so rename one",
        ));
    }
    let mut i = 0;
    while i < a.handlers.len() {
        let mut j = 0;
        while j < b.handlers.len() {
            let (mine, theirs) = (&a.handlers[i], &b.handlers[j]);
            if let Some(text) = handler_conflict(a, mine, b, theirs) {
                return Some(text);
            }
            j += 1;
        }
        i += 1;
    }
    None
}

const fn handler_conflict(
    a: &ServiceDescriptor,
    mine: &HandlerDescriptor,
    b: &ServiceDescriptor,
    theirs: &HandlerDescriptor,
) -> Option<Text> {
    if mine.broken || theirs.broken {
        return None;
    }
    let both = Text::NEW.add("handlers ").quote(mine.name).add(" of ").quote(a.name).add(" and ");
    let both = both.quote(theirs.name).add(" of ").quote(b.name);
    if let Some(event) = shared(&mine.accepts, theirs)
        && let Some(reply) = event.reply
    {
        let text =
            both.add(" both answer the request ").event(event).add("; one request has one ").add(reply);
        return Some(text.add(", so leave one out"));
    }
    if group_hash(a, mine) == group_hash(b, theirs)
        && str_eq(group(a, mine), group(b, theirs))
        && let Some((topic, other)) = overlap(mine, theirs)
    {
        let text = both.add(" are both of group ").quote(group(a, mine)).add(" and listen to ");
        let text = text.quote(topic.text());
        let text = if topic.same(other) { text } else { text.add(" and ").quote(other.text()) };
        return Some(
            text.add("; each would get a part of the messages only, so give one a `group` of its own"),
        );
    }
    None
}
