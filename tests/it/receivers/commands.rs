//! `postrider receiver`: whether a receiver can be reached, asked by hand.

use postrider::demo::catcher::Answer;

use super::hook;
use crate::harness::process::Folder;

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_is_tried_and_its_answer_told_in_plain_words() {
    let folder = Folder::new().await;
    folder.write(&hook("canary = \"0 7 * * *\""));
    let output = folder.run(&["receiver", "test", "ops-hook"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(
        said,
        "an incident that fires to ops-hook: taken (answered 200)\n\
         its end to ops-hook: taken (answered 200)\n"
    );
    let kinds: Vec<String> = folder
        .catcher
        .hooks()
        .iter()
        .map(|hook| hook.json()["type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["incident.fired", "incident.resolved"]);

    folder.catcher.answer(Answer::status(401));
    let output = folder.run(&["receiver", "test", "ops-hook"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("refused as a whole (answered 401)"), "{said}");

    let output = folder.run(&["receiver", "test", "ops-hok"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("no receiver is called `ops-hok`; there are ops-hook, ops-mail"),
        "{said}"
    );

    let output = folder.run(&["receiver", "list"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("ops-hook") && said.contains("0 7 * * *"), "{said}");
}
