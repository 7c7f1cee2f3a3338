//! The fields of the built-in objects, in the order they are pulled and stored.

use super::picklists::{self, Pick};
use crate::domain::value::Type::{self, Boolean, Integer, Real, Text, Timestamp};

/// A field as written here.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) ty: Type,
    pub(super) nullable: bool,
    pub(super) pick: Option<&'static Pick>,
}

/// A field that always has a value.
const fn always(name: &'static str, label: &'static str, ty: Type) -> Row {
    Row { name, label, ty, nullable: false, pick: None }
}

/// A field that can be null.
const fn maybe(name: &'static str, label: &'static str, ty: Type) -> Row {
    Row { name, label, ty, nullable: true, pick: None }
}

impl Row {
    const fn of(mut self, pick: &'static Pick) -> Row {
        self.pick = Some(pick);
        self
    }
}

const ID: Row = always("Id", "Id", Text);
const CREATED: Row = always("CreatedDate", "Created date", Timestamp);
const CREATED_BY: Row = maybe("CreatedById", "Created by", Text);
const MODIFIED: Row = always("LastModifiedDate", "Last modified date", Timestamp);
const MODIFIED_BY: Row = maybe("LastModifiedById", "Last modified by", Text);
const STAMP: Row = always("SystemModstamp", "System modstamp", Timestamp);

pub(super) const SESSION: &[Row] = &[
    ID,
    always("Name", "Messaging session", Text),
    always("Status", "Status", Text).of(&picklists::SESSION_STATUS),
    always("MessagingChannelId", "Messaging channel", Text),
    always("MessagingEndUserId", "Messaging user", Text),
    maybe("StartTime", "Start time", Timestamp),
    maybe("AcceptTime", "Accept time", Timestamp),
    maybe("EndTime", "End time", Timestamp),
    maybe("EndedByType", "Ended by", Text).of(&picklists::ENDED_BY),
    maybe("AgentType", "Agent type", Text).of(&picklists::AGENT_TYPE),
    always("Origin", "Origin", Text).of(&picklists::SESSION_ORIGIN),
    maybe("ChannelType", "Channel type", Text).of(&picklists::CHANNEL_TYPE),
    maybe("ChannelName", "Channel name", Text),
    maybe("ChannelKey", "Channel key", Text),
    maybe("ChannelLocale", "Channel locale", Text),
    maybe("EndUserLanguage", "Language", Text),
    maybe("EndUserAccountId", "Account", Text),
    maybe("EndUserContactId", "Contact", Text),
    maybe("CaseId", "Case", Text),
    maybe("LeadId", "Lead", Text),
    maybe("OpportunityId", "Opportunity", Text),
    maybe("ConversationId", "Conversation", Text),
    maybe("SessionKey", "Session key", Text),
    maybe("OwnerId", "Owner", Text),
    maybe("TargetUserId", "Target user", Text),
    CREATED,
    CREATED_BY,
    MODIFIED,
    MODIFIED_BY,
    STAMP,
];

pub(super) const METRICS: &[Row] = &[
    ID,
    always("Name", "Metric number", Text),
    always("MessagingSessionId", "Messaging session", Text),
    always("MessagingSessionMetricType", "Metric", Text).of(&picklists::METRIC_TYPE),
    always("MessagingSessionMetricValue", "Value", Integer),
    CREATED,
    CREATED_BY,
    MODIFIED,
    MODIFIED_BY,
    STAMP,
];

pub(super) const END_USER: &[Row] = &[
    ID,
    maybe("Name", "Messaging user", Text),
    always("MessagingChannelId", "Messaging channel", Text),
    always("MessageType", "Channel type", Text).of(&picklists::MESSAGE_TYPE),
    maybe("MessagingConsentStatus", "Consent", Text).of(&picklists::CONSENT),
    maybe("IsFullyOptedIn", "Fully opted in", Boolean),
    maybe("HasInitialResponseSent", "Initial response sent", Boolean),
    maybe("AccountId", "Account", Text),
    maybe("ContactId", "Contact", Text),
    maybe("LeadId", "Lead", Text),
    maybe("IsoCountryCode", "Country", Text),
    maybe("Language", "Language", Text),
    maybe("OwnerId", "Owner", Text),
    CREATED,
    CREATED_BY,
    MODIFIED,
    MODIFIED_BY,
    STAMP,
];

pub(super) const CHANNEL: &[Row] = &[
    ID,
    always("MasterLabel", "Channel name", Text),
    maybe("DeveloperName", "API name", Text),
    always("MessageType", "Type", Text).of(&picklists::MESSAGE_TYPE),
    maybe("PlatformType", "Platform", Text).of(&picklists::PLATFORM),
    maybe("IsActive", "Active", Boolean),
    maybe("RoutingType", "Routing type", Text).of(&picklists::CHANNEL_ROUTING),
    maybe("TargetQueueId", "Queue", Text),
    CREATED,
    CREATED_BY,
    MODIFIED,
    MODIFIED_BY,
    STAMP,
];

pub(super) const ACCOUNT: &[Row] = &[
    ID,
    always("Name", "Account name", Text),
    maybe("AccountNumber", "Account number", Text),
    maybe("Type", "Type", Text),
    maybe("Industry", "Industry", Text),
    maybe("Rating", "Rating", Text),
    maybe("Ownership", "Ownership", Text),
    maybe("AccountSource", "Account source", Text),
    maybe("Site", "Site", Text),
    maybe("BillingCity", "Billing city", Text),
    maybe("BillingState", "Billing state", Text),
    maybe("BillingCountry", "Billing country", Text),
    maybe("NumberOfEmployees", "Employees", Integer),
    maybe("AnnualRevenue", "Annual revenue", Real),
    maybe("ParentId", "Parent account", Text),
    maybe("OwnerId", "Owner", Text),
    CREATED,
    CREATED_BY,
    MODIFIED,
    MODIFIED_BY,
    STAMP,
];

pub(super) const AGENT_WORK: &[Row] = &[
    ID,
    always("Name", "Agent work", Text),
    always("Status", "Status", Text).of(&picklists::WORK_STATUS),
    maybe("WorkItemId", "Work item", Text),
    maybe("UserId", "User", Text),
    maybe("OwnerId", "Owner", Text),
    maybe("BotId", "Bot", Text),
    maybe("ServiceChannelId", "Service channel", Text),
    maybe("OriginalGroupId", "Original group", Text),
    maybe("PendingServiceRoutingId", "Pending service routing", Text),
    maybe("PreferredUserId", "Preferred user", Text),
    maybe("RequestDateTime", "Requested", Timestamp),
    maybe("AssignedDateTime", "Assigned", Timestamp),
    maybe("AcceptDateTime", "Accepted", Timestamp),
    maybe("CloseDateTime", "Closed", Timestamp),
    maybe("CancelDateTime", "Canceled", Timestamp),
    maybe("DeclineDateTime", "Declined", Timestamp),
    maybe("PushTimeoutDateTime", "Push timed out", Timestamp),
    maybe("SpeedToAnswer", "Speed to answer", Integer),
    maybe("HandleTime", "Handle time", Integer),
    maybe("ActiveTime", "Active time", Integer),
    maybe("AfterConversationActualTime", "After conversation work time", Integer),
    maybe("AcwExtensionCount", "After conversation work extensions", Integer),
    maybe("AcwExtensionDuration", "After conversation work extension", Integer),
    maybe("CapacityModel", "Capacity model", Text).of(&picklists::CAPACITY_MODEL),
    maybe("CapacityPercentage", "Capacity percentage", Real),
    maybe("CapacityWeight", "Capacity weight", Real),
    maybe("RoutingType", "Routing type", Text).of(&picklists::WORK_ROUTING),
    maybe("RoutingModel", "Routing model", Text).of(&picklists::ROUTING_MODEL),
    maybe("RoutingPriority", "Routing priority", Integer),
    maybe("DeclineReason", "Decline reason", Text),
    maybe("PushTimeout", "Push timeout", Integer),
    CREATED,
    CREATED_BY,
    MODIFIED,
    MODIFIED_BY,
    STAMP,
];

pub(super) const ENTRY: &[Row] = &[
    ID,
    always("ConversationId", "Conversation", Text),
    maybe("ActorId", "Actor", Text),
    maybe("ActorType", "Actor type", Text).of(&picklists::ACTOR_TYPE),
    always("EntryTime", "Entry time", Timestamp),
    maybe("EntryEndTime", "Entry end time", Timestamp),
    maybe("EntryTimeMilliSecs", "Entry time, milliseconds", Integer),
    maybe("EntryType", "Entry type", Text).of(&picklists::ENTRY_TYPE),
    maybe("MessageStatus", "Message status", Text).of(&picklists::MESSAGE_STATUS),
    maybe("MessageStatusCode", "Message status code", Text),
    maybe("MessageIdentifier", "Message identifier", Text),
    maybe("HasAttachments", "Has attachments", Boolean),
    maybe("Seq", "Sequence", Integer),
    maybe("ClientTimestamp", "Client timestamp", Timestamp),
    maybe("ClientDuration", "Client duration, milliseconds", Integer),
    maybe("ServerReceivedTimestamp", "Server received", Timestamp),
    CREATED,
    CREATED_BY,
    MODIFIED,
    MODIFIED_BY,
    STAMP,
];

pub(super) const USER: &[Row] = &[
    ID,
    always("Name", "User", Text),
    maybe("IsActive", "Active", Boolean),
    maybe("UserType", "User type", Text),
    maybe("Department", "Department", Text),
    maybe("Division", "Division", Text),
    maybe("Title", "Title", Text),
    maybe("ManagerId", "Manager", Text),
    maybe("ProfileId", "Profile", Text),
    maybe("UserRoleId", "Role", Text),
    maybe("TimeZoneSidKey", "Time zone", Text),
    CREATED,
    CREATED_BY,
    MODIFIED,
    MODIFIED_BY,
    STAMP,
];
