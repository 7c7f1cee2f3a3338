//! Builds that are broken on purpose: each emulates, at the simulator's own edge, a postrider that
//! breaks one promise. The simulator must catch every one of them.

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Break {
    /// A message leaves when it is written, before the commit that owes it.
    SendBeforeCommit,
    /// Every attempt has an id of its own.
    NewIdEachAttempt,
    /// Every attempt has bytes of its own, a new `Date` for instance.
    NewBytesEachAttempt,
    /// Slots, runs and messages are inserted without unique keys.
    SlotWithoutKey,
    /// What receivers were told is forgotten at a restart.
    ForgetsWhoWasTold,
    /// A message counts as delivered before it is sent.
    RecordedBeforeSent,
    /// What a crash cut off counts as delivered.
    CutOffIsDelivered,
    /// The last delivered message goes again after a restart.
    SendsAgainAfterStart,
    /// A refusal for now counts as taken.
    RetryIsDelivered,
    /// The watermark is written although the last record is not.
    WatermarkFirst,
    /// The last message owed is dropped at a restart.
    DropsWhenStarted,
}
