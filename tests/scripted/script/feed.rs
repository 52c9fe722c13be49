//! One subscription as a broker knows it: what it delivered, what was settled, whose the partitions are.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    task::Waker,
};

use tokio::time::Instant;
use typebus::{
    ErrorKind,
    backend::{Delivery, Floor, Intake, Limits, Message, Order, Partitions, Position, Room, Token, Topic},
};

/// A message that a test has arrive.
#[derive(Debug, Clone)]
pub(crate) struct Parcel {
    /// Unique in a test; the id is made of it.
    pub(crate) number: u64,
    pub(crate) topic: &'static str,
    pub(crate) message: Message,
    /// It ends without a run and without a dead letter: it is not ours, or an extractor says so.
    pub(crate) silent: bool,
    /// It does not decode, so that it never runs.
    pub(crate) garbled: bool,
}

/// Where a partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Ours,
    /// Revoked and not released: nothing more of it is handed out.
    Leaving,
    Gone,
}

/// Why a generation is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Until the dispatch is told, it cannot know.
    Lost {
        told: bool,
    },
    Released,
    /// Its consumer closed, or was dropped.
    Closed,
}

impl Fate {
    pub(super) const fn is_known(self) -> bool {
        !matches!(self, Self::Lost { told: false })
    }
}

#[derive(Debug)]
pub(super) struct Arrived {
    turn: u64,
    position: u64,
    pub(super) parcel: Parcel,
    /// By whatever generation; the broker does not forget it.
    pub(super) settled: bool,
}

#[derive(Debug)]
pub(super) struct Partition {
    pub(super) log: Vec<Arrived>,
    /// The next of the log to hand out.
    next: usize,
    pub(super) generation: u32,
    pub(super) stage: Stage,
    /// Handed out in this generation and not settled.
    open: BTreeSet<u64>,
    /// Handed out in this generation and settled.
    done: BTreeSet<u64>,
    highest: Option<u64>,
    /// The floor that the dispatch told, or that follows from what was handed out.
    floor: Option<u64>,
}

impl Partition {
    const fn new(stage: Stage) -> Self {
        Self {
            log: Vec::new(),
            next: 0,
            generation: 1,
            stage,
            open: BTreeSet::new(),
            done: BTreeSet::new(),
            highest: None,
            floor: None,
        }
    }

    fn index(&self, position: u64) -> Option<usize> {
        self.log.binary_search_by_key(&position, |arrived| arrived.position).ok()
    }

    /// What the contract calls the floor.
    fn lowest(&self) -> Option<u64> {
        self.open.first().copied().or(self.highest.map(|highest| highest + 1))
    }

    fn gap(&self) -> u64 {
        self.open.first().zip(self.highest).map_or(0, |(lowest, highest)| highest - lowest)
    }

    fn turn_over(&mut self, stage: Stage) {
        self.generation += 1;
        self.stage = stage;
        (self.open, self.done) = (BTreeSet::new(), BTreeSet::new());
        (self.highest, self.floor) = (None, None);
    }

    /// Goes back to the first that is not settled.
    fn rewind(&mut self) {
        let unsettled = self.log.iter().position(|arrived| !arrived.settled);
        self.next = unsettled.unwrap_or(self.log.len());
    }
}

#[derive(Debug, Clone)]
pub(super) enum News {
    /// With the generations that end.
    Lost(Partitions, Vec<(u32, u32)>),
    /// With its number.
    Revoking(u64),
    Failure(ErrorKind),
}

/// A revocation until it is answered.
#[derive(Debug)]
pub(super) struct Revocation {
    number: u64,
    asked: Partitions,
    /// Less what was lost meanwhile.
    remaining: BTreeSet<u32>,
    pub(super) told: bool,
    told_at: Instant,
}

/// How a consumer closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Closing {
    Well,
    /// It says that what was settled may come again.
    Badly,
    Never,
}

#[derive(Debug)]
pub(super) struct Feed {
    pub(super) filter: Option<Topic>,
    pub(super) order: Order,
    pub(super) limits: Limits,
    pub(super) partitions: BTreeMap<u32, Partition>,
    fates: HashMap<(u32, u32), Fate>,
    /// When losses were told.
    told: HashMap<(u32, u32), Instant>,
    /// Several workers share the subscription: what one was told the others know a little later, before time passes.
    pub(super) shared: bool,
    pub(super) news: VecDeque<News>,
    pub(super) revocations: Vec<Revocation>,
    revoked: u64,
    turns: u64,
    pub(super) ended: bool,
    /// Whether what is settled above the floor is delivered again as well.
    pub(super) repeats: bool,
    pub(super) closing: Closing,
    pub(super) is_closing: bool,
    pub(super) failed: bool,
    pub(super) waker: Option<Waker>,
    /// Polls since time last passed.
    pub(super) polls: (Instant, usize),
}

impl Feed {
    pub(super) fn new() -> Self {
        Self {
            filter: None,
            order: Order::Key,
            limits: Limits::default(),
            partitions: BTreeMap::new(),
            fates: HashMap::new(),
            told: HashMap::new(),
            shared: false,
            news: VecDeque::new(),
            revocations: Vec::new(),
            revoked: 0,
            turns: 0,
            ended: false,
            repeats: false,
            closing: Closing::Well,
            is_closing: false,
            failed: false,
            waker: None,
            polls: (Instant::now(), 0),
        }
    }

    /// A new consumer takes over: every partition begins a generation, and nobody owes an answer.
    pub(super) fn open(&mut self) {
        self.end(Fate::Closed);
        for partition in self.partitions.values_mut() {
            partition.turn_over(Stage::Ours);
            partition.rewind();
        }
        self.news.clear();
        self.revocations.clear();
        (self.is_closing, self.failed) = (false, false);
    }

    /// Its consumer is gone.
    pub(super) fn end(&mut self, fate: Fate) {
        for (number, partition) in &self.partitions {
            self.fates.entry((*number, partition.generation)).or_insert(fate);
        }
    }

    pub(super) fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Puts a message at the end of a partition, so many positions after the last one.
    pub(super) fn push(&mut self, number: u32, after: u64, parcel: Parcel) -> (usize, u64) {
        self.turns += 1;
        // One that begins while it is asked back is for whoever is next.
        let asked = self.revocations.iter().any(|one| one.asked.contains(number));
        let stage = if asked { Stage::Gone } else { Stage::Ours };
        let partition = self.partitions.entry(number).or_insert_with(|| Partition::new(stage));
        let position = partition.log.last().map_or(after, |last| last.position + after.max(1));
        partition.log.push(Arrived { turn: self.turns, position, parcel, settled: false });
        (partition.log.len() - 1, position)
    }

    /// Why a token is stale, if it is.
    pub(super) fn fate(&self, token: Token) -> Option<Fate> {
        self.fates.get(&(token.partition, token.generation)).copied()
    }

    /// Whether every worker knows that a delivery is gone.
    pub(super) fn is_gone(&self, token: Token) -> bool {
        let told = self.told.get(&(token.partition, token.generation));
        let now = self.shared && told.is_some_and(|told| *told == Instant::now());
        !now && self.fate(token).is_some_and(Fate::is_known)
    }

    /// Whether every worker knows that the partition is to be given up.
    pub(super) fn is_revoked(&self, partition: u32) -> bool {
        let told = |one: &Revocation| one.told && !(self.shared && one.told_at == Instant::now());
        self.revocations.iter().any(|one| told(one) && one.remaining.contains(&partition))
    }

    fn among(&self, partitions: &Partitions) -> Vec<u32> {
        let ours = self.partitions.iter().filter(|(_, partition)| partition.stage != Stage::Gone);
        ours.map(|(number, _)| *number).filter(|number| partitions.contains(*number)).collect()
    }

    pub(super) fn lose(&mut self, partitions: Partitions) {
        let gone = self.among(&partitions);
        let generations = gone.iter().map(|number| (*number, self.partitions[number].generation)).collect();
        for number in &gone {
            let Some(partition) = self.partitions.get_mut(number) else { continue };
            self.fates.insert((*number, partition.generation), Fate::Lost { told: false });
            partition.turn_over(Stage::Gone);
        }
        self.news.push_back(News::Lost(partitions, generations));
        self.wake();
    }

    pub(super) fn revoke(&mut self, partitions: Partitions) {
        // What is gone already, or asked for, is not asked for.
        let free = |number: &u32| self.partitions.get(number).is_none_or(|one| one.stage == Stage::Ours);
        let (partitions, remaining): (_, BTreeSet<u32>) = match partitions {
            Partitions::All => (Partitions::All, self.among(&Partitions::All).into_iter().collect()),
            Partitions::These(these) => {
                let these: Vec<u32> = these.into_iter().filter(free).collect();
                if these.is_empty() {
                    return;
                }
                (Partitions::These(these.clone()), these.into_iter().collect())
            }
        };
        for number in &remaining {
            if let Some(partition) = self.partitions.get_mut(number) {
                partition.stage = Stage::Leaving;
            }
        }
        self.revoked += 1;
        let number = self.revoked;
        self.revocations.push(Revocation {
            number,
            asked: partitions,
            remaining,
            told: false,
            told_at: Instant::now(),
        });
        self.news.push_back(News::Revoking(number));
        self.wake();
    }

    /// Partitions that are gone are ours again, from the first unsettled delivery on; those that are asked back, when
    /// that is answered.
    pub(super) fn assign(&mut self, partitions: &Partitions) {
        let asked = |number: &u32| {
            self.revocations.iter().any(|one| one.asked == Partitions::All || one.remaining.contains(number))
        };
        for (number, partition) in &mut self.partitions {
            if partition.stage == Stage::Gone && partitions.contains(*number) && !asked(number) {
                partition.stage = Stage::Ours;
                partition.rewind();
            }
        }
        self.wake();
    }

    /// Takes note that a revocation is answered; an error says what is wrong with the answer.
    pub(super) fn release(&mut self, partitions: &Partitions) -> Result<(), String> {
        let is_it = |one: &Revocation| {
            one.told
                && match partitions {
                    Partitions::All => one.asked == Partitions::All,
                    Partitions::These(these) => {
                        these.iter().copied().collect::<BTreeSet<_>>() == one.remaining
                    }
                }
        };
        let Some(at) = self.revocations.iter().position(is_it) else {
            return Err(format!("{partitions:?} was released, and not revoked, or lost meanwhile"));
        };
        for number in self.revocations.remove(at).remaining {
            let partition = self.partitions.get_mut(&number);
            if let Some(partition) = partition.filter(|partition| partition.stage == Stage::Leaving) {
                self.fates.insert((number, partition.generation), Fate::Released);
                partition.turn_over(Stage::Gone);
            }
        }
        Ok(())
    }

    /// What the dispatch is told next, if there is anything but deliveries.
    pub(super) fn tell(&mut self) -> Option<Result<Intake, ErrorKind>> {
        Some(match self.news.pop_front()? {
            News::Lost(partitions, generations) => {
                for generation in generations {
                    self.fates.insert(generation, Fate::Lost { told: true });
                    self.told.insert(generation, Instant::now());
                }
                // From now on the dispatch knows that it has nothing of them to release.
                self.revocations.retain_mut(|revocation| {
                    if revocation.told {
                        revocation.remaining.retain(|number| !partitions.contains(*number));
                    }
                    match revocation.asked {
                        _ if !revocation.told => true,
                        Partitions::All => partitions != Partitions::All,
                        Partitions::These(_) => !revocation.remaining.is_empty(),
                    }
                });
                Ok(Intake::Lost(partitions))
            }
            News::Revoking(number) => {
                let revocation = self.revocations.iter_mut().find(|one| one.number == number);
                let revocation = revocation.expect("its news goes with it");
                (revocation.told, revocation.told_at) = (true, Instant::now());
                Ok(Intake::Revoking(revocation.asked.clone()))
            }
            News::Failure(kind) => {
                self.failed = true;
                Err(kind)
            }
        })
    }

    /// Hands out what there is room for, in the order of arrival; what comes again comes first.
    pub(super) fn hand_out(&mut self, room: Room, into: &mut Vec<Delivery>) -> Vec<(Token, u64)> {
        let (mut handed, mut bytes) = (Vec::new(), 0);
        while !room.is_empty() && handed.len() < room.count {
            let ours = self.partitions.iter_mut().filter(|(_, partition)| partition.stage == Stage::Ours);
            let waiting = ours.filter_map(|(number, partition)| {
                while !self.repeats && partition.log.get(partition.next).is_some_and(|next| next.settled) {
                    partition.next += 1;
                }
                let turn = partition.log.get(partition.next)?.turn;
                Some((turn, *number, partition))
            });
            let Some((_, number, partition)) = waiting.min_by_key(|(turn, ..)| *turn) else { break };
            let Arrived { position, parcel, .. } = &partition.log[partition.next];
            bytes += parcel.message.size();
            if bytes > room.bytes && !handed.is_empty() {
                break;
            }
            let position = *position;
            let token = Token { partition: number, generation: partition.generation, position };
            handed.push((token, parcel.number));
            into.push(Delivery {
                token,
                topic: Topic::from_static(parcel.topic),
                message: parcel.message.clone(),
                partition: Some(number),
                position: Some(Position::new(position)),
                past: None,
            });
            if partition.open.is_empty() {
                // Below it everything is settled, whatever holes there are.
                partition.floor = Some(position);
            }
            partition.open.insert(position);
            partition.highest = Some(position);
            partition.next += 1;
        }
        handed
    }

    /// What is wrong with the room that the dispatch gives.
    pub(super) fn check_room(&self, room: Room) -> Option<String> {
        let ours = || self.partitions.values().filter(|partition| partition.stage == Stage::Ours);
        let held: usize = ours().map(|partition| partition.open.len()).sum();
        let size = |partition: &Partition, position: &u64| {
            partition.index(*position).map_or(0, |at| partition.log[at].parcel.message.size())
        };
        let bytes: usize = ours().flat_map(|p| p.open.iter().map(|position| size(p, position))).sum();
        let gap = ours().map(Partition::gap).max().unwrap_or_default();
        let Limits { held: most, held_bytes, gap: widest } = self.limits;
        if room.is_empty() {
            return None;
        }
        let fits = held + room.count <= most
            && bytes.saturating_add(room.bytes) <= held_bytes
            && gap + room.count as u64 <= widest;
        let limits = self.limits;
        (!fits)
            .then(|| format!("{room:?} although {held} of {bytes} bytes are held, {gap} apart: {limits:?}"))
    }

    /// Settles one token of a live generation.
    pub(super) fn settle(&mut self, token: Token) -> Result<(), String> {
        let partition = self.partitions.get_mut(&token.partition);
        let partition = partition.filter(|partition| partition.generation == token.generation);
        let partition = partition.ok_or_else(|| format!("{token:?} was settled, and never handed out"))?;
        if partition.done.contains(&token.position) {
            return Err(format!("{token:?} was settled twice"));
        }
        if !partition.open.remove(&token.position) {
            return Err(format!("{token:?} was settled, and never handed out"));
        }
        partition.done.insert(token.position);
        if let Some(at) = partition.index(token.position) {
            partition.log[at].settled = true;
        }
        Ok(())
    }

    /// What is wrong with the floors that were told with some tokens.
    pub(super) fn check_floors(&mut self, floors: &[Floor], problems: &mut Vec<String>) {
        for floor in floors {
            let Floor { partition, generation, position } = *floor;
            if let Some(fate) = self.fates.get(&(partition, generation)) {
                if fate.is_known() {
                    problems.push(format!("{floor:?} is of a generation that is over: {fate:?}"));
                }
                continue;
            }
            let Some(partition) = self.partitions.get_mut(&partition).filter(|p| p.generation == generation)
            else {
                problems.push(format!("{floor:?} is of a partition that nobody has"));
                continue;
            };
            let before = partition.floor.unwrap_or_default();
            match partition.lowest() {
                Some(lowest) if position > lowest => {
                    problems.push(format!("{floor:?} passes {lowest}, which is not settled"));
                }
                Some(lowest) if position < lowest => problems.push(format!("{floor:?} is not {lowest}")),
                _ if position < before => problems.push(format!("{floor:?} fell from {before}")),
                _ if position == before => problems.push(format!("{floor:?} did not change")),
                _ => {}
            }
            partition.floor = Some(position);
        }
        for (number, partition) in &self.partitions {
            if partition.stage != Stage::Gone && partition.lowest() != partition.floor {
                let (told, is) = (partition.floor, partition.lowest());
                problems.push(format!("the floor of {number} is {is:?}, and {told:?} was told"));
            }
        }
    }

    /// Whether something can still be handed out.
    pub(super) fn has_more(&self) -> bool {
        let ours = self.partitions.values().filter(|partition| partition.stage == Stage::Ours);
        ours.flat_map(|partition| &partition.log[partition.next..]).any(|next| self.repeats || !next.settled)
    }

    /// Which message a token is of.
    pub(super) fn number(&self, token: Token) -> Option<u64> {
        let partition = self.partitions.get(&token.partition)?;
        Some(partition.log[partition.index(token.position)?].parcel.number)
    }

    /// Messages that no generation has settled.
    pub(super) fn unsettled(&self) -> Vec<u64> {
        let log = self.partitions.values().flat_map(|partition| &partition.log);
        log.filter(|arrived| !arrived.settled).map(|arrived| arrived.parcel.number).collect()
    }
}
