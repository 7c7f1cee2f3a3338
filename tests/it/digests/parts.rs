//! One mail a part: each reader gets his rows alone, nothing is lost, and one line proves it.

use std::collections::BTreeMap;

use postrider::demo::org::{Id, Org, Value};
use postrider::engine::digest::Making;
use postrider::store::state::archive;
use postrider::store::state::slots::{self, Run};

use crate::harness::records::{Channel, channel, ended, session};
use crate::harness::{HEAD, TestPostrider, utc};

const MORNING: &str = "2026-11-18T06:50:00Z";
const AFTER: &str = "2026-11-18T07:05:00Z";

fn config(lines: &str) -> String {
    format!(
        r#"{HEAD}
[report_types.sessions]
from = """
  MessagingSession session
  join MessagingChannel channel on channel.Id = session.MessagingChannelId
  left join Account account on account.Id = session.EndUserAccountId
"""
[reports.traffic]
title = "How many sessions?"
type = "sessions"
period = "yesterday"
date = "session.StartTime"
group_by = ["channel as Channel"]
columns = ["count() as Sessions"]
total = true

[reports.waits]
title = "How long?"
type = "sessions"
period = "yesterday"
date = "session.StartTime"
where = "session.Status = 'Ended'"
columns = ["count() as Ended", "count(session.AcceptTime) as Accepted"]

[reports.open]
title = "Which are open?"
type = "sessions"
period = "yesterday"
date = "session.StartTime"
where = "session.Status = 'Active'"
columns = ["account as Account", "session.Name as Name"]

[digests.accounts]
subject = "Sessions of {{{{ date }}}}"
reports = ["traffic", "waits", "open"]
schedule = "0 8 * * *"
split_by = "account as Account"
{lines}
"#
    )
}

/// An account whose number is where its mails go.
fn client(org: &Org, name: &str, address: Value) -> Id {
    let made = utc("2026-01-02T00:00:00Z");
    let fields = [
        ("Name", name.into()),
        ("AccountNumber", address),
        ("CreatedDate", made.into()),
        ("SystemModstamp", made.into()),
    ];
    org.insert("Account", &fields).unwrap()
}

fn sessions(org: &Org, on: &Channel, of: Option<Id>, count: usize) {
    for minute in 0..count {
        let account = of.map_or(Value::Null, Value::from);
        let start = format!("2026-11-17T12:{minute:02}:00Z");
        ended(org, on, &start, &[("EndUserAccountId", account)]);
    }
}

fn fill(org: &Org) {
    let (web, sms) = (channel(org, "Web"), channel(org, "Text"));
    let acme = client(org, "Acme", "a@acme.com".into());
    let beta = client(org, "Beta", "x@beta.org; y@beta.org".into());
    let gamma = client(org, "Gamma", Value::Null);
    client(org, "Quiet", "q@quiet.org".into());
    sessions(org, &web, Some(acme), 2);
    sessions(org, &sms, Some(beta), 3);
    sessions(org, &web, Some(beta), 1);
    sessions(org, &web, Some(gamma), 4);
    sessions(org, &sms, None, 1);
}

async fn sent(lines: &str, fill: impl FnOnce(&Org)) -> TestPostrider {
    let t = TestPostrider::start(&config(lines), MORNING, fill).await;
    t.beat().await;
    t.advance_to("2026-11-18T06:59:00Z").await;
    assert_eq!(t.deliveries(), [], "nothing is owed before the slot");
    t.advance_to(AFTER).await;
    t
}

fn runs(t: &TestPostrider) -> Vec<Run> {
    t.app.engine().store().state.read(|tx| slots::runs(tx, None, 100)).unwrap()
}

/// Subject and words of each mail, by reader.
fn mails(t: &TestPostrider) -> BTreeMap<String, Vec<(String, String)>> {
    let mut mails: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for mail in t.inbox.mails() {
        let letter = crate::harness::Letter::read(&mail);
        assert_eq!(mail.recipients, [letter.to.as_str()], "one reader a mail");
        mails.entry(letter.to.clone()).or_default().push((letter.subject.clone(), letter.words()));
    }
    mails
}

#[track_caller]
fn has(words: &str, piece: &str) {
    assert!(words.contains(piece), "`{piece}` not in {words}");
}

#[tokio::test]
async fn each_reader_gets_his_part_and_the_owner_what_is_nobodys() {
    let t = sent("recipients = \"account.AccountNumber\"", fill).await;
    let mails = mails(&t);
    let readers: Vec<&str> = mails.keys().map(String::as_str).collect();
    assert_eq!(readers, ["a@acme.com", "owner@example.com", "x@beta.org", "y@beta.org"]);
    let (subject, words) = &mails["a@acme.com"][0];
    assert_eq!(subject, "Sessions of Wed 18 Nov 2026");
    has(words, "Web 2");
    assert!(!words.contains("Text"), "{words}");
    for reader in ["x@beta.org", "y@beta.org"] {
        let (_, words) = &mails[reader][0];
        for piece in ["Web 1", "Text 3", "Total 4"] {
            has(
                &words
                    .replace(['-', '\u{2500}'], " ")
                    .split_whitespace()
                    .collect::<Vec<_>>()
                    .join(" "),
                piece,
            );
        }
        for others in ["Acme", "Gamma", "@acme"] {
            assert!(!words.contains(others), "{words}");
        }
    }
    let [(_, owner)] = mails["owner@example.com"].as_slice() else { panic!("one mail") };
    let line = "3 mails, traffic: 11 of 11 records, waits: 11 of 11 records, open: 0 of 0 records, \
                2 parts without a reader (10 records)";
    has(owner, line);
    has(owner, "Gamma");
    has(owner, "8 records: its records name no address");
    let run = &runs(&t)[0];
    assert_eq!(run.outcome, format!("made: {line}"));
    // What each mail was made of is kept by the name of its part.
    let kept = t.app.engine().store().state.read(|tx| archive::parts(tx, &run.id)).unwrap();
    assert_eq!(kept, ["Acme", "Beta"]);
    // Made again, it is the same run: nobody gets a second one.
    t.advance_to("2026-11-18T07:30:00Z").await;
    assert_eq!((runs(&t).len(), t.inbox.received()), (1, 4));
    let ids: std::collections::BTreeSet<String> =
        t.deliveries().into_iter().map(|row| row.message_id).collect();
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
async fn readers_are_named_by_a_table_and_a_condition_is_of_each_part() {
    let t = sent(
        "recipients = { Acme = \"a@acme.com\", Beta = [\"x@beta.org\"], Nobody = \"n@n.org\" }\n\
         send_when = \"traffic.Sessions > 3\"",
        fill,
    )
    .await;
    let mails = mails(&t);
    let readers: Vec<&str> = mails.keys().map(String::as_str).collect();
    assert_eq!(readers, ["owner@example.com", "x@beta.org"]);
    has(&runs(&t)[0].outcome, "made: 1 mail, ");
    // Acme and the sessions without an account.
    has(&runs(&t)[0].outcome, "2 parts not sent: its condition does not hold");
}

#[tokio::test]
async fn a_part_that_did_not_change_is_not_sent_again() {
    let lines = "recipients = \"account.AccountNumber\"\nsend_when = \"changed\"";
    let all_time = |text: String| {
        text.replace("period = \"yesterday\"", "period = \"all time\"")
            .replace("0 8 * * *", "0 * * * *")
    };
    let t = TestPostrider::start(&all_time(config(lines)), MORNING, fill).await;
    t.beat().await;
    t.advance_to(AFTER).await;
    assert_eq!(t.mails_to("a@acme.com").len(), 1);
    let acme = t.org.records("Account");
    let acme = acme.iter().find(|record| record.text("Name") == Some("Acme")).unwrap();
    let web = channel(&t.org, "New");
    let start = "2026-11-18T07:10:00Z";
    ended(&t.org, &web, start, &[("EndUserAccountId", acme.id().into())]);
    t.advance_to("2026-11-18T08:05:00Z").await;
    assert_eq!(t.mails_to("a@acme.com").len(), 2, "{:?}", runs(&t));
    assert_eq!(t.mails_to("x@beta.org").len(), 1);
    has(&runs(&t)[0].outcome, "not sent: nothing changed");
}

#[tokio::test]
async fn parts_without_records_and_digests_without_parts_send_nothing() {
    let t = sent("recipients = \"account.AccountNumber\"", |org| {
        channel(org, "Web");
        client(org, "Quiet", "q@quiet.org".into());
    })
    .await;
    assert_eq!(t.inbox.received(), 0);
    assert_eq!(runs(&t)[0].outcome, "not sent: there are no parts");
}

#[tokio::test]
async fn a_required_report_that_fails_stops_all_parts() {
    let lines = "recipients = \"account.AccountNumber\"\nwait_up_to = \"1 min\"";
    let text = config(lines).replace(
        "reports = [\"traffic\", \"waits\", \"open\"]",
        "reports = [\"waits\", { report = \"traffic\", required = true }]",
    );
    // The channels never come, and with them nothing that joins them.
    let t = TestPostrider::start(&text, MORNING, fill).await;
    t.org.faults().hide_object("MessagingChannel");
    t.beat().await;
    t.advance_to(AFTER).await;
    let run = &runs(&t)[0];
    assert!(run.outcome.starts_with("failed: report `"), "{}", run.outcome);
    assert_eq!(t.mails_to("a@acme.com").len(), 0);
    let owner = t.letters_to("owner@example.com");
    assert!(owner.iter().any(|letter| letter.subject.contains("was not sent")), "{owner:?}");
}

#[tokio::test]
async fn by_hand_one_part_can_be_had_by_anybody_who_may_send() {
    let t = TestPostrider::start(&config("recipients = \"account.AccountNumber\""), MORNING, fill)
        .await;
    t.beat().await;
    let engine = t.app.engine();
    let plant = engine.plant();
    let digest = &plant.digests["accounts"];
    let making = |only: Option<&str>, part: Option<&str>| Making {
        planned_at: utc(MORNING),
        by_hand: Some(format!("{only:?}{part:?}")),
        only: only.map(str::to_owned),
        part: part.map(str::to_owned),
        ..Making::default()
    };
    let to = |made: &postrider::engine::digest::Made| -> Vec<String> {
        let readers = made.owed.iter().map(|owed| owed.message.recipient.as_str());
        let parts = made.snapshots.iter().map(|snapshot| snapshot.part.as_str());
        readers.chain(parts).map(str::to_owned).collect()
    };
    // The first part, one that nobody would get among them.
    let made = engine.send(digest, making(Some("me@x.com"), None)).await.unwrap();
    assert_eq!(to(&made), ["me@x.com", "(no account)"]);
    let made = engine.send(digest, making(Some("me@x.com"), Some("Beta"))).await.unwrap();
    assert_eq!(to(&made), ["me@x.com", "Beta"]);
    let made = engine.send(digest, making(None, Some("Acme"))).await.unwrap();
    assert_eq!(to(&made), ["a@acme.com", "Acme"]);
    assert_eq!(made.run.outcome, "made: 1 mail");
    let made = engine.send(digest, making(None, Some("Nobody"))).await.unwrap();
    assert_eq!(made.failure(), Some("no part is called `Nobody`"));
    t.beat().await;
    assert_eq!(t.mails_to("me@x.com").len(), 2);
    // What one looks at by hand is the first part, and nothing of it is sent.
    let made = engine.preview(&plant, digest, utc(AFTER)).await;
    assert!(made.mail.text.contains("Text"), "{}", made.mail.text);
    assert_eq!(t.deliveries().len(), 3);
}

#[tokio::test]
async fn what_was_sent_of_each_part_can_be_made_again_to_the_byte() {
    let t = sent(
        "recipients = \"account.AccountNumber\"\n\
         mask_outside = { domains = [\"acme.com\"], columns = [\"Channel\"] }",
        fill,
    )
    .await;
    let mails = mails(&t);
    has(&mails["a@acme.com"][0].1, "Web 2");
    assert!(!mails["x@beta.org"][0].1.contains("Web"), "outside it is shortened");
    let run = runs(&t).remove(0);
    let replayed = t.app.engine().replay(&run).unwrap();
    assert_eq!(replayed.len(), 3);
    for one in replayed {
        assert_eq!(
            one.verdict,
            postrider::engine::archive::replay::Verdict::Same,
            "{}",
            one.recipient
        );
    }
}

#[tokio::test]
async fn parts_called_the_same_are_kept_apart() {
    // Two accounts of one name, and no report that knows both.
    let text = config("recipients = \"account.AccountNumber\"")
        .replace("[\"traffic\", \"waits\", \"open\"]", "[\"waits\", \"open\"]");
    let t = TestPostrider::start(&text, MORNING, |org| {
        let web = channel(org, "Web");
        let (first, second) =
            (client(org, "Acme", "a@acme.com".into()), client(org, "Acme", "b@acme.org".into()));
        sessions(org, &web, Some(first), 2);
        let of: [(&str, Value); 1] = [("EndUserAccountId", second.into())];
        session(org, &web, "2026-11-17T12:00:00Z", &of);
    })
    .await;
    t.beat().await;
    t.advance_to(AFTER).await;
    let run = runs(&t).remove(0);
    let kept = t.app.engine().store().state.read(|tx| archive::parts(tx, &run.id)).unwrap();
    assert_eq!(kept, ["Acme, a@acme.com", "Acme, b@acme.org"]);
    let replayed = t.app.engine().replay(&run).unwrap();
    let same = postrider::engine::archive::replay::Verdict::Same;
    assert_eq!(replayed.len(), 2);
    assert!(replayed.iter().all(|one| one.verdict == same), "{replayed:?}");
}

#[tokio::test]
async fn parts_that_did_not_change_can_be_counted_again() {
    let lines = "recipients = \"account.AccountNumber\"\nsend_when = \"changed\"";
    let t = sent(lines, fill).await;
    let recounted = t.app.engine().recount(&runs(&t)[0]).await.unwrap();
    assert_eq!((recounted.left_out.as_slice(), recounted.changed.len()), (&[][..], 0));
    assert!(recounted.compared > 0);
}

/// Many accounts with sessions in no order: nobody sees a row of another, and all add up.
#[tokio::test]
async fn among_many_nobody_sees_what_is_not_his() {
    const ACCOUNTS: usize = 40;
    let of = |number: usize| (number * 7 + 3) % 5;
    let t = sent("recipients = \"account.AccountNumber\"", |org| {
        let channels: Vec<Channel> =
            (0..ACCOUNTS).map(|n| channel(org, &format!("Token{n:03}x"))).collect();
        for (number, on) in channels.iter().enumerate() {
            let id = client(
                org,
                &format!("Client{number:03}x"),
                format!("r{number}@x.com").as_str().into(),
            );
            sessions(org, on, Some(id), of(number));
        }
    })
    .await;
    let mut total = 0;
    for (reader, mails) in mails(&t) {
        let [(_, words)] = mails.as_slice() else { panic!("one mail each") };
        let number: usize = reader[1..].split('@').next().unwrap().parse().unwrap();
        for other in (0..ACCOUNTS).filter(|other| *other != number) {
            let (token, client) = (format!("Token{other:03}x"), format!("Client{other:03}x"));
            assert!(!words.contains(&token) && !words.contains(&client), "{reader} sees {token}");
        }
        has(words, &format!("Token{number:03}x {}", of(number)));
        total += of(number);
    }
    let all: usize = (0..ACCOUNTS).map(of).sum();
    assert_eq!(total, all);
    let readers = (0..ACCOUNTS).filter(|number| of(*number) > 0).count();
    has(&runs(&t)[0].outcome, &format!("made: {readers} mails, traffic: {all} of {all} records"));
}
