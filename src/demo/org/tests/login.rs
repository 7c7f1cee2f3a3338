//! Logins by signed assertion, and the versions an org has.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::json;

use super::*;

const NOW: &str = "2026-03-11T10:00:00Z";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// An assertion signed with the demo's key.
fn signed(header: &Json, claims: &Json) -> String {
    let encode = |part: &Json| URL_SAFE_NO_PAD.encode(part.to_string());
    let text = format!("{}.{}", encode(header), encode(claims));
    let pem = JWT_PRIVATE_KEY.lines().filter(|line| !line.starts_with("---"));
    let der = STANDARD.decode(pem.collect::<String>()).unwrap();
    let key = RsaKeyPair::from_pkcs8(&der).unwrap();
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn claims() -> Json {
    let now: DateTime<Utc> = NOW.parse().unwrap();
    json!({ "iss": CLIENT_ID, "sub": API_USERNAME, "aud": "https://login.salesforce.com",
            "exp": now.timestamp() + 180 })
}

impl Client {
    async fn assert(&self, assertion: &str) -> Reply {
        let form = [("grant_type", GRANT), ("assertion", assertion)];
        let url = format!("{}/services/oauth2/token", self.url);
        self.read(self.http.post(url).form(&form)).await
    }
    /// The outcome of a login with one claim changed: `ok` or error and description.
    async fn changed(&self, claim: &str, value: Json) -> String {
        let mut claims = claims();
        claims[claim] = value;
        outcome(&self.assert(&signed(&json!({ "alg": "RS256" }), &claims)).await)
    }
}

fn outcome(reply: &Reply) -> String {
    let body = reply.json();
    match reply.status {
        200 => "ok".to_owned(),
        400 => format!("{}: {}", body["error"], body["error_description"]).replace('"', ""),
        other => panic!("{other}: {body}"),
    }
}

#[tokio::test]
async fn a_signed_assertion_opens_the_org_for_its_user() {
    let (org, _, serving, mut client) = org().await;
    let reply = client.assert(&signed(&json!({ "alg": "RS256" }), &claims())).await;
    let body = reply.json();
    assert_eq!(body["instance_url"], serving.url().as_str());
    assert_eq!(body["refresh_token"], Json::Null);
    let user = org.api_user();
    assert!(body["id"].as_str().unwrap().ends_with(user.as_str()));
    client.token = body["access_token"].as_str().unwrap().to_owned();
    assert_eq!(client.query("SELECT Id FROM Account").await.status, 200);
}

#[tokio::test]
async fn every_claim_has_to_be_right() {
    let (org, _, serving, client) = org().await;
    let now = NOW.parse::<DateTime<Utc>>().unwrap().timestamp();
    let (expired, other) = ("invalid_grant: expired authorization code", CLIENT_ID.to_lowercase());
    let not_approved = "invalid_grant: user hasn't approved this consumer";
    for (claim, value, expected) in [
        ("exp", json!(now + 60), "ok"),
        ("exp", json!((now + 60).to_string()), "ok"),
        ("exp", json!((now + 60) * 1_000), expired),
        ("exp", json!(now + 300), expired),
        ("exp", json!(now - 60), expired),
        ("exp", Json::Null, expired),
        ("aud", json!(serving.url()), "ok"),
        ("aud", json!(["https://login.salesforce.com/"]), "ok"),
        ("aud", json!("https://test.salesforce.com"), "invalid_grant: audience is invalid"),
        ("iss", json!(other), "invalid_client_id: client identifier invalid"),
        ("sub", json!("nobody@org.example"), not_approved),
        ("sub", Json::Null, "invalid_grant: invalid assertion"),
    ] {
        assert_eq!(client.changed(claim, value.clone()).await, expected, "{claim} {value}");
    }
    let mail = "ana@org.example";
    let fields = [
        ("Name", "Ana".into()),
        ("LastName", "Ana".into()),
        ("Username", mail.into()),
        ("Email", mail.into()),
        ("Alias", "ana".into()),
        ("UserType", Value::Pick("Standard")),
    ];
    org.insert("User", &fields).unwrap();
    assert_eq!(client.changed("sub", json!(mail)).await, not_approved);
}

#[tokio::test]
async fn signatures_are_checked_and_only_rs256() {
    let (_org, _, _serving, client) = org().await;
    let good = signed(&json!({ "alg": "RS256" }), &claims());
    let invalid = "invalid_grant: invalid assertion";
    let forged = claims().to_string().replace(API_USERNAME, "root@org.example");
    let parts: Vec<&str> = good.split('.').collect();
    let forged = format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(forged), parts[2]);
    for assertion in [forged.as_str(), "a.b", "", &format!("{}.{}.", parts[0], parts[1])] {
        assert_eq!(outcome(&client.assert(assertion).await), invalid, "{assertion}");
    }
    let none = signed(&json!({ "alg": "none" }), &claims());
    assert_eq!(outcome(&client.assert(&none).await), invalid);
}

#[tokio::test]
async fn an_org_whose_clock_is_wrong_shows_it_in_its_date() {
    let (org, _, _serving, client) = org().await;
    org.faults().clock_skew(TimeDelta::minutes(7));
    let reply = client.assert(&signed(&json!({ "alg": "RS256" }), &claims())).await;
    assert_eq!(outcome(&reply), "invalid_grant: expired authorization code");
    assert_eq!(reply.header("date"), Some("Wed, 11 Mar 2026 10:07:00 GMT"));
}

#[tokio::test]
async fn an_inactive_user_is_told_so() {
    let clock = Standing::at(NOW);
    let jwt_users = vec!["gone@org.example".to_owned()];
    let org = Org::with(Settings { jwt_users, ..Settings::default() }, clock);
    let fields = [
        ("Name", "Gone".into()),
        ("LastName", "Gone".into()),
        ("Username", "Gone@org.example".into()),
        ("Email", "gone@org.example".into()),
        ("Alias", "gone".into()),
        ("IsActive", false.into()),
        ("UserType", Value::Pick("Standard")),
    ];
    org.insert("User", &fields).unwrap();
    let serving = org.start().await.unwrap();
    let client = Client::of(&serving).await;
    let outcome = client.changed("sub", json!("gone@org.example")).await;
    assert_eq!(outcome, "inactive_user: user is inactive");
}

#[tokio::test]
async fn an_org_serves_the_versions_it_has() {
    for (versions, served, missing, label) in
        [(50..=61, "61.0", "62.0", "Summer '24"), (60..=70, "70.0", "59.0", "Summer '27")]
    {
        let org = Org::with(Settings { versions, ..Settings::default() }, Standing::at(NOW));
        let serving = org.start().await.unwrap();
        let client = Client::of(&serving).await;
        let list = client.get("/services/data").await.json();
        let url = format!("/services/data/v{served}");
        let newest = json!({ "label": label, "url": url, "version": served });
        assert_eq!(list.as_array().unwrap().last(), Some(&newest));
        assert_eq!(client.get(&format!("/services/data/v{served}/limits")).await.status, 200);
        let reply = client.get(&format!("/services/data/v{missing}/limits")).await;
        assert_eq!((reply.status, reply.code().as_str()), (404, "NOT_FOUND"));
    }
}
