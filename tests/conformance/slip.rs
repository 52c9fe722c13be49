//! In which way a counterpart is careless.

/// One mistake. Those of backends are made in `careless.rs`, those of programs where a trial asks for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slip {
    // What it declares.
    /// Says that it keeps no key order.
    DeclaresLess,
    /// Says that larger messages fit than do.
    OverstatesLimit,

    // What it creates.
    /// Creates groups only when somebody consumes.
    ProvisionsLate,
    /// Takes a plan that its broker refused for done.
    AcceptsAnything,
    /// Begins every group at the latest message.
    StartsLatest,
    /// Begins every group at the earliest message.
    StartsEarliest,
    /// All groups are one.
    OneGroup,
    /// Reads every topic for every subscription.
    CrossesTopics,
    /// The instances of a broadcast share one subscription.
    SharesBroadcast,

    // How it publishes.
    /// Leaves the headers away.
    DropsHeaders,
    /// Cuts large payloads off.
    Truncates,
    /// Sends twice, to be sure.
    PublishesTwice,
    /// Confirms every tenth message, and does not store it.
    LosesTenth,
    /// Takes every error for a confirmation.
    SwallowsErrors,
    /// Does not wait for the confirmation of a dead letter.
    ConfirmsLettersEarly,
    /// Lets the broker compare the ids of dead letters with those of events.
    DedupesLetters,
    /// Takes an id for that of a fact, whatever its type.
    DedupesById,
    /// Gives what is sent again another id.
    NewIds,
    /// Does not pass on what a publish asks for.
    DropsOptions,
    /// Does not send replies.
    DropsReplies,
    /// Publishes dead letters where patterns match them.
    ExposesLetters,

    // How it consumes.
    /// Settles what it hands out.
    SettlesEarly,
    /// Keeps settlements to itself.
    NeverSettles,
    /// Settles everything twice.
    SettlesTwice,
    /// Settles everything that came before, too.
    SettlesUpTo,
    /// Settles at its end what it had handed out.
    SettlesOnClose,
    /// Hands messages out without their key.
    SplitsKeys,
    /// Hands two messages of one key out in the wrong order.
    Swaps,
    /// Releases what runs as soon as it is asked.
    ReleasesEarly,
    /// Takes what comes again after a loss for a repeat.
    SkipsRedelivered,
    /// Brings nothing any more after a message that it cannot read.
    HangsOnPoison,
    /// Does not renew its leases while a handler runs.
    NeglectsLease,
    /// Does not pass on what the broker remembers of a delivery.
    ForgetsPast,
    /// Brings more than there is room for.
    Overfills,
    /// Settles what is in a version that nobody reads.
    SkipsUnknown,
    /// Gives up a message that came twenty times.
    DropsTwentieth,
    /// Answers wherever a header says.
    AnswersAnybody,

    // What a program does.
    /// A handler that waits for its next attempt itself.
    SleepsInHandler,
    /// A handler that tries again at once.
    RetriesAtOnce,
    /// A store that knows of nothing.
    ForgetfulStore,
}
