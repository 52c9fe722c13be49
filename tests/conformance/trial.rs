//! What a trial is, and what it may come to.

use std::pin::Pin;

use crate::{slip::Slip, world::World};

/// One promise, tried on one backend at a time.
pub(crate) struct Trial {
    /// The paragraph of the promises that it belongs to.
    pub(crate) section: &'static str,
    /// What it shows.
    pub(crate) name: &'static str,
    /// The numbered traps that it sets.
    pub(crate) traps: &'static [u8],
    pub(crate) run: fn(&World) -> Running<'_>,
    /// What it must catch, and on which backend.
    pub(crate) careless: &'static [(Slip, &'static str)],
}

/// A trial under way; a panic is its failure.
pub(crate) type Running<'a> = Pin<Box<dyn Future<Output = Verdict> + 'a>>;

/// What a trial that did not fail has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The promise is kept.
    Kept,
    /// The backend declares that it cannot, and the error that says so was seen.
    Absent,
    /// This backend does not have the trap.
    NoTrap,
    /// One process cannot show it on a server; what it needs.
    Elsewhere(&'static str),
}

/// `section: { "name" [traps] => function, careless: [Slip @ "backend"] }`.
macro_rules! trials {
    ($section:literal: $($name:literal $([$($trap:literal),+])? => $run:path $(, caught: [$($slip:ident @ $backend:literal),+ $(,)?])?;)+) => {
        pub(crate) const TRIALS: &[$crate::trial::Trial] = &[$(
            $crate::trial::Trial {
                section: $section,
                name: $name,
                traps: &[$($($trap),+)?],
                run: |world| Box::pin($run(world)),
                careless: &[$($(($crate::slip::Slip::$slip, $backend)),+)?],
            },
        )+];
    };
}
pub(crate) use trials;
