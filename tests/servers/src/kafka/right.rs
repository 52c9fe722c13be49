//! What a user may do with what.

/// What a right is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Topics.
    Topic,
    /// Consumer groups.
    Group,
}

/// What a right allows. Whoever may read, write or alter something may describe it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// To consume, or to be in a group.
    Read,
    /// To publish.
    Write,
    /// To make it.
    Create,
    /// To ask whether it is there.
    Describe,
    /// To ask how it is set up.
    DescribeConfigs,
}

// As Kafka's protocol numbers them.

impl Kind {
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Topic => 2,
            Self::Group => 3,
        }
    }
}

impl Operation {
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Read => 3,
            Self::Write => 4,
            Self::Create => 5,
            Self::Describe => 8,
            Self::DescribeConfigs => 10,
        }
    }
}
