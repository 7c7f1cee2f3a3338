//! One mistake in a good config is one problem, at the very piece that is wrong.

use super::{GOOD, read};

#[test]
fn mistakes_in_orgs_are_told_once_at_the_piece() {
    check("\"jwt_bearer\"", "\"jwt\"", "unknown value `jwt`", "\"jwt\"");
    check(
        "username = \"reports@acme.com\", ",
        "",
        "`auth` of [sources.salesforce] has no `username`",
        "auth",
    );
    check(
        "file:sf.key",
        "file:sf.crt",
        "what `file:sf.crt` holds is a certificate",
        "\"file:sf.crt\"",
    );
    check("file:sf.key", "file:none", "the file `none` cannot be read", "\"file:none\"");
    check(
        "private_key = \"file:sf.key\"",
        "private_key = \"file:sf.key\", audience = \"login\"",
        "`audience` is not an address on the web",
        "\"login\"",
    );
    check(
        "credential:emea",
        "credential:apac",
        "the file `apac` cannot be read",
        "\"credential:apac\"",
    );
    check(
        "credential:emea",
        "credential:../x",
        "`credential:../x` names no credential",
        "\"credential:../x\"",
    );
    check("\"20 min\"", "\"20 days\"", "every pull would begin 20 days back", "\"20 days\"");
    check("\"never\"", "\"nevr\"", "`nevr` is not a number", "\"nevr\"");
    check(
        "\"never\"",
        "false",
        "`bulk_above` must be a whole number, 0 or more, or `\"never\"`, not `true` or `false`",
        "false",
    );
    check("bulk_above = 2000", "bulk_above = -1", "`bulk_above` must be a whole number", "-1");
    check(
        "bulk_above = 2000",
        "api_version = \"61.0\"",
        "API version `61.0` has no MessagingSessionMetrics",
        "\"61.0\"",
    );
    check("kind = \"rest\"", "kind = \"json\"", "unknown value `json`", "\"json\"");
}

#[test]
fn mistakes_in_apis_are_told_once_at_the_piece() {
    check(
        "https://desk.example.com/api/",
        "desk.example.com",
        "`base_url` is not an address on the web",
        "\"desk.example.com\"",
    );
    check(
        "https://desk",
        "http://desk",
        "secrets would go to `desk.example.com` in clear text",
        "\"http://desk.example.com/api/\"",
    );
    check(
        "/api/\"",
        "/api?x=1\"",
        "`base_url` ends with its path",
        "\"https://desk.example.com/api?x=1\"",
    );
    check(
        "{ bearer = \"env:DESK_TOKEN\" }",
        "\"env:DESK_TOKEN\"",
        "`auth` must be a table, or `\"none\"`",
        "\"env:DESK_TOKEN\"",
    );
    check("{ bearer = \"env:DESK_TOKEN\" }", "{}", "`auth` of [sources.desk] says nothing", "auth");
    check("{ bearer =", "{ barer =", "unknown key `barer` in `auth` of [sources.desk]", "barer");
    check("env:DESK_TOKEN", "swordfish", "a secret written into the config", "\"*********\"");
    check(
        "\"env:DESK_TOKEN\"",
        "\"env:DESK_TOKEN\", basic = { username = \"a\", password = \"env:DESK_TOKEN\" }",
        "`auth` of [sources.desk] has both `bearer` and `basic`",
        "auth",
    );
    check(
        "{ bearer = \"env:DESK_TOKEN\" }",
        "{ basic = { username = \"a\" } }",
        "`basic` of `auth` of [sources.desk] has no `password`",
        "basic",
    );
    check(
        "{ bearer = \"env:DESK_TOKEN\" }",
        "{ header = { name = \"X Key\", value = \"env:DESK_TOKEN\" } }",
        "`X Key` is not the name of a header",
        "\"X Key\"",
    );
    check(
        "{ bearer = \"env:DESK_TOKEN\" }",
        "{ header = { name = \"X-Key\", value = \"env:TWO_LINES\" } }",
        "what `env:TWO_LINES` holds cannot stand in a header",
        "\"env:TWO_LINES\"",
    );
    check(
        "{ bearer = \"env:DESK_TOKEN\" }",
        "{ oauth2 = { token_url = \"x\", client_id = \"env:SF_CLIENT_ID\", client_secret = \"env:SF_CLIENT_SECRET\" } }",
        "`token_url` is not an address on the web",
        "\"*\"",
    );
    check("env:DESK_TENANT", "acme", "a secret written into the config", "\"****\"");
    check(
        "Accept = ",
        "Authorization = \"env:DESK_TOKEN\", Accept = ",
        "the header `Authorization` is there twice",
        "Authorization",
    );
    check(
        "Accept = ",
        "Host = \"x\", Accept = ",
        "the header `Host` is made for each request",
        "Host",
    );
    check(
        "60 / min",
        "60 per min",
        "`60 per min` is not a rate: write e.g. `60 / min`",
        "\"60 per min\"",
    );
}

#[test]
fn mistakes_in_objects_are_told_once_at_the_piece() {
    check(
        "source = \"emea\"\nobject",
        "source = \"emae\"\nobject",
        "unknown source `emae`",
        "\"emae\"",
    );
    check(
        "source = \"emea\"\nobject",
        "object",
        "[datasets.EmeaSession] has no `source`",
        "EmeaSession",
    );
    check(
        "[datasets.EmeaSession]",
        "[datasets.Account]",
        "`Account` is a built-in dataset of `salesforce`",
        "Account",
    );
    check(
        "[datasets.Case]",
        "[datasets.account]",
        "`account` differs from the built-in dataset `Account` in capitals only",
        "account",
    );
    check(
        "Priority__c = \"text\"",
        "Status = \"text\"",
        "`MessagingSession` has `Status` by itself",
        "Status",
    );
    check(
        "Priority__c = \"text\"",
        "priority = \"picklist\"",
        "unknown type `picklist`",
        "picklist",
    );
    check(
        "\"Owner.Name text\"",
        "\"Owner->Name text\"",
        "`Owner->Name` is not a field of an object",
        "Owner->Name",
    );
    check(
        "\"Owner.Name text\"",
        "\"Owner.Name text upper\"",
        "a field of an object has a path and a type",
        "upper",
    );
    check("\"24 months\"", "\"24 moons\"", "`moons` is not a unit of time", "\"24 moons\"");
    check(
        "object = \"MessagingSession\"",
        "object = \"Messaging Session\"",
        "`Messaging Session` is not the name of an object",
        "\"Messaging Session\"",
    );
    check(
        "dated = false",
        "label = \"Subjekt\"",
        "`label` names no field: there is no `Subjekt`",
        "\"Subjekt\"",
    );
    check("dated = false", "path = \"/cases\"", "unknown key `path` in [datasets.Case]", "path");
    check(
        "Subject = \"text\"",
        "_deleted = \"boolean\"",
        "`_deleted` is a name of postrider's own",
        "_deleted",
    );
    check(
        "Subject = \"text\"",
        "createddate = \"timestamp\"",
        "`Case` has `CreatedDate` by itself",
        "createddate",
    );
}

#[test]
fn mistakes_in_tables_are_told_once_at_the_piece() {
    check(
        "path = \"/v2/tickets\"",
        "path = \"v2/tickets\"",
        "`path` must begin with `/`",
        "\"v2/tickets\"",
    );
    check(
        "path = \"/v2/tickets\"",
        "path = \"https://x/y\"",
        "`path` is not a path",
        "\"https://x/y\"",
    );
    check("path = \"/v2/tickets\"\n", "", "[datasets.tickets] has no `path`", "tickets");
    check("{watermark}", "{watermerk}", "unknown placeholder `{watermerk}`", "\"{watermerk}\"");
    check(
        "per_page = \"500\"",
        "api_key = \"swordfish\"",
        "`api_key` looks like a secret written into the config",
        "\"*********\"",
    );
    check(
        "records = \"/data\"",
        "records = \"data.items\"",
        "`data.items` is no JSON Pointer: write `/data/items`",
        "\"data.items\"",
    );
    check("key = \"id\"", "key = \"ids\"", "`key` names no field: there is no `ids`", "\"ids\"");
    check(
        "key = \"id\"",
        "key = 5",
        "`key` must be a name in quotes or a list of names in brackets, not a whole number",
        "5",
    );
    check(
        "key = [\"order\", \"line\"]",
        "key = [\"order\", \"lime\"]",
        "`key` names no field: there is no `lime`",
        "\"lime\"",
    );
    check(
        "key = [\"order\", \"line\"]",
        "key = [\"order\", \"price\"]",
        "a key is text, a whole number or a timestamp, and `price` is real",
        "\"price\"",
    );
    check(
        "updated = \"updated_at\"",
        "updated = \"update_at\"",
        "`updated` names no field: there is no `update_at`",
        "\"update_at\"",
    );
    check(
        "updated = \"updated_at\"",
        "updated = \"subject\"",
        "`updated` must be a timestamp, and `subject` is text",
        "\"subject\"",
    );
    check(
        "created = \"created_at\"",
        "created = \"comments\"",
        "`created` must be a timestamp, and `comments` is integer",
        "\"comments\"",
    );
    check(
        "query = { updated_since = \"{watermark}\", per_page = \"500\" }",
        "whole = true",
        "`keep` in a dataset that is read whole: what it removes comes back at once",
        "\"12 months\"",
    );
    check(
        "keep = \"24 months\"",
        "keep = \"24 months\"\nwhole = true",
        "`keep` in a dataset that is read whole",
        "\"24 months\"",
    );
    check(
        "created = \"created_at\"\n",
        "",
        "`keep` counts from when a record came to be",
        "\"12 months\"",
    );
    check(
        "label = \"subject\"",
        "label = \"title\"",
        "`label` names no field: there is no `title`",
        "\"title\"",
    );
    check(
        "updated = \"updated_at\"\n",
        "",
        "`{watermark}` in a dataset that is read whole",
        "\"{watermark}\"",
    );
    check(
        "updated = \"updated_at\"\n",
        "updated = \"updated_at\"\nwhole = true\n",
        "`{watermark}` in a dataset that is read whole",
        "\"{watermark}\"",
    );
    check(
        "explode = \"/lines\"",
        "explode = \"/lines\"\nwhole = false",
        "without `updated` nobody knows what changed",
        "false",
    );
    check(
        "explode = \"/lines\"",
        "explode = \"lines\"",
        "`lines` is no JSON Pointer: write `/lines`",
        "\"lines\"",
    );
    check(
        "max_pages = 50",
        "window = \"1 day\"",
        "a `window` without `{from}` and `{to}` in `path` or `query`",
        "\"1 day\"",
    );
    check("max_pages = 50", "max_pages = 0", "`max_pages` must be from 1 to 1000000", "0");
    check("max_bad = 0.2", "max_bad = 20.0", "`20` is not a share", "20.0");
    check("tags = \"text joined ', '\"", "tags = \"list\"", "unknown type `list`", "\"list\"");
    check(
        "assignee = ",
        "\"assignee-name\" = ",
        "`assignee-name` cannot be the name of a field",
        "\"assignee-name\"",
    );
    check("assignee = ", "Subject = ", "field `Subject` is there twice", "Subject");
    check(
        "[datasets.lines]",
        "[datasets.lateral]",
        "`lateral` means something in SQL and cannot name a dataset",
        "lateral",
    );
}

#[test]
fn mistakes_in_paging_are_told_once_at_the_piece() {
    let pages = "{ page = \"page\", first = 0, size = 100 }";
    check(
        pages,
        "{}",
        "`paging` of [datasets.lines] does not say how pages follow each other",
        "paging",
    );
    check(pages, "\"pages\"", "`paging` must be a table, or `\"none\"`", "\"pages\"");
    check(
        pages,
        "{ page = \"page\", offset = \"o\" }",
        "`paging` of [datasets.lines] has both `page` and `offset`",
        "paging",
    );
    check(
        pages,
        "{ page = \"page\", parameter = \"p\" }",
        "`parameter` does not go with `page`",
        "\"p\"",
    );
    check(
        pages,
        "{ cursor = \"/next\" }",
        "`paging` of [datasets.lines] has no `parameter`",
        "paging",
    );
    check(pages, "{ offset = \"o\" }", "`paging` of [datasets.lines] has no `size`", "paging");
    check(pages, "{ offset = \"o\", size = 0 }", "a page of no records", "0");
    check(
        pages,
        "{ next_url = \"links.next\" }",
        "`links.next` is no JSON Pointer: write `/links/next`",
        "\"links.next\"",
    );
    check(pages, "{ link_header = false }", "`link_header = false` says nothing", "false");
    check(
        pages,
        "{ link_header = \"next\" }",
        "`link_header` must be `true` or `false`, not text",
        "\"next\"",
    );
    check(pages, "{ nxt_url = \"/next\" }", "unknown key `nxt_url`", "nxt_url");
    check(
        pages,
        "{ next_url = \"/n\", more = \"/m\", end = \"/e\" }",
        "`more` and `end` say the same",
        "\"/e\"",
    );
}

/// With `old` replaced by `new`, the config has exactly one problem: one that begins with `message`
/// and underlines `piece`.
#[track_caller]
fn check(old: &str, new: &str, message: &str, piece: &str) {
    assert!(GOOD.contains(old), "the config has no {old:?}");
    let problems = match read(&GOOD.replacen(old, new, 1)) {
        Ok(_) => panic!("no problem with {new:?}"),
        Err(problems) => problems,
    };
    assert_eq!(problems.0.len(), 1, "{new:?}\n{problems}");
    let problem = &problems.0[0];
    assert!(problem.message.starts_with(message), "{problems}");
    let underlined = problem.place.as_ref().map(|place| place.piece.as_str());
    assert_eq!(underlined, Some(piece), "{problems}");
    assert!(!format!("{problems}{problems:?}").contains("swordfish"));
}
