//! Which version of the REST interface to speak: the newest that both sides know, or the one the
//! config names. The org's list of versions is asked for once a login, and only where it is needed.

use serde::Deserialize;
use tokio::sync::Mutex;

use super::failure::{Failure, TRIES_MAX};
use super::http;
use super::login::Session;
use super::patience::Patience;
use super::{Salesforce, SalesforceSettings};

/// The lowest version that has `MessagingSessionMetrics`.
pub(super) const OLDEST: u32 = 62;

/// The newest version whose answers are known to be read right.
pub(super) const NEWEST: u32 = 68;

/// Versions the org has, as far as asked.
#[derive(Default)]
pub(super) struct Versions {
    /// The login they were asked with, and the versions, rising.
    known: Mutex<Option<(u64, Vec<u32>)>>,
}

/// Checks a version written in the config, such as `62.0`.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(version: &str) -> Result<(), String> {
    match major(version) {
        None => Err(format!("`api_version` must look like `62.0`, not `{version}`")),
        Some(major) if major < OLDEST => Err(format!(
            "`api_version` must be {OLDEST}.0 or higher, not `{version}`: messaging metrics exist \
             from there on"
        )),
        Some(_) => Ok(()),
    }
}

/// 62 of `62.0`.
fn major(version: &str) -> Option<u32> {
    let (major, minor) = version.split_once('.')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(major) && digits(minor)).then(|| major.parse().ok())?
}

/// The version to speak with an org that offers these, rising.
///
/// # Errors
/// Why there is none.
fn choose(offered: &[u32]) -> Result<u32, String> {
    let newest = offered.last().ok_or("it offers no version of the REST interface")?;
    let known = offered.iter().rev().find(|version| (OLDEST..=NEWEST).contains(*version));
    known.copied().ok_or_else(|| match *newest < OLDEST {
        true => format!(
            "it offers version {newest}.0 of the REST interface at most, and messaging metrics \
             exist from {OLDEST}.0 on"
        ),
        false => format!(
            "it offers no version of the REST interface between {OLDEST}.0 and {NEWEST}.0: set \
             `api_version` to one it has, such as `{newest}.0`"
        ),
    })
}

/// The versions of the body of `/services/data`, rising.
fn read(body: &[u8]) -> Result<Vec<u32>, String> {
    #[derive(Deserialize)]
    struct Wire {
        version: String,
    }
    let wire: Vec<Wire> = serde_json::from_slice(body).map_err(|err| err.to_string())?;
    let mut versions: Vec<u32> = wire.iter().filter_map(|wire| major(&wire.version)).collect();
    versions.sort_unstable();
    Ok(versions)
}

impl Salesforce {
    /// The version to speak, such as `68.0`.
    pub(super) async fn version(&self, session: &Session) -> Result<String, Failure> {
        if let Some(version) = &self.settings.api_version {
            return Ok(version.clone());
        }
        // It was tried as often as may be: whoever asks further must not try as often again.
        let final_told = |failure| Failure::Final(self.told(self.keep_away(failure)));
        let offered = self.offered(session).await.map_err(final_told)?;
        choose(&offered).map(|major| format!("{major}.0")).map_err(Failure::Refused)
    }

    /// Why there is nothing at an address below a version that the config names: the version, or
    /// what the org said.
    pub(super) async fn nothing_there(&self, session: &Session, said: String) -> Failure {
        let SalesforceSettings { api_version: Some(pinned), .. } = &self.settings else {
            return Failure::NotFound(said);
        };
        match self.offered(session).await {
            Ok(offered)
                if !offered.is_empty() && !offered.contains(&major(pinned).unwrap_or(0)) =>
            {
                let newest = offered.last().copied().unwrap_or_default();
                Failure::Refused(format!(
                    "it has no version `{pinned}` of the REST interface, {newest}.0 is its newest: \
                     change `api_version`, or leave it out"
                ))
            }
            // Whatever keeps the list from us, it is not what was asked about.
            _ => Failure::NotFound(said),
        }
    }

    /// The versions the org has, rising. One asks, the others wait for its answer.
    async fn offered(&self, session: &Session) -> Result<Vec<u32>, Failure> {
        let mut known = self.versions.known.lock().await;
        if let Some((login, offered)) = known.as_ref()
            && *login == session.number
        {
            return Ok(offered.clone());
        }
        let mut patience = Patience::new(self.clock.as_ref());
        loop {
            let failure = match self.ask_versions(session).await {
                Ok(offered) => {
                    *known = Some((session.number, offered.clone()));
                    return Ok(offered);
                }
                Err(failure) => failure,
            };
            let (tries_max, after) = match &failure {
                Failure::Transient { tries_max, after, .. } => (*tries_max, *after),
                Failure::Garbled(_) => (TRIES_MAX, None),
                _ => (0, None),
            };
            if !patience.wait(tries_max, after).await {
                return Err(failure);
            }
        }
    }

    /// One try. Neither needs a login nor has one: it says nothing about who asks.
    async fn ask_versions(&self, session: &Session) -> Result<Vec<u32>, Failure> {
        let url = format!("{}/services/data", session.instance);
        self.spend();
        let answer = http::send(self.http.get(url).header("accept", "application/json")).await?;
        self.heard(answer.date, None);
        if answer.status != 200 {
            let failure = super::failure::of_rest(answer.status, &answer.body);
            return Err(match failure {
                Failure::NotFound(said) | Failure::Refused(said) => Failure::Refused(format!(
                    "{said}; its list of versions cannot be read: set `api_version`"
                )),
                failure => failure.not_before(answer.retry_after),
            });
        }
        read(&answer.body)
            .map_err(|why| Failure::Garbled(super::request::garbled(&why, &answer.body)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn chosen(offered: &[u32], expected: Result<u32, &str>) {
        match (choose(offered), expected) {
            (Err(told), Err(says)) => assert!(told.contains(says), "{told}"),
            (chosen, expected) => assert_eq!(chosen, expected.map_err(str::to_owned)),
        }
    }

    #[test]
    fn the_newest_version_both_know_is_spoken() {
        chosen(&[50, 62, 66, 68], Ok(68));
        chosen(&[60, 61, 62], Ok(62));
        chosen(&[67, 68, 69, 70], Ok(68));
        chosen(&[61, 65, 70], Ok(65));
        chosen(&[59, 60, 61], Err("61.0 of the REST interface at most"));
        chosen(&[69, 70], Err("such as `70.0`"));
        chosen(&[], Err("offers no version"));
    }

    #[test]
    fn the_list_of_versions_is_read_in_any_order() {
        let body = br#"[{"label":"Summer","url":"/services/data/v67.0","version":"67.0"},
            {"version":"62.0"},{"version":"next"}]"#;
        assert_eq!(read(body), Ok(vec![62, 67]));
        assert_eq!(read(b"[]"), Ok(vec![]));
        assert!(read(b"{}").is_err());
    }

    #[test]
    fn versions_in_the_config_are_checked() {
        assert_eq!(check("62.0"), Ok(()));
        assert_eq!(check("68.0"), Ok(()));
        for version in ["61.0", "62", "v62.0", "", "62.x", "-62.0", "+62.0"] {
            assert!(check(version).is_err(), "{version}");
        }
    }
}
