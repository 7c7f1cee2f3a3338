//! Whether a digest goes out, to whom, and what readers outside do not see.

use std::io::Read as _;

use postrider::demo::inbox::Mail;
use postrider::demo::org::{Org, Value};
use postrider::store::state::slots::{self, Run};

use crate::harness::records::{account, channel, ended};
use crate::harness::{HEAD, TRAFFIC, TestPostrider};

fn runs(t: &TestPostrider) -> Vec<Run> {
    let mut runs = t.app.engine().store().state.read(|tx| slots::runs(tx, None, 100)).unwrap();
    runs.sort_by_key(|run| run.planned_at);
    runs
}

fn outcomes(t: &TestPostrider) -> Vec<String> {
    runs(t).into_iter().map(|run| run.outcome).collect()
}

fn header(mail: &Mail, name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(&mail.bytes).replace("\r\n ", " ");
    let head = text.split("\r\n\r\n").next().unwrap_or_default().to_owned();
    let line = head.split("\r\n").find_map(|line| line.strip_prefix(&format!("{name}: ")));
    line.map(str::to_owned)
}

/// Sessions on the 17th and the 19th; one of a second channel on the 19th.
fn fill(org: &Org) {
    let (web, sms) = (channel(org, "Web"), channel(org, "Text"));
    ended(org, &web, "2026-11-17T12:00:00Z", &[]);
    ended(org, &web, "2026-11-19T12:00:00Z", &[]);
    ended(org, &sms, "2026-11-19T13:00:00Z", &[]);
}

fn daily(lines: &str) -> String {
    format!(
        "{HEAD}{TRAFFIC}\n[digests.daily]\nreports = [\"traffic\"]\nschedule = \"0 8 * * *\"\n\
         to = [\"ana@example.com\"]\n{lines}\n"
    )
}

/// The digest's outcomes on the mornings of the 18th to the 21st.
async fn four_mornings(lines: &str) -> (TestPostrider, Vec<String>) {
    let t = TestPostrider::start(&daily(lines), "2026-11-18T06:50:00Z", fill).await;
    t.beat().await;
    for day in 18..=21 {
        t.jump_to(&format!("2026-11-{day}T06:55:00Z")).await;
        t.advance_to(&format!("2026-11-{day}T07:03:00Z")).await;
    }
    let outcomes = outcomes(&t);
    (t, outcomes)
}

#[tokio::test]
async fn a_digest_goes_out_when_there_is_something_to_tell() {
    let (t, outcomes) = four_mornings("send_when = \"any rows\"").await;
    assert_eq!(outcomes, ["made", "not sent: no rows", "made", "not sent: no rows"]);
    assert_eq!(t.letters_to("ana@example.com").len(), 2);
    // What was not sent is a decision, with its reason.
    let ledger = t.ledger("daily");
    let told =
        |(kind, text): &(String, String)| kind == "run" && text.ends_with("not sent: no rows");
    assert_eq!(ledger.iter().filter(|entry| told(entry)).count(), 2, "{ledger:?}");
    assert_eq!(t.mails_to("owner@example.com").len(), 0);

    let (_, outcomes) = four_mornings("send_when = \"no rows\"").await;
    let there_are = "not sent: there are rows";
    assert_eq!(outcomes, [there_are, "made", there_are, "made"]);
    let (_, outcomes) = four_mornings("send_when = \"traffic.Sessions > 1\"").await;
    let not = "not sent: its condition does not hold";
    // A total over nothing is zero sessions.
    assert_eq!(outcomes, [not, not, "made", not]);
}

#[tokio::test]
async fn days_are_dates_in_the_mail_a_line_in_the_chart_and_dates_in_the_workbook() {
    let config = daily("locale = \"de-DE\"\nattach = [\"xlsx\"]")
        .replace("\"yesterday\"", "\"last 7 days\"");
    let config = config.replace("channel as Channel", "day(session.StartTime) as Day");
    let config = config.replace("sort = \"Sessions desc\"", "chart = { kind = \"line\" }");
    let t = TestPostrider::start(&config, "2026-11-20T06:50:00Z", fill).await;
    t.beat().await;
    t.advance_to("2026-11-20T07:03:00Z").await;
    let letters = t.letters_to("ana@example.com");
    let words = letters[0].words();
    for said in ["17.11.", "19.11.", "Chart: Line: Sessions by day"] {
        assert!(words.contains(said), "`{said}` not in {words}");
    }
    assert!(!words.contains(".11.."), "{words}");
    let mails = t.mails_to("ana@example.com");
    let parsed = mail_parser::MessageParser::default().parse(&mails[0].bytes).expect("a mail");
    assert!(parsed.parts.iter().any(|part| part.contents().starts_with(b"\x89PNG")));
    let sheets: Vec<u8> =
        parsed.parts.iter().flat_map(|p| unpacked(p.contents())).flatten().collect();
    let sheets = String::from_utf8_lossy(&sheets).into_owned();
    // 17 November 2026, as workbooks count days.
    assert!(sheets.contains("<v>46343</v>"), "the day is a date there");
}

#[tokio::test]
async fn a_goal_missed_in_a_row_that_is_not_shown_is_reason_enough() {
    let config = daily("send_when = \"any goal missed\"")
        .replace("total = true", "total = true\ntop = 1\ngoals = { Sessions = \">= 2\" }");
    let t = TestPostrider::start(&config, "2026-11-18T06:50:00Z", |org| {
        // What is shown is as it should be, and so are the others taken together.
        for (name, sessions) in [("Web", 3), ("Text", 1), ("Voice", 1)] {
            let on = channel(org, name);
            for minute in 0..sessions {
                ended(org, &on, &format!("2026-11-17T12:{minute:02}:00Z"), &[]);
            }
        }
    })
    .await;
    t.beat().await;
    t.advance_to("2026-11-18T07:03:00Z").await;
    assert_eq!(outcomes(&t), ["made"]);
}

#[tokio::test]
async fn what_is_made_later_is_not_what_the_next_one_is_held_against() {
    let config = daily("send_when = \"changed\"").replace("\"yesterday\"", "\"today\"");
    let config = config.replace("0 8 * * *", "0 * * * *");
    let t = TestPostrider::start(&config, "2026-11-20T06:50:00Z", fill).await;
    t.beat().await;
    t.advance_to("2026-11-20T07:03:00Z").await;
    let (engine, slot) = (t.app.engine(), crate::harness::utc("2026-11-19T20:00:00Z"));
    let digest = engine.plant().digests["daily"].clone();
    engine.make_later(&digest, slot, None).await.unwrap();
    t.advance_to("2026-11-20T08:03:00Z").await;
    // Nothing came in today, as an hour before; what came in yesterday is no news.
    assert_eq!(outcomes(&t), ["made", "made", "not sent: nothing changed"]);
}

#[tokio::test]
async fn a_digest_of_what_changed_is_held_against_the_last_one_that_went_out() {
    let config = daily("send_when = \"changed\"").replace("\"yesterday\"", "\"all time\"");
    let config = config.replace("0 8 * * *", "0 * * * *");
    let mut t = TestPostrider::start(&config, "2026-11-20T06:50:00Z", fill).await;
    t.beat().await;
    t.advance_to("2026-11-20T07:03:00Z").await;
    t.advance_to("2026-11-20T08:03:00Z").await;
    // It is remembered across a restart.
    t.restart(&config).await;
    t.advance_to("2026-11-20T09:03:00Z").await;
    let web = channel(&t.org, "New");
    ended(&t.org, &web, "2026-11-20T09:10:00Z", &[]);
    t.advance_to("2026-11-20T10:03:00Z").await;
    t.advance_to("2026-11-20T11:03:00Z").await;
    let not = "not sent: nothing changed";
    assert_eq!(outcomes(&t), ["made", not, not, "made", not]);
    assert_eq!(t.letters_to("ana@example.com").len(), 2);
}

#[tokio::test]
async fn sent_by_hand_it_goes_out_whatever_it_waits_for() {
    let t = TestPostrider::start(&daily("send_when = \"any rows\""), "2026-11-25T10:00:00Z", fill)
        .await;
    t.beat().await;
    let plant = t.app.engine().plant();
    let making = postrider::engine::digest::Making {
        by_hand: Some("x".into()),
        planned_at: crate::harness::utc("2026-11-25T10:00:00Z"),
        ..Default::default()
    };
    let made = t.app.engine().send(&plant.digests["daily"], making).await.unwrap();
    assert_eq!((made.run.outcome.as_str(), made.owed.len()), ("made", 1));
    t.beat().await;
    assert_eq!(t.letters_to("ana@example.com").len(), 1);
}

/// A report that cannot be made, because its dataset is not there; `required` as told.
async fn with_one_that_fails(entry: &str) -> TestPostrider {
    let config = format!(
        "{HEAD}{TRAFFIC}\n[reports.users]\ntitle = \"Who?\"\ntype = \"User\"\n\
         columns = [\"count() as Users\"]\n\
         [digests.daily]\nreports = [\"traffic\", {entry}]\nschedule = \"0 8 * * *\"\n\
         to = [\"ana@example.com\", \"ops-hook\"]\nwait_up_to = \"1 min\"\nsend_when = \"no rows\"\n"
    );
    let t = TestPostrider::start(&config, "2026-11-18T06:50:00Z", fill).await;
    t.org.faults().hide_object("User");
    t.beat().await;
    t.advance_to("2026-11-18T07:05:00Z").await;
    t
}

#[tokio::test]
async fn a_required_report_that_fails_is_told_to_the_owner_and_to_nobody_else() {
    let t = with_one_that_fails("{ report = \"users\", required = true }").await;
    let outcomes = outcomes(&t);
    assert_eq!(outcomes.len(), 1);
    assert!(outcomes[0].starts_with("failed: report `users`: "), "{outcomes:?}");
    assert_eq!((t.mails_to("ana@example.com").len(), t.catcher.received()), (0, 0));
    let owner = t.letters_to("owner@example.com");
    let told: Vec<_> =
        owner.iter().filter(|letter| letter.subject.contains("was not sent")).collect();
    assert_eq!(told.len(), 1, "{owner:?}");
    assert!(told[0].words().contains("report `users`"), "{}", told[0].text);
    // It is one slot, claimed once.
    t.advance_to("2026-11-18T07:20:00Z").await;
    assert_eq!(runs(&t).len(), 1);
}

#[tokio::test]
async fn another_report_that_fails_is_a_notice_in_the_mail_and_never_silence() {
    // There are rows, so it would not go out: but nobody knows what the other would have said.
    let t = with_one_that_fails("\"users\"").await;
    assert_eq!(outcomes(&t), ["made with faults"]);
    let letters = t.letters_to("ana@example.com");
    assert_eq!(letters.len(), 1);
    assert!(letters[0].words().contains("could not be made"), "{}", letters[0].text);
    assert_eq!(t.catcher.received(), 1);
}

#[tokio::test]
async fn readers_beside_get_mails_of_their_own() {
    let t = TestPostrider::start(
        &daily("cc = [\"carl@example.com\"]\nbcc = [\"bea@example.com\"]\nreply_to = \"desk@example.com\""),
        "2026-11-18T06:50:00Z",
        fill,
    )
    .await;
    t.beat().await;
    t.advance_to("2026-11-18T07:03:00Z").await;
    for (reader, cc) in [
        ("ana@example.com", Some("<carl@example.com>")),
        // His own copy names nobody twice.
        ("carl@example.com", None),
        ("bea@example.com", Some("<carl@example.com>")),
    ] {
        let mails = t.mails_to(reader);
        let [mail] = mails.as_slice() else { panic!("{} mails to {reader}", mails.len()) };
        assert_eq!(mail.recipients, [reader]);
        assert_eq!(header(mail, "To"), Some(format!("<{reader}>")));
        assert_eq!(header(mail, "Reply-To").as_deref(), Some("desk@example.com"));
        assert_eq!(header(mail, "Cc").as_deref(), cc);
        let secret = String::from_utf8_lossy(&mail.bytes).contains("bea@example.com");
        assert_eq!(secret, reader == "bea@example.com", "nobody else sees who gets it unseen");
    }
}

#[tokio::test]
async fn readers_outside_get_not_one_byte_of_what_is_shortened() {
    let secret = "Zephyrine Quillfeather Holdings";
    let config = format!(
        "{HEAD}\n[report_types.sessions]\nfrom = \"\"\"\n  MessagingSession session\n  \
         left join Account account on account.Id = session.EndUserAccountId\n\"\"\"\n\
         [reports.accounts]\ntype = \"sessions\"\ndate = \"session.StartTime\"\n\
         period = \"yesterday\"\ngroup_by = [\"account as Account\"]\n\
         columns = [\"count() as Sessions\"]\ntop = 1\ntotal = true\n\
         [digests.daily]\nreports = [\"accounts\"]\nschedule = \"0 8 * * *\"\n\
         to = [\"in@example.com\", \"out@partner.org\", \"ops-hook\"]\n\
         attach = [\"csv\", \"xlsx\", \"json\"]\n\
         mask_outside = {{ domains = [\"example.com\"], columns = [\"Account\"] }}\n"
    );
    let t = TestPostrider::start(&config, "2026-11-18T06:50:00Z", |org| {
        let web = channel(org, "Web");
        for name in [secret.to_owned(), format!("{secret} 2")] {
            let id = account(org, &name);
            let of: [(&str, Value); 1] = [("EndUserAccountId", id.into())];
            ended(org, &web, "2026-11-17T12:00:00Z", &of);
        }
    })
    .await;
    t.beat().await;
    t.advance_to("2026-11-18T07:03:00Z").await;
    let holds = |mail: &Mail| {
        let parsed = mail_parser::MessageParser::default().parse(&mail.bytes).expect("a mail");
        let mut pieces: Vec<Vec<u8>> =
            parsed.parts.iter().map(|part| part.contents().to_vec()).collect();
        pieces.push(mail.bytes.clone());
        // A workbook is an archive: what is in it counts.
        let inside: Vec<Vec<u8>> = pieces.iter().flat_map(|piece| unpacked(piece)).collect();
        pieces.extend(inside);
        pieces.iter().any(|piece| piece.windows(12).any(|bytes| bytes == &secret.as_bytes()[..12]))
    };
    assert!(holds(&t.mails_to("in@example.com")[0]), "inside it is whole");
    let outside = t.mails_to("out@partner.org");
    assert_eq!(outside.len(), 1);
    assert!(!holds(&outside[0]), "{}", String::from_utf8_lossy(&outside[0].bytes));
    assert!(t.letters_to("out@partner.org")[0].seen().contains("Z\u{2026}"));
    let hook = t.catcher.hooks()[0].json().to_string();
    assert!(!hook.contains("Zephyrine") && hook.contains("Z\u{2026}"), "{hook}");
}

/// The files of an archive, as far as it is one.
fn unpacked(archive: &[u8]) -> Vec<Vec<u8>> {
    let two = |at: usize| usize::from(u16::from_le_bytes([archive[at], archive[at + 1]]));
    let heads = (0..archive.len().saturating_sub(30))
        .filter(|at| archive[*at..].starts_with(b"PK\x03\x04"));
    let files = heads.filter_map(|at| {
        let from = at + 30 + two(at + 26) + two(at + 28);
        let mut file = Vec::new();
        flate2::read::DeflateDecoder::new(archive.get(from..)?).read_to_end(&mut file).ok()?;
        Some(file)
    });
    files.collect()
}
