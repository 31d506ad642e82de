//! The verdict of a coverage answer.

/// What is known about a rider's cover at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// At least one window holds the time.
    Covered,
    /// No window does, and nothing that could still arrive can.
    NotCovered,
    /// No window does, but one cannot be excluded.
    Undetermined,
    /// An interval with covered and uncovered parts.
    PartlyCovered,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 4] = [Self::Covered, Self::NotCovered, Self::Undetermined, Self::PartlyCovered];

    /// The verdict of a name in answers.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.as_str() == name)
    }

    /// The name in answers and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Covered => "covered",
            Self::NotCovered => "not_covered",
            Self::Undetermined => "undetermined",
            Self::PartlyCovered => "partly_covered",
        }
    }
}
