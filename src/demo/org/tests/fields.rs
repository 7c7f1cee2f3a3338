//! Fields beyond the plain ones, and an object beyond the built-in ones.

use serde_json::json;

use super::*;

#[tokio::test]
async fn a_case_has_a_number_an_owner_and_an_account() {
    let (org, _, _serving, client) = org().await;
    let account = accounts(&org, &["Acme GmbH"])[0];
    let fields = [("Subject", "It broke".into()), ("AccountId", account.into())];
    org.insert("Case", &fields).unwrap();
    let soql = "SELECT Id, CaseNumber, Subject, Status, Priority, Owner.Name, Account.Name, \
                ClosedDate, IsDeleted FROM Case WHERE Account.Name = 'acme gmbh'";
    let record = &client.query(soql).await.json()["records"][0];
    assert_eq!(record["CaseNumber"], "00010001");
    assert_eq!((&record["Status"], &record["Priority"]), (&json!("New"), &json!("Medium")));
    assert_eq!(record["Owner"]["Name"], "Automated Process");
    assert_eq!(record["Account"]["Name"], "Acme GmbH");
    assert_eq!((&record["ClosedDate"], &record["IsDeleted"]), (&Json::Null, &json!(false)));
    assert!(record["Id"].as_str().unwrap().starts_with("500"));
}

#[tokio::test]
async fn custom_fields_are_described_set_filtered_and_grouped() {
    let (org, _, _serving, client) = org().await;
    session(&org, &[("Priority__c", "High".into()), ("Order_Value__c", Value::Hundredths(1_250))]);
    session(&org, &[("Priority__c", "High".into()), ("Order_Value__c", Value::Hundredths(2_000))]);
    session(
        &org,
        &[("Order_Value__c", Value::Hundredths(3_500_000_000)), ("Is_Vip__c", true.into())],
    );
    let soql = "SELECT Priority__c p, SUM(Order_Value__c) s, AVG(Order_Value__c) a \
                FROM MessagingSession WHERE Order_Value__c < 100 GROUP BY Priority__c";
    let record = &client.query(soql).await.json()["records"][0];
    assert_eq!(
        (&record["p"], &record["s"], &record["a"]),
        (&json!("High"), &json!(32.5), &json!(16.25))
    );
    let reply =
        client.query("SELECT Order_Value__c FROM MessagingSession WHERE Is_Vip__c = true").await;
    assert!(reply.text.contains("\"Order_Value__c\":3.5E7"), "{}", reply.text);
    let described =
        client.get("/services/data/v67.0/sobjects/MessagingSession/describe").await.json();
    let fields = described["fields"].as_array().unwrap();
    let field = |name: &str| fields.iter().find(|field| field["name"] == name).unwrap();
    assert_eq!(field("Priority__c")["label"], "Priority");
    assert_eq!(
        (&field("Priority__c")["custom"], &field("Status")["custom"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(field("Order_Value__c")["type"], "currency");
    assert_eq!(field("AcceptTime")["label"], "Accept Time");
}

#[tokio::test]
async fn compound_addresses_are_objects_made_of_their_parts() {
    let (org, _, _serving, client) = org().await;
    let fields =
        [("Name", "a".into()), ("BillingCity", "Graz".into()), ("BillingCountry", "AT".into())];
    org.insert("Account", &fields).unwrap();
    accounts(&org, &["b"]);
    let reply = client.query("SELECT BillingAddress FROM Account ORDER BY Name").await;
    let addresses = reply.column("BillingAddress");
    assert_eq!((&addresses[0]["city"], &addresses[0]["country"]), (&json!("Graz"), &json!("AT")));
    assert_eq!((&addresses[0]["street"], &addresses[1]), (&Json::Null, &Json::Null));
    let reply = client.query("SELECT Id FROM Account WHERE BillingAddress = 'x'").await;
    assert_eq!(reply.code(), "INVALID_FIELD");
}

#[test]
fn the_generated_org_fills_the_fields_of_firms_and_people() {
    let now: DateTime<Utc> = "2025-11-12T10:30:00Z".parse().unwrap();
    let plan = Plan { history: TimeDelta::days(12), sessions_per_day: 100.0, ..Plan::new(now) };
    let org = Org::generate(7, plan, Standing::at("2025-11-12T10:30:00Z"));
    for (object, fields) in [
        (
            "Account",
            &["AccountSource", "BillingCountry", "BillingState", "Ownership", "Rating"][..],
        ),
        ("Account", &["Site"]),
        (
            "User",
            &["Department", "Division", "ManagerId", "ProfileId", "TimeZoneSidKey", "UserRoleId"],
        ),
        ("Case", &["CaseNumber", "Subject", "OwnerId", "AccountId"]),
    ] {
        for field in fields {
            let filled = org.records(object).iter().any(|record| record.text(field).is_some());
            assert!(filled, "{object}.{field}");
        }
    }
    let firms = org.records("Account");
    assert!(firms.iter().all(|firm| firm.int("NumberOfEmployees") > Some(0)));
    assert!(firms.iter().any(|firm| firm.hundredths("AnnualRevenue") > Some(1_000_000_000)));
}
