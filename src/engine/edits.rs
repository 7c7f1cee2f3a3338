//! Edits of the config that cannot be put in force are the owner's trouble: told once, and once when
//! they are mended.

use chrono::{DateTime, Utc};

use super::notice::{OwnerNotice, Trouble};
use super::{Engine, EngineError};

/// At most so many problems are told; the log has all of them.
const PROBLEMS_MAX: usize = 10;

impl Engine {
    /// The config was edited and is not right; `said` are its problems, a line each, without secrets.
    pub async fn tell_edit_broken(
        &self,
        path: &str,
        said: Vec<String>,
        since: DateTime<Utc>,
    ) -> Result<(), EngineError> {
        let more = said.len().saturating_sub(PROBLEMS_MAX);
        let mut facts = vec![("Config".to_owned(), path.to_owned())];
        let shown = said.into_iter().take(PROBLEMS_MAX).enumerate();
        facts.extend(shown.map(|(index, said)| (format!("Problem {}", index + 1), said)));
        if more > 0 {
            facts.push(("And".to_owned(), format!("{more} more; `postrider check` shows all")));
        }
        let trouble = Trouble {
            identity: vec!["edit".into(), since.to_rfc3339()],
            subject: "config".into(),
            title: "the config was edited and is not in force".into(),
            paragraphs: vec![
                "The old config stays in force: digests, rules and routes go on as before the \
                 edit. A restart would fail until it is mended."
                    .into(),
                "`postrider check` shows each problem in its place. A mended file is put in force \
                 by itself, and told."
                    .into(),
            ],
            facts,
        };
        self.tell_owner(trouble).await
    }

    /// The config, broken since then, is right again and in force.
    pub async fn tell_edit_mended(&self, since: DateTime<Utc>) -> Result<(), EngineError> {
        let trouble = Trouble {
            identity: vec!["edit mended".into(), since.to_rfc3339()],
            subject: "config".into(),
            title: "the config is mended and in force".into(),
            paragraphs: vec!["What was edited since is in force now.".into()],
            facts: Vec::new(),
        };
        self.tell_owner(trouble).await
    }

    async fn tell_owner(&self, trouble: Trouble) -> Result<(), EngineError> {
        let now = self.clock.now();
        let notice = OwnerNotice::new(&self.plant(), trouble, now);
        self.write(move |tx| notice.owe(tx, now)).await
    }
}
