//! One mail for everybody: one id, the same bytes, one transaction, and still a verdict for each.

use mail_parser::MessageParser;
use postrider::demo::inbox::Mail;
use postrider::domain::delivery::Outcome;

use super::signed::fill;
use super::wrong_in;
use crate::harness::{HEAD, TRAFFIC, TestPostrider};

const DAILY: &str = "[digests.daily]\nreports = [\"traffic\"]\nschedule = \"0 8 * * *\"\n\
                     to = [\"ana@example.com\", \"ben@example.com\"]\ncc = [\"boss@example.com\"]\n\
                     bcc = [\"audit@example.com\"]\ntogether = true\n";

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
