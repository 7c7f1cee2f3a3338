//! The org over a real socket.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, Once};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use serde_json::Value as Json;

use super::*;

mod bulk;
mod data;
mod errors;
mod faults;
mod fields;
mod login;
mod paging;
mod soql;

/// A clock that stands until it is moved.
pub(crate) struct Standing(Mutex<DateTime<Utc>>);

impl Standing {
    pub(crate) fn at(text: &str) -> Arc<Standing> {
        Arc::new(Standing(Mutex::new(text.parse().unwrap())))
    }
    pub(crate) fn advance(&self, by: TimeDelta) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for Standing {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
    fn sleep_until(&self, _at: DateTime<Utc>) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }
}

/// A client with a token of its own.
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    pub(crate) token: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    #[track_caller]
    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap_or_else(|err| panic!("{err}: {}", self.text))
    }
    /// The error code of a REST error.
    #[track_caller]
    pub(crate) fn code(&self) -> String {
        self.json()[0]["errorCode"].as_str().unwrap_or_default().to_owned()
    }
    #[track_caller]
    pub(crate) fn message(&self) -> String {
        self.json()[0]["message"].as_str().unwrap_or_default().to_owned()
    }
    /// The values of one field of the records.
    #[track_caller]
    pub(crate) fn column(&self, field: &str) -> Vec<Json> {
        self.json()["records"].as_array().unwrap().iter().map(|row| row[field].clone()).collect()
    }
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

impl Client {
    /// A client that has logged in.
    pub(crate) async fn of(serving: &Serving) -> Client {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| drop(rustls::crypto::ring::default_provider().install_default()));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut client = Client { http, url: serving.url(), token: String::new() };
        client.log_in().await;
        client
    }
    pub(crate) async fn log_in(&mut self) {
        let reply = self.token_with(CLIENT_ID, CLIENT_SECRET, "client_credentials").await;
        let body = reply.json();
        assert_eq!(body["instance_url"], self.url.as_str());
        self.token = body["access_token"].as_str().unwrap().to_owned();
    }
    pub(crate) async fn token_with(&self, id: &str, secret: &str, grant: &str) -> Reply {
        let form = [("grant_type", grant), ("client_id", id), ("client_secret", secret)];
        let url = format!("{}/services/oauth2/token", self.url);
        self.read(self.http.post(url).form(&form)).await
    }
    pub(crate) async fn basic(&self) -> Reply {
        let url = format!("{}/services/oauth2/token", self.url);
        let request = self.http.post(url).basic_auth(CLIENT_ID, Some(CLIENT_SECRET));
        self.read(request.form(&[("grant_type", "client_credentials")])).await
    }
    pub(crate) async fn read(&self, request: reqwest::RequestBuilder) -> Reply {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Reply { status, headers, text: response.text().await.unwrap() }
    }
    pub(crate) fn request(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.get(format!("{}{path}", self.url)).bearer_auth(&self.token)
    }
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.read(self.request(path)).await
    }
    /// A request with any method and a JSON body.
    pub(crate) async fn send(&self, method: &str, path: &str, body: &Json) -> Reply {
        let request = self.http.request(method.parse().unwrap(), format!("{}{path}", self.url));
        let request = request.bearer_auth(&self.token).header("Content-Type", "application/json");
        self.read(request.body(body.to_string())).await
    }
    pub(crate) fn asking(&self, resource: &str, soql: &str) -> reqwest::RequestBuilder {
        self.request(&format!("/services/data/v67.0/{resource}")).query(&[("q", soql)])
    }
    pub(crate) async fn query(&self, soql: &str) -> Reply {
        self.read(self.asking("query", soql)).await
    }
    pub(crate) async fn query_all(&self, soql: &str) -> Reply {
        self.read(self.asking("queryAll", soql)).await
    }
    /// All pages of a query, as ids.
    pub(crate) async fn ids(&self, soql: &str) -> Vec<String> {
        let mut reply = self.query_all(soql).await;
        let mut ids = Vec::new();
        loop {
            assert_eq!(reply.status, 200, "{}", reply.text);
            ids.extend(reply.column("Id").iter().map(|id| id.as_str().unwrap().to_owned()));
            let body = reply.json();
            match body["nextRecordsUrl"].as_str() {
                Some(next) => reply = self.get(next).await,
                None => {
                    assert_eq!(body["done"], true);
                    return ids;
                }
            }
        }
    }
}

/// An empty org, its clock, its server and a client.
pub(crate) async fn org() -> (Arc<Org>, Arc<Standing>, Serving, Client) {
    let clock = Standing::at("2026-03-11T10:00:00Z");
    let org = Org::empty(Arc::clone(&clock) as Arc<dyn Clock>);
    let serving = org.start().await.unwrap();
    let client = Client::of(&serving).await;
    (org, clock, serving, client)
}

/// Accounts with these names.
pub(crate) fn accounts(org: &Org, names: &[&str]) -> Vec<Id> {
    org.load("Account", names.iter().map(|name| vec![("Name", (*name).into())])).unwrap()
}

/// A channel, a messaging user and a session of hers.
pub(crate) fn session(org: &Org, extra: &[(&str, Value)]) -> Id {
    let channel = org
        .insert(
            "MessagingChannel",
            &[
                ("MasterLabel", "SMS".into()),
                ("DeveloperName", "SMS".into()),
                ("MessageType", "Text".into()),
                ("PlatformType", "Standard".into()),
                ("MessagingPlatformKey", "+49".into()),
            ],
        )
        .unwrap();
    let person = org
        .insert(
            "MessagingEndUser",
            &[
                ("Name", "Ana".into()),
                ("MessagingChannelId", channel.into()),
                ("MessageType", "Text".into()),
                ("MessagingPlatformKey", "+49 1".into()),
            ],
        )
        .unwrap();
    let mut fields = vec![
        ("MessagingChannelId", channel.into()),
        ("MessagingEndUserId", person.into()),
        ("Status", "Waiting".into()),
    ];
    fields.extend(extra.iter().cloned());
    org.insert("MessagingSession", &fields).unwrap()
}
