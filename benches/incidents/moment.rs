//! The moments at which the daemon is killed, seen from the outside.

use std::time::Duration;

use postrider::demo::catcher::Answer;
use postrider::demo::inbox::{Act, Stage};
use tokio::time::{Instant, sleep};

use super::Side;
use super::chance::Chance;
use super::state;

/// How long a chosen moment is waited for, in real time; then the kill comes anyhow.
const PATIENCE: Duration = Duration::from_secs(3);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(1);

/// When it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Moment {
    Random,
    Committed,
    Owed,
    Delivering,
    AnswerLost,
    Starting,
}

impl Moment {
    /// In words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Moment::Random => "at any moment",
            Moment::Committed => "right after a commit of the state",
            Moment::Owed => "right after messages were owed",
            Moment::Delivering => "with a message taken and not answered",
            Moment::AnswerLost => "after the answer to a message was lost",
            Moment::Starting => "within a quarter of a second of its start",
        }
    }

    /// Any but the start, which is no moment of its own.
    pub(crate) fn draw(chance: &mut Chance) -> Moment {
        *chance.one_of(&[
            Moment::Random,
            Moment::Committed,
            Moment::Owed,
            Moment::Delivering,
            Moment::AnswerLost,
        ])
    }

    /// Waits for it, and says which moment it has become: any, where this one did not come.
    pub(crate) async fn wait(self, side: &mut Side, chance: &mut Chance) -> anyhow::Result<Moment> {
        let came = match self {
            Moment::Random | Moment::Starting => true,
            Moment::Committed => {
                let files = state::open(&side.home.state())?;
                let before = state::version(&files)?;
                until(|| Ok(state::version(&files)? != before)).await?
            }
            Moment::Owed => {
                let files = state::open(&side.home.state())?;
                let before = state::last_owed(&files)?;
                until(|| Ok(state::last_owed(&files)? != before)).await?
            }
            Moment::Delivering => {
                let late = Duration::from_secs(2);
                side.sink.inbox.misbehave(Stage::Dot, Act::Late(late), 1);
                side.sink.catcher.answer(Answer::After(late, Box::new(Answer::status(200))));
                arrived(side).await?
            }
            Moment::AnswerLost => {
                side.sink.inbox.misbehave(Stage::Dot, Act::Close, 1);
                side.sink.catcher.answer(Answer::Close);
                let came = arrived(side).await?;
                sleep(Duration::from_millis(chance.between(0, 40))).await;
                came
            }
        };
        Ok(if came { self } else { Moment::Random })
    }
}

/// Waits for the next message at either far side.
async fn arrived(side: &mut Side) -> anyhow::Result<bool> {
    let before = (side.sink.inbox.received(), side.sink.catcher.received());
    let sink = &side.sink;
    until(|| Ok((sink.inbox.received(), sink.catcher.received()) != before)).await
}

async fn until(done: impl Fn() -> anyhow::Result<bool>) -> anyhow::Result<bool> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        if done()? {
            return Ok(true);
        }
        sleep(LOOK).await;
    }
    Ok(false)
}
