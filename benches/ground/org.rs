//! A made-up org of any size: the same number of sessions gives the same records, to the byte. Every
//! record is made from its number alone, so nothing is held in memory and pages can be made in any
//! order. Records of a dataset stand in the order of their changes, as a query returns them.
//!
//! Traffic is even over the year before [`END`]: what is measured is the cost of records, not of
//! their shape.

use std::fmt::Write as _;

/// The instant the org was recorded at, in milliseconds since 1970 UTC: Friday 29 May 2026, 06:00.
pub(crate) const END: i64 = 1_780_034_400_000;
/// The first session begins so long before [`END`].
const YEAR: i64 = 365 * 24 * 3600 * 1000;
/// A session is changed for the last time so long after its beginning.
const SETTLED: i64 = 3600 * 1000;

/// Metrics of one session.
pub(crate) const METRIC_TYPES: [&str; 6] = [
    "AgentMessageCount",
    "EndUserMessageCount",
    "AverageAgentResponseTime",
    "MaxAgentResponseTime",
    "AverageEndUserResponseTime",
    "MaxEndUserResponseTime",
];

/// Message type, platform and name of each channel.
const CHANNELS: [(&str, &str, &str); 12] = [
    ("EmbeddedMessaging", "Enhanced", "Website"),
    ("WhatsApp", "Enhanced", "WhatsApp Europe"),
    ("Text", "Standard", "SMS Germany"),
    ("Facebook", "Enhanced", "Facebook"),
    ("AppleBusinessChat", "Enhanced", "Apple Messages"),
    ("Text", "Enhanced", "SMS France"),
    ("WhatsApp", "Enhanced", "WhatsApp Shop"),
    ("Line", "Enhanced", "LINE Japan"),
    ("EmbeddedMessaging", "Enhanced", "App"),
    ("WhatsApp", "Standard", "WhatsApp old"),
    ("Custom", "Enhanced", "Kiosk"),
    ("Facebook", "Standard", "Facebook old"),
];

const PEOPLE: u64 = 200;

/// One value of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Null,
    Flag(bool),
    Whole(i64),
    Real(f64),
    /// Milliseconds since 1970 UTC.
    Instant(i64),
    Text(&'a str),
}

impl<'a> Value<'a> {
    fn some(condition: bool, value: Value<'a>) -> Value<'a> {
        if condition { value } else { Value::Null }
    }
}

/// Takes records, field by field, in the order of the built-in datasets.
pub(crate) trait Sink {
    fn field(&mut self, name: &'static str, value: Value<'_>);
}

/// How large the org is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Org {
    pub(crate) sessions: u64,
}

/// The objects of the org, in the order a pull reads them.
pub(crate) const OBJECTS: [Object; 8] = [
    Object::Session,
    Object::Metrics,
    Object::EndUser,
    Object::Channel,
    Object::Account,
    Object::Work,
    Object::Entry,
    Object::User,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    Session,
    Metrics,
    EndUser,
    Channel,
    Account,
    Work,
    Entry,
    User,
}

impl Object {
    /// The object's name in the API.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Object::Session => "MessagingSession",
            Object::Metrics => "MessagingSessionMetrics",
            Object::EndUser => "MessagingEndUser",
            Object::Channel => "MessagingChannel",
            Object::Account => "Account",
            Object::Work => "AgentWork",
            Object::Entry => "ConversationEntry",
            Object::User => "User",
        }
    }

    fn id(self, number: u64) -> Id {
        let prefix = match self {
            Object::Session => "0Mw",
            Object::Metrics => "0Zm",
            Object::EndUser => "0PA",
            Object::Channel => "0Mj",
            Object::Account => "001",
            Object::Work => "0Bz",
            Object::Entry => "0dV",
            Object::User => "005",
        };
        Id::new(prefix, number)
    }
}

impl Org {
    /// How many records an object has.
    pub(crate) fn count(self, object: Object) -> u64 {
        match object {
            Object::Session => self.sessions,
            Object::Metrics => self.sessions * METRIC_TYPES.len() as u64,
            Object::EndUser => (self.sessions / 4).max(1),
            Object::Channel => CHANNELS.len() as u64,
            Object::Account => (self.sessions / 200).max(1),
            // 13 assignments in 10 sessions, one message kept in two.
            Object::Work => self.sessions * 13 / 10,
            Object::Entry => self.sessions / 2,
            Object::User => PEOPLE,
        }
    }

    /// Gives one record to a sink; its id is returned.
    pub(crate) fn record(self, object: Object, number: u64, sink: &mut impl Sink) {
        match object {
            Object::Session => self.session(number, sink),
            Object::Metrics => self.metric(number, sink),
            Object::EndUser => self.end_user(number, sink),
            Object::Channel => channel(number, sink),
            Object::Account => account(number, sink),
            Object::Work => self.work(number, sink),
            Object::Entry => self.entry(number, sink),
            Object::User => user(number, sink),
        }
    }

    /// The id of a record, for the address among its attributes.
    pub(crate) fn id(self, object: Object, number: u64) -> Id {
        object.id(number)
    }

    fn session(self, n: u64, sink: &mut impl Sink) {
        let (s, mut dice) = (Session::of(self, n), Dice::new(1, n));
        let (kind, _, label) = CHANNELS[s.channel as usize];
        let mut text = String::with_capacity(64);
        sink.field("Id", Value::Text(Object::Session.id(n).as_str()));
        sink.field("Name", numbered(&mut text, "MS-", n));
        sink.field("Status", Value::Text(s.status));
        let channel = Object::Channel.id(s.channel);
        sink.field("MessagingChannelId", Value::Text(channel.as_str()));
        let end_user = Object::EndUser.id(s.end_user);
        sink.field("MessagingEndUserId", Value::Text(end_user.as_str()));
        sink.field("StartTime", Value::Instant(s.start));
        let accepted = s.start + dice.below(120) * 1000;
        sink.field("AcceptTime", Value::some(s.agent != "Bot", Value::Instant(accepted)));
        let ended = s.status == "Ended";
        sink.field("EndTime", Value::some(ended, Value::Instant(s.end)));
        let by = ["Agent", "EndUser", "System", "Agent"][dice.below(4) as usize];
        sink.field("EndedByType", Value::some(ended && !s.standard(), Value::Text(by)));
        sink.field("AgentType", Value::Text(s.agent));
        sink.field("Origin", Value::Text("InboundInitiated"));
        sink.field("ChannelType", Value::some(kind != "Custom", Value::Text(kind)));
        sink.field("ChannelName", Value::Text(label));
        sink.field("ChannelKey", Value::Null);
        sink.field("ChannelLocale", Value::Text("de_DE"));
        sink.field("EndUserLanguage", Value::Text(["de", "fr", "en_US"][dice.below(3) as usize]));
        let account = s.account.map(|number| Object::Account.id(number));
        sink.field("EndUserAccountId", account.as_ref().map_or(Value::Null, |id| id.text()));
        sink.field("EndUserContactId", Value::Text(Id::new("003", s.end_user).as_str()));
        let case = Id::new("500", n);
        sink.field("CaseId", Value::some(dice.below(3) == 0, Value::Text(case.as_str())));
        sink.field("LeadId", Value::Null);
        sink.field("OpportunityId", Value::Null);
        sink.field("ConversationId", Value::Text(Id::new("0dw", n).as_str()));
        text.clear();
        let (high, low) = (dice.next(), dice.next());
        let _ = write!(text, "{high:016x}-{low:016x}");
        sink.field("SessionKey", Value::Text(&text));
        let owner = Object::User.id(s.person);
        sink.field("OwnerId", Value::Text(owner.as_str()));
        sink.field("TargetUserId", Value::Null);
        audit(sink, s.start, s.start + SETTLED, s.person);
    }

    fn metric(self, n: u64, sink: &mut impl Sink) {
        let types = METRIC_TYPES.len() as u64;
        let s = Session::of(self, n / types);
        let mut dice = Dice::new(2, n);
        let kind = (n % types) as usize;
        let value = match kind {
            0 => 1 + dice.below(14),
            1 => 1 + dice.below(11),
            2 => 5 + dice.below(30) * dice.below(10),
            3 => 20 + dice.below(120) * dice.below(20),
            4 => 5 + dice.below(200),
            _ => 30 + dice.below(1500),
        };
        sink.field("Id", Value::Text(Object::Metrics.id(n).as_str()));
        sink.field("Name", numbered(&mut String::with_capacity(16), "MSM-", n));
        let session = Object::Session.id(n / types);
        sink.field("MessagingSessionId", Value::Text(session.as_str()));
        sink.field("MessagingSessionMetricType", Value::Text(METRIC_TYPES[kind]));
        sink.field("MessagingSessionMetricValue", Value::Whole(value));
        audit(sink, s.start + SETTLED, s.start + SETTLED, s.person);
    }

    fn end_user(self, n: u64, sink: &mut impl Sink) {
        let mut dice = Dice::new(3, n);
        let channel = n % CHANNELS.len() as u64;
        let mut text = String::with_capacity(24);
        let _ = write!(text, "+49151{:08}", n * 37 % 100_000_000);
        sink.field("Id", Value::Text(Object::EndUser.id(n).as_str()));
        sink.field("Name", Value::Text(&text));
        sink.field("MessagingChannelId", Value::Text(Object::Channel.id(channel).as_str()));
        sink.field("MessageType", Value::Text(CHANNELS[channel as usize].0));
        let consent = ["ImplicitlyOptedIn", "ExplicitlyOptedIn", "OptedOut"];
        sink.field("MessagingConsentStatus", Value::Text(consent[dice.below(3) as usize]));
        sink.field("IsFullyOptedIn", Value::Flag(dice.below(2) == 0));
        sink.field("HasInitialResponseSent", Value::Flag(true));
        let account = self.account_of(n).map(|number| Object::Account.id(number));
        sink.field("AccountId", account.as_ref().map_or(Value::Null, |id| id.text()));
        sink.field("ContactId", Value::Text(Id::new("003", n).as_str()));
        sink.field("LeadId", Value::Null);
        sink.field("IsoCountryCode", Value::Text("DE"));
        sink.field("Language", Value::Text("de"));
        sink.field("OwnerId", Value::Text(Object::User.id(n % PEOPLE).as_str()));
        let at = END - YEAR + YEAR / self.count(Object::EndUser) as i64 * n as i64;
        audit(sink, whole_second(at), whole_second(at), n % PEOPLE);
    }

    fn work(self, n: u64, sink: &mut impl Sink) {
        let of = n * 10 / 13;
        let s = Session::of(self, of);
        let mut dice = Dice::new(4, n);
        let bot = s.agent == "Bot";
        let declined = !bot && dice.below(12) == 0;
        let status = if declined { "Declined" } else { "Closed" };
        let requested = s.start + 1000;
        let answered = dice.below(180);
        let handled = dice.below((s.end - s.start) / 1000 + 1);
        let (accepted, closed) = (requested + answered * 1000, s.end);
        let person = Object::User.id(s.person);
        let yes = |value| Value::some(!declined, value);
        sink.field("Id", Value::Text(Object::Work.id(n).as_str()));
        sink.field("Name", numbered(&mut String::with_capacity(16), "", n));
        sink.field("Status", Value::Text(status));
        sink.field("WorkItemId", Value::Text(Object::Session.id(of).as_str()));
        sink.field("UserId", Value::Text(person.as_str()));
        sink.field("OwnerId", Value::Text(person.as_str()));
        let machine = Id::new("0Xx", 1);
        sink.field("BotId", Value::some(bot, Value::Text(machine.as_str())));
        sink.field("ServiceChannelId", Value::Text(Id::new("0N9", 1).as_str()));
        sink.field("OriginalGroupId", Value::Text(Id::new("00G", s.channel).as_str()));
        sink.field("PendingServiceRoutingId", Value::Text(Id::new("0JR", n).as_str()));
        sink.field("PreferredUserId", Value::Null);
        sink.field("RequestDateTime", Value::Instant(requested));
        sink.field("AssignedDateTime", Value::Instant(requested + 1000));
        sink.field("AcceptDateTime", yes(Value::Instant(accepted)));
        sink.field("CloseDateTime", yes(Value::Instant(closed)));
        sink.field("CancelDateTime", Value::Null);
        sink.field("DeclineDateTime", Value::some(declined, Value::Instant(accepted)));
        sink.field("PushTimeoutDateTime", Value::Null);
        sink.field("SpeedToAnswer", yes(Value::Whole(answered)));
        sink.field("HandleTime", yes(Value::Whole(handled)));
        sink.field("ActiveTime", yes(Value::Whole(handled / 2)));
        sink.field("AfterConversationActualTime", yes(Value::Whole(handled / 9)));
        sink.field("AcwExtensionCount", Value::Null);
        sink.field("AcwExtensionDuration", Value::Null);
        sink.field("CapacityModel", Value::Text("TabBased"));
        sink.field("CapacityPercentage", Value::Null);
        sink.field("CapacityWeight", Value::Real(1.0));
        sink.field("RoutingType", Value::Text("QueueBased"));
        sink.field("RoutingModel", Value::Text("MostAvailable"));
        sink.field("RoutingPriority", Value::Whole(5));
        sink.field("DeclineReason", Value::Null);
        sink.field("PushTimeout", Value::Whole(0));
        audit(sink, requested, s.start + SETTLED, s.person);
    }

    fn entry(self, n: u64, sink: &mut impl Sink) {
        let of = n * 2;
        let s = Session::of(self, of);
        let mut dice = Dice::new(5, n);
        let at = s.start + dice.below((s.end - s.start) / 1000 + 1) * 1000;
        let mut text = String::with_capacity(40);
        let actor = ["Agent", "EndUser", "Bot"][dice.below(3) as usize];
        let failed = s.standard() && dice.below(40) == 0;
        sink.field("Id", Value::Text(Object::Entry.id(n).as_str()));
        sink.field("ConversationId", Value::Text(Object::Session.id(of).as_str()));
        sink.field("ActorId", Value::Text(Object::User.id(s.person).as_str()));
        sink.field("ActorType", Value::Text(actor));
        sink.field("EntryTime", Value::Instant(at));
        sink.field("EntryEndTime", Value::Null);
        sink.field("EntryTimeMilliSecs", Value::Whole(at));
        sink.field("EntryType", Value::Text("Text"));
        sink.field("MessageStatus", Value::Text(if failed { "Error" } else { "Read" }));
        sink.field("MessageStatusCode", Value::some(failed, Value::Text("30008")));
        let (high, low) = (dice.next(), dice.next());
        let _ = write!(text, "{high:016x}{low:016x}");
        sink.field("MessageIdentifier", Value::Text(&text));
        sink.field("HasAttachments", Value::Flag(false));
        sink.field("Seq", Value::Whole(1));
        sink.field("ClientTimestamp", Value::Instant(at));
        sink.field("ClientDuration", Value::Null);
        sink.field("ServerReceivedTimestamp", Value::Instant(at));
        audit(sink, s.start + SETTLED, s.start + SETTLED, s.person);
    }

    /// The account of an end user; one in eight has none.
    fn account_of(self, end_user: u64) -> Option<u64> {
        let mut dice = Dice::new(6, end_user);
        let accounts = self.count(Object::Account) as i64;
        // Squared: some accounts are much busier than others.
        let place = dice.below(accounts) * dice.below(accounts) / accounts;
        (dice.below(8) > 0).then_some(place as u64)
    }
}

/// What the records around a session share with it.
struct Session {
    start: i64,
    end: i64,
    channel: u64,
    end_user: u64,
    account: Option<u64>,
    person: u64,
    status: &'static str,
    agent: &'static str,
}

impl Session {
    fn of(org: Org, n: u64) -> Session {
        let mut dice = Dice::new(0, n);
        let step = (YEAR - SETTLED) as f64 / org.sessions as f64;
        let start = whole_second(END - YEAR + (step * n as f64) as i64);
        let end = start + (60 + dice.below(60) * dice.below(55)) * 1000;
        let channels = CHANNELS.len() as i64;
        let channel = (dice.below(channels) * dice.below(channels) / channels) as u64;
        let end_user = dice.below(org.count(Object::EndUser) as i64) as u64;
        let status = match dice.below(100) {
            0 => "Inactive",
            1 => "Active",
            2 => "Error",
            _ => "Ended",
        };
        let agent = match dice.below(10) {
            0..=1 => "Bot",
            2..=4 => "BotToAgent",
            5 => "System",
            _ => "Agent",
        };
        let person = dice.below(PEOPLE as i64) as u64;
        let account = org.account_of(end_user);
        Session { start, end, channel, end_user, account, person, status, agent }
    }

    fn standard(&self) -> bool {
        CHANNELS[self.channel as usize].1 == "Standard"
    }
}

fn channel(n: u64, sink: &mut impl Sink) {
    let (kind, platform, label) = CHANNELS[n as usize];
    sink.field("Id", Value::Text(Object::Channel.id(n).as_str()));
    sink.field("MasterLabel", Value::Text(label));
    sink.field("DeveloperName", Value::Text(kind));
    sink.field("MessageType", Value::Text(kind));
    sink.field("PlatformType", Value::Text(platform));
    sink.field("IsActive", Value::Flag(true));
    sink.field("RoutingType", Value::Text("OmniQueue"));
    sink.field("TargetQueueId", Value::Text(Id::new("00G", n).as_str()));
    audit(sink, END - YEAR, END - YEAR, 0);
}

fn account(n: u64, sink: &mut impl Sink) {
    let mut text = String::with_capacity(32);
    let _ = write!(text, "Müller & Söhne {n}");
    sink.field("Id", Value::Text(Object::Account.id(n).as_str()));
    sink.field("Name", Value::Text(&text));
    sink.field("AccountNumber", numbered(&mut String::with_capacity(16), "A-", n));
    sink.field("Type", Value::Text("Customer"));
    sink.field("Industry", Value::Text("Retail"));
    sink.field("Rating", Value::Null);
    sink.field("Ownership", Value::Text("Private"));
    sink.field("AccountSource", Value::Text("Web"));
    sink.field("Site", Value::Null);
    sink.field("BillingCity", Value::Text("Köln"));
    sink.field("BillingState", Value::Null);
    sink.field("BillingCountry", Value::Text("Germany"));
    sink.field("NumberOfEmployees", Value::Whole((n % 900) as i64));
    sink.field("AnnualRevenue", Value::Real(n as f64 * 1000.5));
    sink.field("ParentId", Value::Null);
    sink.field("OwnerId", Value::Text(Object::User.id(n % PEOPLE).as_str()));
    audit(sink, END - YEAR, END - YEAR, n % PEOPLE);
}

fn user(n: u64, sink: &mut impl Sink) {
    sink.field("Id", Value::Text(Object::User.id(n).as_str()));
    sink.field("Name", numbered(&mut String::with_capacity(16), "Agent ", n));
    sink.field("IsActive", Value::Flag(true));
    sink.field("UserType", Value::Text("Standard"));
    sink.field("Department", Value::Text("Service"));
    sink.field("Division", Value::Null);
    sink.field("Title", Value::Null);
    sink.field("ManagerId", Value::Null);
    sink.field("ProfileId", Value::Text(Id::new("00e", 1).as_str()));
    sink.field("UserRoleId", Value::Null);
    sink.field("TimeZoneSidKey", Value::Text("Europe/Berlin"));
    audit(sink, END - YEAR, END - YEAR, 0);
}

/// The five fields that end every record.
fn audit(sink: &mut impl Sink, created: i64, modified: i64, by: u64) {
    let by = Object::User.id(by);
    sink.field("CreatedDate", Value::Instant(created));
    sink.field("CreatedById", Value::Text(by.as_str()));
    sink.field("LastModifiedDate", Value::Instant(modified));
    sink.field("LastModifiedById", Value::Text(by.as_str()));
    sink.field("SystemModstamp", Value::Instant(modified));
}

fn numbered<'a>(text: &'a mut String, prefix: &str, n: u64) -> Value<'a> {
    let _ = write!(text, "{prefix}{n:08}");
    Value::Text(text)
}

fn whole_second(ms: i64) -> i64 {
    ms - ms.rem_euclid(1000)
}

/// An 18-character id: prefix, instance, number in base 62, a suffix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Id([u8; 18]);

impl Id {
    fn new(prefix: &str, mut number: u64) -> Id {
        const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let mut id = *b"0000W000000000oAAA";
        id[..3].copy_from_slice(prefix.as_bytes());
        for at in (5..14).rev() {
            id[at] = DIGITS[(number % 62) as usize];
            number /= 62;
        }
        Id(id)
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("an id is made of letters and digits")
    }

    fn text(&self) -> Value<'_> {
        Value::Text(self.as_str())
    }
}

/// Pseudo-random numbers from a stream and a record's number (splitmix64).
struct Dice(u64);

impl Dice {
    fn new(stream: u64, number: u64) -> Dice {
        Dice(
            stream.wrapping_mul(0xD1B5_4A32_D192_ED03) ^ number.wrapping_mul(0xA24B_AED4_963E_E407),
        )
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// 0 to `end` - 1.
    fn below(&mut self, end: i64) -> i64 {
        (self.next() % end.max(1) as u64) as i64
    }
}
