//! One mail for everybody: one id, the same bytes, one transaction, and still a verdict for each.

use chrono::TimeDelta;
use mail_parser::MessageParser;
use postrider::clock::Clock as _;
use postrider::demo::inbox::Mail;
use postrider::domain::delivery::Outcome;
use postrider::engine::archive::replay::Verdict;
use postrider::store::state::outbox;

use super::signed::fill;
use super::wrong_in;
use crate::harness::{HEAD, TRAFFIC, TestPostrider};

const DAILY: &str = "[digests.daily]\nreports = [\"traffic\"]\nschedule = \"0 8 * * *\"\n\
                     to = [\"ana@example.com\", \"ben@example.com\"]\ncc = [\"boss@example.com\"]\n\
                     bcc = [\"audit@example.com\"]\ntogether = true\n";

const ALL: [&str; 4] =
    ["ana@example.com", "audit@example.com", "ben@example.com", "boss@example.com"];

async fn at_ten_past_eight(prepare: impl FnOnce(&TestPostrider)) -> TestPostrider {
    let config = format!("{HEAD}{TRAFFIC}{DAILY}");
    let t = TestPostrider::start(&config, "2026-11-23T06:50:00Z", fill).await;
    prepare(&t);
    t.beat().await;
    t.advance_to("2026-11-23T07:10:00Z").await;
    t
}

/// Who got a mail by its envelope, and whom it names.
fn named(mail: &Mail) -> (Vec<String>, Vec<String>, Vec<String>) {
    let parsed = MessageParser::default().parse(&mail.bytes).unwrap();
    let of = |addresses: Option<&mail_parser::Address<'_>>| -> Vec<String> {
        let addresses = addresses.into_iter().flat_map(|list| list.iter());
        addresses.filter_map(|one| one.address()).map(str::to_owned).collect()
    };
    let mut got = mail.recipients.clone();
    got.sort();
    (got, of(parsed.to()), of(parsed.cc()))
}

#[tokio::test]
async fn a_digest_for_everybody_is_one_mail_and_one_transaction() {
    let t = at_ten_past_eight(|_| ()).await;
    let mails = t.inbox.mails();
    let [mail] = mails.as_slice() else { panic!("{} mails", mails.len()) };
    let (got, to, cc) = named(mail);
    assert_eq!(got, ALL);
    assert_eq!(to, ["ana@example.com", "ben@example.com"]);
    assert_eq!(cc, ["boss@example.com"]);
    let text = String::from_utf8(mail.bytes.clone()).unwrap();
    assert!(!text.contains("audit@example.com"), "{text}");
    // Nobody could leave by a link that all have.
    let leave = text.lines().find(|line| line.starts_with("List-Unsubscribe:")).unwrap();
    assert!(leave.ends_with("<mailto:owner@example.com?subject=unsubscribe%20daily>"), "{leave}");
    let rows = t.deliveries();
    assert_eq!(rows.len(), 4);
    assert!(
        rows.iter().all(|row| row.state == "delivered" && row.message_id == rows[0].message_id)
    );
    assert_eq!(t.replayed(), [const { Verdict::Same }; 4]);
}

#[tokio::test]
async fn who_was_refused_gets_the_same_mail_later_and_the_others_not_again() {
    let t =
        at_ten_past_eight(|t| t.inbox.refuse("ben@example.com", "550 5.1.1 no such user")).await;
    let first = t.mails_to("ana@example.com");
    assert_eq!(first.len(), 1);
    assert_eq!(named(&first[0]).0, [ALL[0], ALL[1], ALL[3]]);
    t.inbox.behave();
    let (run, now) = (t.deliveries()[0].origin.clone(), t.clock.now());
    let state = &t.app.engine().store().state;
    let resent = state.write(|tx| outbox::resend(tx, &run, None, now)).unwrap();
    assert_eq!(resent.again.len(), 1);
    t.advance(TimeDelta::minutes(2)).await;
    let second = t.mails_to("ben@example.com");
    assert_eq!(second.len(), 1);
    assert_eq!(named(&second[0]).0, ["ben@example.com"]);
    assert_eq!(second[0].bytes, first[0].bytes);
    assert_eq!(t.mails_to("ana@example.com").len(), 1);
}

#[tokio::test]
async fn a_receiver_for_everybody_is_told_in_one_mail() {
    let two = "to = [\"ops@example.com\", \"night@example.com\"]\ntogether = true";
    let config = format!("{}{TRAFFIC}", HEAD.replace("to = [\"ops@example.com\"]", two));
    let t = TestPostrider::start(&config, "2026-11-23T06:50:00Z", fill).await;
    let trials = t.app.engine().try_receiver("ops-mail").await.unwrap().unwrap();
    let to: Vec<&str> = trials.iter().map(|trial| trial.recipient.as_str()).collect();
    let both = ["ops@example.com", "night@example.com"];
    assert_eq!(to, [both, both].concat());
    assert!(trials.iter().all(|trial| matches!(trial.outcome, Outcome::Delivered(_))));
    let mails = t.inbox.mails();
    assert_eq!(mails.len(), 2, "the incident that fires, and its end");
    for mail in &mails {
        let (got, to, _) = named(mail);
        assert_eq!(got, ["night@example.com", "ops@example.com"]);
        assert_eq!(to, both);
    }
    // They are one thread for everybody.
    let letters = t.letters_to("night@example.com");
    assert_eq!(letters[1].references.len(), 1);
    assert_eq!(
        letters[0].references.first().unwrap_or(&letters[0].message_id),
        &letters[1].references[0]
    );
}

#[test]
fn what_makes_mails_differ_is_refused_beside_one_mail_for_everybody() {
    let daily = |keys: &str| format!("{HEAD}{TRAFFIC}{DAILY}{keys}\n");
    wrong_in(
        &daily("mask_outside = { domains = [\"example.com\"], columns = [\"Channel\"] }"),
        &["one mail for everybody, of which some see less (`mask_outside`)"],
    );
    wrong_in(
        &daily("").replace("ben@", "jörg@"),
        &["`jörg@example.com` cannot be named in everybody's mail"],
    );
    let split = daily("").replace(
        "to = [\"ana@example.com\", \"ben@example.com\"]",
        "split_by = \"channel.Id\"\nrecipients = { Web = \"ana@example.com\" }",
    );
    let split = split.replace("cc = [\"boss@example.com\"]\nbcc = [\"audit@example.com\"]\n", "");
    wrong_in(&split, &["one mail for everybody of a digest that is split"]);
    let receiver =
        HEAD.replace("to = [\"ops@example.com\"]", "to = [\"jörg@example.com\"]\ntogether = true");
    wrong_in(
        &format!("{receiver}{TRAFFIC}"),
        &["`jörg@example.com` cannot be named in everybody's mail"],
    );
}
