//! What the org says of its objects, for people and for readings that meet a hidden field.

use super::*;
use crate::domain::dataset::{DescribedField, Field};
use crate::domain::value::Type;

/// A describe as an org writes it, shortened.
const THING: &str = r#"{"name":"Thing__c","label":"Thing","queryable":true,"fields":[
    {"name":"Id","label":"Record ID","type":"id","nillable":false,"picklistValues":[],"restrictedPicklist":false,"referenceTo":[],"relationshipName":null},
    {"name":"OwnerId","label":"Owner ID","type":"reference","nillable":false,"referenceTo":["Group","User"],"relationshipName":"Owner"},
    {"name":"Kind__c","label":"Kind","type":"picklist","nillable":true,"restrictedPicklist":true,"picklistValues":[
        {"value":"a","label":"First","active":true},{"value":"old","label":"Old","active":false},{"value":"b","label":null,"active":true}]},
    {"name":"Tags__c","label":"Tags","type":"multipicklist","nillable":true,"restrictedPicklist":false,"picklistValues":[{"value":"x","label":"X","active":true}]},
    {"name":"Mood__c","label":"Mood","type":"picklist","nillable":true,"restrictedPicklist":false,"picklistValues":[{"value":"x","label":"X","active":true}]},
    {"name":"Case__c","label":"Case","type":"reference","nillable":true,"referenceTo":["Case"],"relationshipName":"Case__r"},
    {"name":"Odd__c","label":"Odd","type":"reference","nillable":true,"referenceTo":[],"relationshipName":null},
    {"name":"Size__c","label":"Size","type":"double","nillable":true},
    {"name":"Due__c","label":"Due","type":"date","nillable":true},
    {"name":"Place__c","label":"Place","type":"location","nillable":true},
    {"name":"CreatedDate","label":"Created Date","type":"datetime","nillable":false},
    {"name":"LastModifiedDate","label":"Last Modified Date","type":"datetime","nillable":false},
    {"name":"SystemModstamp","label":"System Modstamp","type":"datetime","nillable":false},
    {"name":"IsDeleted","label":"Deleted","type":"boolean","nillable":false}]}"#;

#[tokio::test]
async fn an_object_is_described_with_what_its_parents_are_called() {
    let (server, salesforce, _) = scripted(|_, asked| match asked.soql() {
        None => reply(200, THING),
        Some(_) => reply(200, r#"{"totalSize":1234,"done":true,"records":[]}"#),
    })
    .await;
    let described = salesforce.describe("Thing__c").await.unwrap();
    assert_eq!((described.object.as_str(), described.label.as_str()), ("Thing__c", "Thing"));
    assert_eq!(described.records, Some(1234));
    assert_eq!(server.queries(), ["SELECT COUNT() FROM Thing__c"]);
    assert!(server.asked()[2].path.starts_with("/services/data/v62.0/query?q="));
    let types: Vec<_> = described
        .fields
        .iter()
        .map(|field| format!("{} {}", field.path, field.ty.map_or("-", Type::word)))
        .collect();
    assert_eq!(
        types,
        [
            "Id text",
            "OwnerId text",
            "Owner.Name text",
            "Kind__c text",
            "Tags__c text",
            "Mood__c text",
            "Case__c text",
            "Case__r.CaseNumber text",
            "Odd__c text",
            "Size__c real",
            "Due__c timestamp",
            "Place__c -",
            "CreatedDate timestamp",
            "LastModifiedDate timestamp",
            "SystemModstamp timestamp",
            "IsDeleted boolean",
        ]
    );
    let field = |path: &str| -> &DescribedField {
        described.fields.iter().find(|field| field.path == path).unwrap()
    };
    assert_eq!(
        (field("Owner.Name").name.as_str(), field("Owner.Name").label.as_str()),
        ("OwnerName", "Owner name")
    );
    assert_eq!(field("Case__r.CaseNumber").name, "CaseNumber");
    assert!(field("Owner.Name").nullable && !field("OwnerId").nullable && field("Due__c").nullable);
    let named = |is: fn(&DescribedField) -> bool| -> Vec<&str> {
        described.fields.iter().filter(|field| is(field)).map(|field| field.name.as_str()).collect()
    };
    assert_eq!(named(|field| field.key), ["Id"]);
    assert_eq!(named(|field| field.updated), ["SystemModstamp"]);
    assert_eq!(named(|field| field.created), ["CreatedDate"]);
    let kind = field("Kind__c").picklist.as_ref().unwrap();
    let values: Vec<_> =
        kind.values.iter().map(|value| (value.value.as_str(), value.label.as_str())).collect();
    assert_eq!(values, [("a", "First"), ("b", "b")]);
    assert!(!kind.open && field("Mood__c").picklist.as_ref().unwrap().open);
    assert_eq!(field("Tags__c").picklist, None);
}

#[tokio::test]
async fn an_object_that_cannot_be_counted_is_described_all_the_same() {
    let (_server, salesforce, _) = scripted(|_, asked| match asked.soql() {
        None => reply(200, THING),
        Some(_) => error(400, "MALFORMED_QUERY", "no count here"),
    })
    .await;
    assert_eq!(salesforce.describe("Thing__c").await.unwrap().records, None);
}

#[tokio::test]
async fn an_object_that_does_not_say_what_changed_can_be_read_whole() {
    for whole in [true, false] {
        let (_server, salesforce, _) = scripted(|_, asked| match asked.soql() {
            Some(soql) if soql.contains("SystemModstamp") => {
                error(400, "INVALID_FIELD", "No such column 'SystemModstamp'")
            }
            Some(_) => reply(200, one_record()),
            None => {
                let fields = dataset("User").fields.clone();
                let shown = fields.iter().filter(|field| field.name != "SystemModstamp");
                let shown: Vec<_> =
                    shown.map(|field| format!(r#"{{"name":"{}"}}"#, field.name)).collect();
                reply(200, format!(r#"{{"name":"User","fields":[{}]}}"#, shown.join(",")))
            }
        })
        .await;
        let users = Arc::new(Dataset { whole, ..(*dataset("User")).clone() });
        let asked = PullRequest { dataset: users, ..request("User") };
        match pull(&salesforce, asked).await.outcome {
            Ok(pulled) if whole => assert_eq!(pulled.hidden, ["SystemModstamp"]),
            Err(SourceError::Refused { .. }) if !whole => {}
            outcome => panic!("{whole}: {outcome:?}"),
        }
    }
}

#[tokio::test]
async fn a_long_silence_does_not_make_a_hidden_field_look_as_if_it_were_back() {
    let server = Server::start(|asked, home| {
        if asked.is_login() {
            return token(home, "t");
        }
        let answer = match asked.soql() {
            Some(soql) if soql.contains("COUNT()") => {
                reply(200, r#"{"totalSize":0,"done":true,"records":[]}"#)
            }
            Some(soql) if soql.contains("Industry") => {
                error(400, "INVALID_FIELD", "No such column")
            }
            Some(_) => reply(200, page(&[], None)),
            None => {
                let fields = dataset("Account").fields.clone();
                let shown = fields.iter().filter(|field| field.name != "Industry");
                let shown: Vec<_> =
                    shown.map(|field| format!(r#"{{"name":"{}"}}"#, field.name)).collect();
                reply(200, format!(r#"{{"name":"Account","fields":[{}]}}"#, shown.join(",")))
            }
        };
        answer.with("date", NOW_HTTP)
    })
    .await;
    let settings = SalesforceSettings { bulk_above: Some(10), ..settings(&server.url) };
    let salesforce = Salesforce::new(settings, LeapingClock::at(NOW)).unwrap();
    let weeks = PullRequest { since: Some(at("2026-02-01T00:00:00Z")), ..request("Account") };
    assert_eq!(pull(&salesforce, weeks).await.pulled().hidden, ["Industry"]);
}

#[tokio::test]
async fn an_object_we_may_not_see_is_told_with_what_is_likely_missing() {
    for (object, says) in [
        ("ConversationEntry", "Access Conversation Entries"),
        ("AgentWork", "Omni-Channel"),
        ("Thing__c", "`__c`"),
    ] {
        for (status, code) in [(404, "NOT_FOUND"), (400, "INVALID_TYPE")] {
            let (_server, salesforce, _) = scripted(move |_, asked| match asked.path.as_str() {
                // The version is looked up, and is not what is wrong.
                "/services/data" => reply(200, r#"[{"version":"62.0"}]"#),
                _ => error(status, code, &format!("sObject type '{object}' is not supported.")),
            })
            .await;
            let told = salesforce.describe(object).await.unwrap_err().to_string();
            assert!(told.contains("refuses us") && told.contains(says), "{told}");
        }
    }
}

#[tokio::test]
async fn a_name_that_would_change_the_address_is_never_sent() {
    let (server, salesforce, _) = scripted(|_, _| reply(200, THING)).await;
    for name in ["../limits", "Account/describe?x=", "", "A B"] {
        let told = salesforce.describe(name).await.unwrap_err().to_string();
        assert!(told.contains("cannot be the name"), "{told}");
    }
    assert!(server.asked().iter().all(Asked::is_login));
}

#[tokio::test]
async fn a_describe_that_is_none_is_unreadable() {
    for body in ["<html>Hello</html>", "{}", "[]", r#"{"name":"X","fields":[{"label":"x"}]}"#] {
        let (server, salesforce, _) = scripted(move |_, _| reply(200, body)).await;
        let outcome = salesforce.describe("Thing__c").await;
        assert!(matches!(outcome, Err(SourceError::Unreadable { .. })), "{outcome:?}");
        assert_eq!(server.asked().len(), 1 + 5);
    }
}

/// A dataset over another object, with fields of parents.
fn things() -> Arc<Dataset> {
    let field =
        |name: &str, path: &str, ty| Field { path: path.to_owned(), ..Field::new(name, ty) };
    let fields = vec![
        field("Id", "Id", Type::Text),
        field("SystemModstamp", "SystemModstamp", Type::Timestamp),
        field("owner", "Owner.Name", Type::Text),
        field("rank", "Owner.Rank__c", Type::Text),
        field("industry", "Account__r.Industry", Type::Text),
        field("town", "Account__r.Town__c", Type::Text),
        field("gone", "Gone__r.Name", Type::Text),
    ];
    Arc::new(Dataset { updated: Some(1), ..Dataset::new("acme", "things", fields, 0) })
}

#[tokio::test]
async fn hidden_fields_of_parents_are_looked_for_where_they_belong() {
    let (server, salesforce, _) = scripted(|_, asked| match asked.path.rsplit_once("/sobjects/") {
        Some((_, "Thing__c/describe")) => reply(
            200,
            r#"{"name":"Thing__c","fields":[{"name":"Id"},{"name":"SystemModstamp"},
            {"name":"OwnerId","relationshipName":"Owner","referenceTo":["Group","User"]},
            {"name":"Account__c","relationshipName":"Account__r","referenceTo":["Account"]}]}"#,
        ),
        Some((_, "Account/describe")) => {
            reply(200, r#"{"name":"Account","fields":[{"name":"Industry"}]}"#)
        }
        _ => error(400, "INVALID_FIELD", "No such column"),
    })
    .await;
    let dataset = Dataset { object: "Thing__c".to_owned(), ..(*things()).clone() };
    let mut tally = request::Tally::new(Purpose::Digest);
    let hidden = salesforce.learn_hidden(&dataset, &mut tally).await.unwrap();
    // Of a parent of several kinds nothing can be told: its fields are taken to be there.
    let names: Vec<_> = hidden.fields.iter().map(|&at| dataset.fields[at].name.as_str()).collect();
    assert_eq!(names, ["town", "gone"]);
    assert!(hidden.deleted_flag);
    assert_eq!(salesforce.known_hidden(&dataset), hidden);
    assert_eq!((tally.requests, server.asked().len()), (2, 1 + 2));
}
