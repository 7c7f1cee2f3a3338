//! Signed mails, from the digest to the wire and back from the archive.

use std::sync::Arc;

use postrider::app::{App, Limits};
use postrider::clock::Clock;
use postrider::demo::org::Org;
use postrider::engine::archive::replay::Verdict;
use postrider::render::mail::dkim::Signer;
use postrider::store::state::slots;

use super::{ED25519, RSA};
use crate::harness::records::{channel, ended};
use crate::harness::{HEAD, TRAFFIC, TestPostrider};

const DAILY: &str = "[digests.daily]\nreports = [\"traffic\"]\nschedule = \"0 8 * * *\"\n\
                     to = [\"ana@example.com\", \"ben@example.com\"]\n";

pub(super) fn fill(org: &Org) {
    let web = channel(org, "Web");
    ended(org, &web, "2026-11-22T12:00:00Z", &[]);
}

impl TestPostrider {
    /// The same process, signing with these keys.
    fn signing(&mut self, config: &str, keys: Vec<Signer>) {
        let mut config = self.config(config);
        config.dkim = keys;
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        self.app = App::build(config, clock, Limits::default()).unwrap();
    }

    pub(super) fn replayed(&self) -> Vec<Verdict> {
        let state = &self.app.engine().store().state;
        let run = state.read(|tx| slots::runs(tx, None, 1)).unwrap().remove(0);
        let replayed = self.app.engine().replay(&run).unwrap();
        replayed.into_iter().map(|one| one.verdict).collect()
    }
}

#[tokio::test]
async fn a_digest_is_signed_when_it_is_made_and_is_made_again_to_the_byte() {
    let config = format!("{HEAD}{TRAFFIC}{DAILY}");
    let rsa = Signer::new("example.com", "s1", RSA).unwrap();
    let ed25519 = Signer::new("example.com", "s2", ED25519).unwrap();
    let mut t = TestPostrider::start(&config, "2026-11-23T06:50:00Z", fill).await;
    t.signing(&config, vec![rsa.clone(), ed25519.clone()]);
    t.beat().await;
    t.advance_to("2026-11-23T07:10:00Z").await;
    let mails = t.inbox.mails();
    assert_eq!(mails.len(), 2);
    for mail in &mails {
        let text = String::from_utf8(mail.bytes.clone()).unwrap();
        assert!(text.starts_with("DKIM-Signature: v=1; a=rsa-sha256;"), "{text}");
        assert!(text.contains("\r\nDKIM-Signature: v=1; a=ed25519-sha256;"), "{text}");
        assert_eq!(text.matches("DKIM-Signature").count(), 2);
    }
    assert_eq!(t.replayed(), [Verdict::Same, Verdict::Same]);
    // Keys are changed; what was sent stays what it was.
    for keys in [vec![ed25519], vec![]] {
        t.signing(&config, keys);
        assert_eq!(t.replayed(), [Verdict::Same, Verdict::Same]);
    }
}
