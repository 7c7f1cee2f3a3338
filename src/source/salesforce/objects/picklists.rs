//! What the picklist fields of the built-in objects can hold, with the words people know.

/// A picklist as written here.
#[derive(Clone, Copy)]
pub(super) struct Pick {
    /// Value and label.
    pub(super) values: &'static [(&'static str, &'static str)],
    /// Whether Salesforce adds values from release to release.
    pub(super) open: bool,
    /// Values people try, and what to do instead.
    pub(super) mistaken: &'static [(&'static str, &'static str)],
}

const fn closed(values: &'static [(&'static str, &'static str)]) -> Pick {
    Pick { values, open: false, mistaken: &[] }
}

pub(super) const SESSION_STATUS: Pick = Pick {
    values: &[
        ("New", "New"),
        ("Active", "Active"),
        ("Consent", "Consent"),
        ("Waiting", "Waiting"),
        ("Paused", "Paused"),
        ("Inactive", "Inactive"),
        ("Ended", "Ended"),
        ("Error", "Error"),
    ],
    open: false,
    mistaken: &[
        ("Closed", "a finished session is 'Ended'"),
        ("Completed", "a finished session is 'Ended'"),
        ("Open", "a session in progress is 'Active', 'Waiting' or 'Inactive'"),
    ],
};

pub(super) const AGENT_TYPE: Pick = closed(&[
    ("Agent", "Agent"),
    ("Bot", "Bot"),
    ("BotToAgent", "Bot & Agent"),
    ("System", "System"),
]);

pub(super) const ENDED_BY: Pick =
    closed(&[("Agent", "Agent"), ("Bot", "Bot"), ("EndUser", "End user"), ("System", "System")]);

pub(super) const SESSION_ORIGIN: Pick = closed(&[
    ("AgentInitiated", "Agent initiated"),
    ("ConversationClose", "Conversation close"),
    ("ConversationControlLost", "Conversation control lost"),
    ("Help", "Help"),
    ("InboundInitiated", "Inbound initiated"),
    ("OptIn", "Opt in"),
    ("OptOut", "Opt out"),
    ("TriggeredOutbound", "Triggered outbound"),
]);

/// Not the list of [`MESSAGE_TYPE`]: a channel of one's own has no entry here.
pub(super) const CHANNEL_TYPE: Pick = Pick {
    values: &[
        ("Alexa", "Alexa"),
        ("AppleBusinessChat", "Apple Messages for Business"),
        ("EmbeddedMessaging", "Enhanced Chat"),
        ("Facebook", "Facebook Messenger"),
        ("GoogleHome", "Google Home"),
        ("Line", "LINE"),
        ("Omega", "Omega"),
        ("Phone", "Phone"),
        ("Text", "SMS"),
        ("Voice", "Voice"),
        ("WeChat", "WeChat"),
        ("WebChat", "Chat"),
        ("WhatsApp", "WhatsApp"),
    ],
    open: false,
    mistaken: &[
        ("Custom", "a channel of one's own shows in `MessagingChannel.MessageType` alone"),
        ("SMS", "SMS is 'Text'"),
    ],
};

pub(super) const MESSAGE_TYPE: Pick = Pick {
    values: &[
        ("AppleBusinessChat", "Apple Messages for Business"),
        ("Custom", "Bring Your Own Channel"),
        ("Email", "Email"),
        ("EmbeddedMessaging", "Enhanced Chat"),
        ("Facebook", "Facebook Messenger"),
        ("Line", "LINE"),
        ("Phone", "Phone"),
        ("PSTNVoice", "Phone (PSTN)"),
        ("Text", "SMS"),
        ("Voice", "Voice"),
        ("WhatsApp", "WhatsApp"),
    ],
    open: false,
    mistaken: &[
        ("SMS", "SMS is 'Text'"),
        ("Enhanced Chat", "Enhanced Chat is 'EmbeddedMessaging'"),
        ("Bring Your Own Channel", "a channel of one's own is 'Custom'"),
    ],
};

pub(super) const PLATFORM: Pick = closed(&[("Standard", "Standard"), ("Enhanced", "Enhanced")]);

pub(super) const CHANNEL_ROUTING: Pick =
    closed(&[("OmniQueue", "Omni-Channel queue"), ("OmniSkills", "Omni-Channel skills")]);

pub(super) const METRIC_TYPE: Pick = Pick {
    values: &[
        ("AgentMessageCount", "Messages by agents"),
        ("EndUserMessageCount", "Messages by end users"),
        ("AverageAgentResponseTime", "Average agent response time"),
        ("AverageEndUserResponseTime", "Average end user response time"),
        ("MaxAgentResponseTime", "Longest agent response time"),
        ("MaxEndUserResponseTime", "Longest end user response time"),
        ("ServiceRepFirstResponseTime", "First response time of service reps"),
        ("ServiceRepAcceptToFirstResponseTime", "Acceptance to first response of service reps"),
    ],
    open: true,
    mistaken: &[
        ("MaximumAgentResponseTime", "it is called 'MaxAgentResponseTime'"),
        ("AvgAgentResponseTime", "it is called 'AverageAgentResponseTime'"),
    ],
};

pub(super) const CONSENT: Pick = closed(&[
    ("DoublyOptedIn", "Double opted in"),
    ("ExplicitlyOptedIn", "Explicitly opted in"),
    ("ImplicitlyOptedIn", "Implicitly opted in"),
    ("OptedOut", "Opted out"),
]);

pub(super) const WORK_STATUS: Pick = Pick {
    values: &[
        ("Assigned", "Assigned"),
        ("Opened", "Opened"),
        ("Closed", "Closed"),
        ("Canceled", "Canceled"),
        ("Declined", "Declined"),
        ("DeclinedOnPushTimeout", "Declined on push timeout"),
        ("Transferred", "Transferred"),
        ("Unavailable", "Unavailable"),
    ],
    open: false,
    mistaken: &[
        ("Ended", "finished work is 'Closed'; sessions are 'Ended'"),
        ("Cancelled", "it is spelled 'Canceled'"),
    ],
};

pub(super) const CAPACITY_MODEL: Pick =
    closed(&[("StatusBased", "Status-based"), ("TabBased", "Tab-based")]);

pub(super) const WORK_ROUTING: Pick =
    closed(&[("QueueBased", "Queue-based"), ("SkillsBased", "Skills-based")]);

pub(super) const ROUTING_MODEL: Pick = closed(&[
    ("ExternalRouting", "External routing"),
    ("LeastActive", "Least active"),
    ("MostAvailable", "Most available"),
]);

pub(super) const ACTOR_TYPE: Pick = closed(&[
    ("Agent", "Agent"),
    ("Bot", "Bot"),
    ("EndUser", "End user"),
    ("Supervisor", "Supervisor"),
    ("System", "System"),
]);

pub(super) const ENTRY_TYPE: Pick = closed(&[
    ("Text", "Text"),
    ("AdminOptedIn", "Opted in by an admin"),
    ("AdminOptedOut", "Opted out by an admin"),
    ("BotEscalated", "Bot escalated"),
    ("ChatbotClosedIdleSession", "Bot closed an idle session"),
    ("ChatbotEndedChatByAction", "Bot ended the chat"),
    ("ChatbotEndedTransferNotConfigured", "Bot ended: transfer not configured"),
    ("ChatbotEstablished", "Bot established"),
    ("ChatbotNotEstablished", "Bot not established"),
    ("EndUserOptedIn", "End user opted in"),
    ("EndUserOptedOut", "End user opted out"),
]);

pub(super) const MESSAGE_STATUS: Pick = closed(&[
    ("Delivered", "Delivered"),
    ("Error", "Error"),
    ("Pending", "Pending"),
    ("Read", "Read"),
    ("Sent", "Sent"),
]);
