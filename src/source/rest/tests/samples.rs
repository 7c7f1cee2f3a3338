//! Samples of differently shaped APIs: what is learned from each is a config that pulls as it is.

use super::*;

/// The settings that a proposed config means, read as strictly as the text allows.
fn lowered(text: &str, url: &str) -> (RestSettings, Arc<Dataset>) {
    let config: toml::Table = text.parse().unwrap_or_else(|err| panic!("{err}\n{text}"));
    let table = |name: &str| {
        let (name, table) = config[name].as_table().unwrap().iter().next().unwrap();
        (name.clone(), table.as_table().unwrap().clone())
    };
    let (source, _) = table("sources");
    let (name, dataset) = table("datasets");
    assert_eq!(dataset["source"].as_str(), Some(source.as_str()));
    let said = |key: &str| dataset.get(key).and_then(|value| value.as_str()).map(str::to_owned);
    let (mut fields, mut readings) = (vec![], vec![]);
    for (name, spec) in dataset["fields"].as_table().unwrap() {
        let (reading, ty) = parse_field_spec(spec.as_str().unwrap(), name).unwrap();
        fields.push(Field::new(name, ty));
        readings.push(reading);
    }
    let names: Vec<String> = fields.iter().map(|field: &Field| field.name.clone()).collect();
    let at = |name: &str| names.iter().position(|own| own == name).unwrap();
    let mut key_of = vec![];
    let key = match &dataset["key"] {
        toml::Value::Array(keys) => {
            key_of.extend(keys.iter().map(|key| at(key.as_str().unwrap())));
            fields.push(Field::new("key", crate::domain::value::Type::Text));
            readings.push(Reading { pointer: String::new(), format: Format::Plain });
            fields.len() - 1
        }
        key => at(key.as_str().unwrap()),
    };
    let updated = said("updated").map(|name| at(&name));
    let query =
        dataset.get("query").and_then(|query| query.as_table()).cloned().unwrap_or_default();
    let spec = RestDataset {
        path: said("path").unwrap(),
        query: query
            .into_iter()
            .map(|(name, value)| (name, value.as_str().unwrap().to_owned()))
            .collect(),
        records: said("records").unwrap_or_default(),
        paging: dataset
            .get("paging")
            .map_or(Paging::None, |paging| way(paging.as_table().unwrap())),
        explode: None,
        readings,
        key_of,
        overlap: TimeDelta::minutes(10),
        window: None,
        pages_max: 10_000,
        bad_share_max: 0.05,
    };
    let mut lowered = Dataset::new(&source, &name, fields, key);
    (lowered.updated, lowered.whole) = (updated, updated.is_none());
    let settings = RestSettings {
        name: source,
        base_url: url.to_owned(),
        auth: RestAuth::None,
        headers: vec![],
        pull_every: TimeDelta::minutes(5),
        history: None,
        rate: None,
        datasets: BTreeMap::from([(name, spec)]),
    };
    (settings, Arc::new(lowered))
}

fn way(paging: &toml::Table) -> Paging {
    let said = |key: &str| paging.get(key).and_then(|value| value.as_str()).map(str::to_owned);
    let number = |key: &str| paging.get(key).and_then(|value| value.as_integer()).map(|n| n as u64);
    let more = said("more").map(|pointer| More { pointer, when: true });
    let more = more.or(said("end").map(|pointer| More { pointer, when: false }));
    if let Some(pointer) = said("next_url") {
        return Paging::NextUrl { pointer, more };
    }
    if let Some(pointer) = said("cursor") {
        return Paging::Cursor { pointer, parameter: said("parameter").unwrap(), more };
    }
    if let Some(parameter) = said("page") {
        return Paging::Page { parameter, first: number("first").unwrap(), size: number("size") };
    }
    if let Some(parameter) = said("offset") {
        return Paging::Offset { parameter, size: number("size").unwrap() };
    }
    Paging::LinkHeader
}

/// Learns from an address of a server and pulls by what was learned: the proposed dataset (without
/// what differs from run to run) and the rows.
async fn learned(
    path: &str,
    answer: impl Fn(&Asked, &str) -> Reply + Send + Sync + 'static,
) -> (String, Got) {
    let server = Server::start(move |_, asked, home| answer(asked, home)).await;
    let clock = LeapingClock::at(NOW);
    let url = format!("{}{path}", server.url);
    let inferred = infer_url(&url, vec![], clock.clone()).await.unwrap();
    let text = inferred.to_toml(&inferred.source, &inferred.name, "");
    let (settings, dataset) = lowered(&text, &server.url);
    let rest = Rest::new(settings, clock.clone()).unwrap();
    let desk = Desk { server, rest, clock, dataset };
    let got = desk.first().await;
    let pulled = got.pulled();
    assert_eq!((pulled.misfits, pulled.left_out), (0, 0), "{text}{:?}", pulled.misfit_samples);
    let dataset = text.split_once("\n\n").unwrap().1;
    (dataset.to_owned(), got)
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(text.trim_end(), expected.join("\n"), "{text}");
}

#[tokio::test]
async fn issues_with_link_headers() {
    let (text, got) = learned("/repos/acme/app/issues?since=2026-01-01T00:00:00Z&per_page=2", |asked, home| {
        let issue = |id: u64, user: &str, closed: &str| {
            format!(
                r#"{{"id":{id},"number":{},"title":"It broke","user":{{"login":"{user}","id":7}},
                   "labels":[{{"name":"bug"}}],"assignees":[],"locked":false,"comments":0,
                   "closed_at":{closed},"created_at":"2026-02-01T10:00:00Z","pull_request":null,
                   "updated_at":"2026-02-02T10:00:00Z","score":1.5}}"#,
                id % 100
            )
        };
        match asked.parameter("page").as_deref() {
            None => {
                let list = [issue(901, "ada", "null"), issue(902, "ada", "\"2026-02-03T10:00:00Z\"")];
                let link = format!("<{home}{}&page=2>; rel=\"next\"", asked.path);
                reply(200, format!("[{}]", list.join(","))).with("link", link)
            }
            Some(_) => reply(200, format!("[{}]", issue(903, "bob", "null"))),
        }
    })
    .await;
    check(
        &text,
        &[
            "[datasets.issues]",
            "# From 2 records.",
            "source = \"api\"",
            "path = \"/repos/acme/app/issues\"",
            "query = { since = \"{watermark}\", per_page = \"2\" }",
            "paging = { link_header = true }",
            "key = \"id\"",
            "updated = \"updated_at\"",
            "created = \"created_at\"",
            "",
            "[datasets.issues.fields]",
            "id = \"integer\"",
            "assignees = \"integer count\"",
            "closed_at = \"timestamp\"",
            "comments = \"integer\"",
            "created_at = \"timestamp\"",
            "labels = \"integer count\"",
            "locked = \"boolean\"",
            "number = \"integer\"",
            "pull_request = \"text\"",
            "score = \"real\"",
            "title = \"text\"",
            "updated_at = \"timestamp\"",
            "user_id = \"/user/id integer\"",
            "user_login = \"/user/login text\"",
        ],
    );
    let ids: Vec<&str> = got.rows.iter().map(|row| row.split(' ').nth(6).unwrap()).collect();
    assert_eq!(ids.len(), 3, "{:?}", got.rows);
}

#[tokio::test]
async fn an_incremental_export_with_cursors() {
    let (text, got) = learned("/api/v2/incremental/tickets/cursor.json?start_time=1332034771", |asked, home| {
        let ticket = |id: u64| {
            format!(
                r#"{{"url":"https://x/{id}.json","id":{id},"created_at":"2026-02-01T10:00:00Z",
                   "updated_at":"2026-02-02T10:00:00Z","generated_timestamp":1767225600,
                   "subject":"Help","tags":["vip","eu"],"via":{{"channel":"web","source":{{"from":{{}},"rel":null}}}},
                   "satisfaction_rating":{{"score":"offered"}},"custom_fields":[{{"id":1,"value":"x"}}]}}"#
            )
        };
        let (list, end) = match asked.parameter("cursor").as_deref() {
            None => (vec![ticket(1), ticket(2)], false),
            _ => (vec![ticket(3)], true),
        };
        reply(200, format!(
            r#"{{"tickets":[{}],"after_url":"{home}/api/v2/incremental/tickets/cursor.json?cursor=abc",
               "after_cursor":"abc","before_url":null,"before_cursor":null,"end_of_stream":{end}}}"#,
            list.join(",")
        ))
    })
    .await;
    check(
        &text,
        &[
            "[datasets.tickets]",
            "# From 2 records.",
            "source = \"api\"",
            "path = \"/api/v2/incremental/tickets/cursor.json\"",
            "query = { start_time = \"{watermark:epoch_s}\" }",
            "records = \"/tickets\"",
            "paging = { next_url = \"/after_url\", end = \"/end_of_stream\" }",
            "key = \"id\"",
            "updated = \"updated_at\"",
            "created = \"created_at\"",
            "",
            "[datasets.tickets.fields]",
            "id = \"integer\"",
            "created_at = \"timestamp\"",
            "custom_fields = \"integer count\"",
            "generated_timestamp = \"timestamp epoch_s\"",
            "satisfaction_rating_score = \"/satisfaction_rating/score text\"",
            "subject = \"text\"",
            "tags = \"text joined ', '\"",
            "updated_at = \"timestamp\"",
            "url = \"text\"",
            "via_channel = \"/via/channel text\"",
            "via_source_rel = \"/via/source/rel text\"",
        ],
    );
    assert_eq!(got.rows.len(), 3);
}

#[tokio::test]
async fn an_object_of_records_by_name() {
    let (text, got) = learned("/status", |_, _| {
        reply(
            200,
            r#"{"status":"ok","nodes":{
            "web-1":{"Ticket Type":"web","Last Seen":"2026-02-01 10:00:00","up":true,"load":0.5},
            "web-2":{"Ticket Type":"web","Last Seen":"2026-02-01 10:05:00","up":false,"load":1}}}"#,
        )
    })
    .await;
    check(
        &text,
        &[
            "[datasets.status]",
            "# From 2 records.",
            "# No sign of further pages: see the API's documentation for `paging`.",
            "# `Last_Seen` has no time zone and is taken for UTC.",
            "source = \"api\"",
            "path = \"/status\"",
            "records = \"/nodes\"",
            "key = \"id\"",
            "",
            "[datasets.status.fields]",
            "id = \"# text\"",
            "Last_Seen = \"'/Last Seen' timestamp %Y-%m-%d %H:%M:%S%.f\"",
            "Ticket_Type = \"'/Ticket Type' text\"",
            "load = \"real\"",
            "up = \"boolean\"",
        ],
    );
    assert_eq!(got.rows.len(), 2);
}

#[tokio::test]
async fn a_nested_list_with_relative_links_and_no_single_key() {
    let (text, got) = learned("/v1/order-lines", |asked, _| {
        let line = |order: u64, line: u64| {
            format!(r#"{{"order":"O{order}","line":{line},"select":"x","key":1,"modifiedDate":1767225600123}}"#)
        };
        let (list, next) = match asked.parameter("page") {
            None => (vec![line(1, 1), line(1, 2), line(2, 1)], "\"/v1/order-lines?page=2\""),
            Some(_) => (vec![line(2, 2)], "null"),
        };
        reply(200, format!(r#"{{"result":{{"items":[{}],"next":{next},"total":4}}}}"#, list.join(",")))
    })
    .await;
    check(
        &text,
        &[
            "[datasets.order_lines]",
            "# From 3 records.",
            "# Nothing identifies a record for sure: check `key`.",
            "# Every pull reads all of it; if the API can filter, add its parameter, such as \
             `updated_since = \"{watermark}\"`, to `query` and remove `whole`.",
            "source = \"api\"",
            "path = \"/v1/order-lines\"",
            "records = \"/result/items\"",
            "paging = { next_url = \"/result/next\" }",
            "key = [\"line\", \"order\"]",
            "updated = \"modifiedDate\"",
            "whole = true",
            "",
            "[datasets.order_lines.fields]",
            "line = \"integer\"",
            "order = \"text\"",
            "key_2 = \"/key integer\"",
            "modifiedDate = \"timestamp epoch_ms\"",
            "select = \"text\"",
        ],
    );
    let keys: Vec<&str> = got.rows.iter().map(|row| row.rsplit(' ').next().unwrap()).collect();
    assert_eq!(keys, ["1/O1", "2/O1", "1/O2", "2/O2"]);
}

#[tokio::test]
async fn a_plain_list_with_epoch_times_read_whole() {
    let (text, got) = learned("/", |_, _| {
        reply(200, r#"[{"uuid":"a","created":1767225600,"closedAt":null,"size":3},
            {"uuid":"b","created":1767225700.5,"closedAt":1767225800000,"size":18446744073709551615}]"#)
    })
    .await;
    check(
        &text,
        &[
            "[datasets.records]",
            "# From 2 records.",
            "# No sign of further pages: see the API's documentation for `paging`.",
            "source = \"api\"",
            "path = \"/\"",
            "key = \"uuid\"",
            "created = \"created\"",
            "",
            "[datasets.records.fields]",
            "uuid = \"text\"",
            "closedAt = \"timestamp epoch_ms\"",
            "created = \"timestamp epoch_s\"",
            "size = \"text\"",
        ],
    );
    assert_eq!(got.rows.len(), 2);
}

#[tokio::test]
async fn a_guess_at_the_paging_is_tried() {
    // A cursor whose parameter is called otherwise than most.
    let cursor = |asked: &Asked, _: &str| match asked.parameter("page_token").as_deref() {
        None => reply(200, r#"{"items":[{"id":1}],"next_cursor":"t"}"#),
        Some(_) => reply(200, r#"{"items":[{"id":2}],"next_cursor":null}"#),
    };
    let (text, got) = learned("/items", cursor).await;
    assert!(text.contains("cursor = \"/next_cursor\", parameter = \"page_token\""), "{text}");
    assert!(!text.contains("guess"), "{text}");
    assert_eq!(got.rows.len(), 2);
    // The last record is the cursor.
    let (text, got) = learned("/v1/charges?limit=1", |asked, _| {
        match asked.parameter("starting_after").as_deref() {
            None => reply(200, r#"{"data":[{"id":"ch_1"}],"has_more":true}"#),
            Some("ch_1") => reply(200, r#"{"data":[{"id":"ch_2"}],"has_more":false}"#),
            Some(other) => panic!("{other}"),
        }
    })
    .await;
    let expected = "cursor = \"/data/-/id\", parameter = \"starting_after\", more = \"/has_more\"";
    assert!(text.contains(expected), "{text}");
    assert_eq!(got.rows.len(), 2);
    // Pages by number and by offset, as the address asks for them.
    let (text, got) = learned("/x?page=1&per_page=2", |asked, _| {
        let page: u64 = asked.parameter("page").unwrap().parse().unwrap();
        reply(200, body((page - 1) * 2..(page * 2).min(3), ""))
    })
    .await;
    assert!(text.contains("paging = { page = \"page\", first = 1, size = 2 }"), "{text}");
    assert!(text.contains("query = { per_page = \"2\" }"), "{text}");
    assert_eq!(got.rows.len(), 3);
    let (text, got) = learned("/x", |asked, _| {
        let start: u64 = asked.parameter("startAt").map_or(0, |text| text.parse().unwrap());
        let more = format!(r#","startAt":{start},"maxResults":2,"total":3"#);
        reply(200, body(start..(start + 2).min(3), &more))
    })
    .await;
    assert!(text.contains("paging = { offset = \"startAt\", size = 2 }"), "{text}");
    assert_eq!(got.rows.len(), 3);
    // A page that is given whatever is asked is the only one.
    let (text, got) =
        learned("/x?page=1", |_, _| reply(200, r#"[{"id":1,"n":2},{"id":2,"n":2}]"#)).await;
    assert!(!text.contains("paging ="), "{text}");
    assert_eq!(got.rows.len(), 2);
}

#[tokio::test]
async fn secrets_of_a_bare_address_become_references() {
    let server = Server::start(|_, asked, _| match asked.header("authorization") {
        _ if asked.parameter("api_key").as_deref() == Some("s3cr3t") => reply(200, r#"[{"id":1}]"#),
        Some("Bearer s3cr3t") => reply(200, r#"[{"id":1}]"#),
        _ => reply(401, "s3cr3t?"),
    })
    .await;
    let infer = async |path: &str, headers: &[(&str, &str)]| {
        let headers =
            headers.iter().map(|(name, value)| ((*name).to_owned(), SecretString::from(*value)));
        let url = format!("{}{path}", server.url);
        infer_url(&url, headers.collect(), LeapingClock::at(NOW)).await
    };
    let toml = |inferred: Inferred| inferred.to_toml("desk", "items", "");
    let text = toml(infer("/v1/items?a=1&api_key=s3cr3t", &[]).await.unwrap());
    assert!(
        text.contains("auth = { query = { name = \"api_key\", value = \"env:API_KEY\" } }"),
        "{text}"
    );
    assert!(text.contains("query = { a = \"1\" }") && !text.contains("s3cr3t"), "{text}");
    let headers =
        [("Authorization", "Bearer s3cr3t"), ("Accept", "application/x+json"), ("X-Org", "s3cr3t")];
    let text = toml(infer("/v1/items", &headers).await.unwrap());
    assert!(text.contains("auth = { bearer = \"env:API_TOKEN\" }\n"), "{text}");
    assert!(
        text.contains("headers = { Accept = \"application/x+json\", X-Org = \"env:API_X_ORG\" }"),
        "{text}"
    );
    assert!(!text.contains("s3cr3t"), "{text}");
    let err = infer("/v1/items?api_key=wrong", &[]).await.unwrap_err().to_string();
    assert!(err.contains("401") && err.contains("/v1/items`") && !err.contains("wrong"), "{err}");
    let clear = vec![("Authorization".to_owned(), SecretString::from("s3cr3t"))];
    let err =
        infer_url("http://desk.example.com/x", clear, LeapingClock::at(NOW)).await.unwrap_err();
    assert!(err.to_string().contains("must begin with https://"), "{err}");
}

#[tokio::test]
async fn a_sample_without_records_says_what_it_has() {
    for (sample, expected) in [
        (r#"{"id":1,"name":"x"}"#, "no list of records in it; it has `id`, `name`"),
        (r#"{"items":[]}"#, "has a record to learn from"),
        ("[]", "an empty list"),
        ("[1,2]", "no list of records"),
        ("7", "no list of records"),
        ("<html>", "no JSON"),
    ] {
        let server = Server::start(move |_, _, _| reply(200, sample)).await;
        let err = infer_url(&server.url, vec![], LeapingClock::at(NOW)).await.unwrap_err();
        assert!(err.to_string().contains(expected), "{err}");
    }
}

#[tokio::test]
async fn datasets_and_paths_of_a_source_are_described() {
    let desk = Desk::new(
        |_, spec| {
            spec.query = vec![("since".to_owned(), "{watermark:date}".to_owned())];
            spec.paging = Paging::Page { parameter: "page".to_owned(), first: 1, size: None };
        },
        |_, _, _| reply(200, body(0..2, "")),
    )
    .await;
    let described = desk.rest.describe("tickets").await.unwrap();
    assert_eq!(described.object, "tickets");
    let fields: Vec<_> =
        described.fields.iter().map(|f| (f.path.as_str(), f.key, f.updated)).collect();
    assert_eq!(fields, [("/id integer", true, false), ("/updated timestamp", false, true)]);
    assert_eq!(desk.server.paths(), ["/api/v2/tickets?since=1970-01-01&page=1"]);
    let inferred = desk.rest.infer("tickets").await.unwrap();
    assert_eq!((inferred.whole, inferred.base_url.as_deref()), (false, None));
    let text = inferred.to_toml("desk", "tickets", "");
    assert!(
        text.contains("path = \"/v2/tickets\"\nquery = { since = \"{watermark:date}\" }"),
        "{text}"
    );
    let elsewhere = format!("{}/other/list", desk.server.url);
    let inferred = desk.rest.infer(&elsewhere).await.unwrap();
    assert_eq!((inferred.path.as_str(), inferred.name.as_str()), ("/../other/list", "other"));
    assert_eq!(desk.rest.infer("/v2/x?a=1").await.unwrap().path, "/v2/x");
    let err = desk.rest.infer("https://evil.example.com/x").await.unwrap_err().to_string();
    assert!(err.contains("is not at `http://127.0.0.1"), "{err}");
}
