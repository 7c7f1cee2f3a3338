//! The archive: what the mails of a run were made of is packed and kept with it, so that the same
//! bytes can be made again, and a later mail can say which figures have changed since.
//!
//! A snapshot is the whole [`DigestMail`] as JSON, deflated. The logo is kept beside it, once.

use std::io::Read as _;

use flate2::Compression;
use flate2::read::{ZlibDecoder, ZlibEncoder};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Engine;
use crate::domain::token::{Action, Key, Token};
use crate::render::{DigestMail, Envelope};
use crate::store::state::archive::Snapshot;
use crate::store::state::outbox::MadeOf;
use crate::store::state::slots::Run;
use crate::store::state::{StateError, keys};

pub mod differ;
pub mod later;
pub mod replay;

/// How snapshots are written today.
const VERSION: u32 = 1;
/// The key's name in the state.
const TOKEN_KEY: &str = "token";
/// Largest snapshot that is read back, in bytes before packing.
const PLAIN_BYTES_MAX: u64 = 1 << 30;

/// Why a snapshot cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// Another postrider wrote it in a way that this one does not know.
    #[error("it is written in version {0}, and this postrider reads version {VERSION}")]
    Version(u32),
    /// The bytes are damaged.
    #[error("it is damaged")]
    Damaged(#[from] std::io::Error),
    /// It lacks something that mails are made of today, or has what is no more.
    #[error("postrider {by} made it, and mails are made of other things today")]
    Foreign {
        /// The version of postrider, where that can still be read.
        by: String,
        /// What is amiss.
        #[source]
        source: serde_json::Error,
    },
}

/// A snapshot, read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Unpacked {
    /// The version of postrider that made the mail.
    pub by: String,
    /// What the mail was made of.
    pub mail: DigestMail,
}

#[derive(Serialize)]
struct Written<'a> {
    by: &'a str,
    mail: &'a DigestMail,
}

#[derive(Deserialize)]
struct ReadBack {
    by: String,
    mail: DigestMail,
}

#[derive(Deserialize)]
struct Author {
    by: String,
}

impl Engine {
    /// The key that signs what readers of mails may do: made once, the same as long as the state
    /// lives. `None` where the state cannot be written, which is told in the log.
    pub fn token_key(&self) -> Option<Key> {
        if let Some(key) = self.token_key.get() {
            return Some(key.clone());
        }
        let made = || -> Result<[u8; 32], StateError> {
            if let Some(key) = self.store.state.read(|tx| keys::find(tx, TOKEN_KEY))? {
                return Ok(key);
            }
            let mut fresh = [0; 32];
            if let Err(err) = getrandom::fill(&mut fresh) {
                return Err(StateError::Random(err.to_string()));
            }
            self.store.state.write(|tx| keys::key(tx, TOKEN_KEY, fresh))
        };
        match made() {
            Ok(key) => Some(self.token_key.get_or_init(|| Key::new(key)).clone()),
            Err(err) => {
                tracing::error!(error = %err, "no key for tokens: mails go out without them");
                None
            }
        }
    }
}

/// Packs what the mails of a run, or of one part of it, were made of. To be done before the
/// transaction that keeps it: see [`crate::store::state::archive::keep`].
pub fn pack(run: &Run, mut mail: DigestMail) -> Snapshot {
    let logo = mail.look.logo.as_mut().map(|logo| std::mem::take(&mut logo.bytes));
    let picture = logo.map(|bytes| {
        let hash: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
        (hash, bytes)
    });
    let written = Written { by: env!("CARGO_PKG_VERSION"), mail: &mail };
    let plain = serde_json::to_vec(&written).expect("a mail is made of names and values");
    let mut packed = Vec::new();
    ZlibEncoder::new(plain.as_slice(), Compression::default())
        .read_to_end(&mut packed)
        .expect("memory takes every byte");
    Snapshot {
        run: run.id.clone(),
        part: mail.part.clone().unwrap_or_default(),
        made_at: run.made_at,
        version: VERSION,
        plain_bytes: plain.len() as u64,
        picture,
        packed,
    }
}

/// Reads a snapshot back.
///
/// # Errors
/// It is damaged, or was written by a postrider that made mails of other things.
pub fn unpack(snapshot: Snapshot) -> Result<Unpacked, UnpackError> {
    if snapshot.version != VERSION {
        return Err(UnpackError::Version(snapshot.version));
    }
    let mut plain = Vec::new();
    ZlibDecoder::new(snapshot.packed.as_slice()).take(PLAIN_BYTES_MAX).read_to_end(&mut plain)?;
    let mut read: ReadBack = serde_json::from_slice(&plain).map_err(|source| {
        let by = serde_json::from_slice(&plain).map_or("?".to_owned(), |author: Author| author.by);
        UnpackError::Foreign { by, source }
    })?;
    if let (Some(logo), Some((_, bytes))) = (&mut read.mail.look.logo, snapshot.picture) {
        logo.bytes = bytes;
    }
    Ok(Unpacked { by: read.by, mail: read.mail })
}

/// What one message of a run was made of: a mail has an envelope, a webhook's payload has none.
pub fn made_of(part: Option<&str>, envelope: Option<&Envelope>) -> MadeOf {
    let envelope = envelope
        .map(|envelope| serde_json::to_string(envelope).expect("an envelope is made of texts"));
    MadeOf { part: part.unwrap_or_default().to_owned(), envelope }
}

/// Gives a digest's mail the ways its reader can leave: the token of a mail to the owner, and the
/// address of one click where there is a page for it.
pub fn sign(envelope: &mut Envelope, key: &Key, public_url: Option<&str>, digest: &str) {
    let token = Token {
        action: Action::Unsubscribe,
        digest: digest.to_owned(),
        recipient: envelope.to.clone(),
    };
    let token = key.sign(&token);
    envelope.one_click =
        public_url.map(|url| format!("{}/unsubscribe/{token}", url.trim_end_matches('/')));
    envelope.unsubscribe_token = Some(token);
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::render::Logo;
    use crate::render::tests::fixtures;

    fn run() -> Run {
        Run {
            id: "r".into(),
            digest: "morning".into(),
            planned_at: DateTime::UNIX_EPOCH,
            made_at: DateTime::UNIX_EPOCH,
            definition_hash: String::new(),
            subject: String::new(),
            trigger: "schedule".into(),
            outcome: "made".into(),
            detail: None,
        }
    }

    #[test]
    fn a_mail_with_everything_is_read_back_as_it_was() {
        let mut mail = fixtures::digest();
        let bytes = vec![137, 80, 78, 71, 0, 255];
        let logo = Logo { bytes, alt: "Acme".into(), width: 120, height: 40 };
        mail.look.logo = Some(logo);
        let snapshot = pack(&run(), mail.clone());
        assert!((snapshot.packed.len() as u64) < snapshot.plain_bytes);
        assert_eq!(unpack(snapshot).unwrap().mail, mail);
    }

    #[test]
    fn a_real_number_keeps_its_last_bit() {
        for number in
            [0.1_f64 + 0.2, 1.0 / 3.0, 5e-324, 1.797_693_134_862_315_7e308, 123_456.789_012_3]
        {
            let written = serde_json::to_string(&number).unwrap();
            let read: f64 = serde_json::from_str(&written).unwrap();
            assert_eq!(read.to_bits(), number.to_bits(), "{written}");
        }
    }

    #[test]
    fn what_cannot_be_read_back_says_why() {
        let snapshot = pack(&run(), fixtures::digest());
        let newer = Snapshot { version: 2, ..snapshot.clone() };
        assert!(matches!(unpack(newer), Err(UnpackError::Version(2))));
        let cut = Snapshot { packed: snapshot.packed[..40].to_vec(), ..snapshot.clone() };
        assert!(matches!(unpack(cut), Err(UnpackError::Damaged(_))));
        let mut packed = Vec::new();
        let foreign = br#"{"by":"9.9","mail":{"else":1}}"#;
        ZlibEncoder::new(foreign.as_slice(), Compression::fast()).read_to_end(&mut packed).unwrap();
        let foreign = unpack(Snapshot { packed, ..snapshot }).unwrap_err();
        assert_eq!(
            foreign.to_string(),
            "postrider 9.9 made it, and mails are made of other things today"
        );
    }
}
