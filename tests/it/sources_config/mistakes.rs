//! Many mistakes in sources and datasets, all told by one reading.

use super::read;

#[test]
fn every_mistake_in_sources_and_datasets_is_told_at_once_at_its_place() {
    let problems = read(MISTAKES).unwrap_err();
    insta::assert_snapshot!(problems);
}

/// Mistakes of all kinds side by side.
const MISTAKES: &str = r#"
[sources.salesforce]
kind = "salesforce"
login_url = "https://acme.my.salesforce.com"
auth = { flow = "jwt_bearer", client_id = "env:SF_CLIENT_ID", user = "me@acme.com", private_key = "file:sf.crt" }
api_version = "58.0"
bulk_above = "newer"
overlap = "30 days"

[sources.desk]
kind = "rest"
base_url = "https://desk.example.com/api?v=2"
auth = { bearer = "env:DESK_TOKEN", basic = { username = "me" } }
rate = "60"
headers = { Host = "x", Authorization = "Basic c3dvcmRmaXNo" }

[sources.wiki]
kind = "graphql"

[datasets.MessagingSession]
source = "salesforce"
object = "Case"
fields = { Status = "text", Priority__c = "string", owner = "Owner/Name text" }
label = "Nmae"

[datasets.account]
source = "desk"
path = "/accounts"
key = "id"
fields = { id = "text" }

[datasets.User]
source = "desk"
path = "/users"
key = "id"
fields = { id = "text" }

[datasets.pages]
source = "wiki"
path = "/pages"

[datasets.orders]
source = "shop"
path = "/orders"

[datasets.open-tickets]
source = "desk"
path = "v2/tickets?state=open"
key = "ids"
fields = { id = "text" }

[datasets.tickets]
source = "desk"
path = "/v2/tickets"
query = { since = "{watermerk}", api_key = "swordfish" }
records = "data"
paging = { next_url = "/links/next", page = "page" }
key = ["id", "nr"]
updated = "changed"
created = "subject"
keep = "1 year"
window = "1 day"
max_bad = 5
max_pages = 0
fields = { id = "text", subject = "text", _deleted = "boolean", opened = "/opened timestamp epoc_s", Subject = "text" }

[datasets.notes]
source = "desk"
path = "/notes"
query = { since = "{watermark}" }
paging = { offset = "offset", first = 1 }
key = "price"
keep = "a while"
fields = { price = "real" }

[datasets.lateral]
source = "desk"
path = "/selections"
key = "id"
fields = { id = "text" }

[reports.pages]
type = "pages"
columns = ["count() as Pages"]

[reports.notes]
type = "notes"
columns = ["sum(notes.prize) as Prize"]

[report_types.orders]
from = "orders o left join Account a on a.Id = o.account"

[reports.orders]
type = "orders"
columns = ["count() as Orders"]
"#;
