//! Records that are older than a dataset keeps them: gone for good, said so in mails, and incidents
//! stay as they are.

use postrider::demo::org::Org;

use crate::harness::records::{channel, ended};
use crate::harness::{HEAD, TRAFFIC, TestPostrider};

const DIGEST: &str = r#"
[digests.daily]
reports = ["traffic"]
schedule = "0 8 * * *"
to = ["ana@example.com"]

[rules.many]
type = "sessions"
group_by = ["channel as Channel"]
value = "count()"
every = "5 min"
levels = [["warning", "> 0"]]

[[routes]]
to = ["ops-mail"]
"#;

/// Sessions are kept for five days.
const KEPT: &str = r#"
[datasets.MessagingSession]
source = "salesforce"
keep = "5 days"
"#;

fn sessions(t: &TestPostrider) -> u64 {
    let states = t.app.engine().store().dataset_states().unwrap();
    states.iter().find(|state| state.dataset == "MessagingSession").unwrap().records
}

#[tokio::test]
async fn records_past_their_retention_go_and_the_mail_says_how_far_back_it_reaches() {
    let config = format!("{HEAD}{TRAFFIC}{DIGEST}").replace("yesterday", "last 14 days");
    let fill = |org: &Org| {
        let web = channel(org, "Web");
        for day in 10..=22 {
            ended(org, &web, &format!("2026-11-{day}T12:00:00Z"), &[]);
        }
    };
    let t = TestPostrider::start(&config, "2026-11-23T06:30:00Z", fill).await;
    t.beat().await;
    assert_eq!((sessions(&t), t.incidents().len()), (13, 1));
    t.app.reload(t.config(&format!("{config}{KEPT}"))).await.unwrap();
    t.app.engine().housekeep().await.unwrap();
    assert_eq!(sessions(&t), 5, "18 to 22 November");
    assert_eq!(t.incidents().len(), 1, "what is open stays open");
    t.advance_to("2026-11-23T07:05:00Z").await;
    let letters = t.letters_to("ana@example.com");
    assert_eq!(letters.len(), 1);
    assert!(
        letters[0].words().contains("Records reach back to 18 Nov 2026."),
        "{}",
        letters[0].text
    );
    assert!(letters[0].words().contains("Web 5"), "{}", letters[0].text);
    // Day after day.
    t.jump_to("2026-11-25T06:30:00Z").await;
    t.app.engine().housekeep().await.unwrap();
    assert_eq!(sessions(&t), 3);
}

#[tokio::test]
async fn what_is_not_kept_is_not_loaded() {
    let config = format!("{HEAD}{TRAFFIC}{DIGEST}{KEPT}");
    let fill = |org: &Org| {
        let web = channel(org, "Web");
        for day in 10..=22 {
            ended(org, &web, &format!("2026-11-{day}T12:00:00Z"), &[]);
        }
    };
    let t = TestPostrider::start(&config, "2026-11-23T06:30:00Z", fill).await;
    t.beat().await;
    assert_eq!(sessions(&t), 5);
}
