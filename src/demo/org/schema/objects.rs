//! The objects, one line a field: name, kind, property letters, then picklist values (with
//! `=label`, underscores for spaces) or targets and the name of the relation, then the version.

/// Fields every object has, first and in this order.
pub(super) const SYSTEM: &str = "
Id                id         DFGS
IsDeleted         boolean    DFGS
CreatedById       reference  DFGS  User CreatedBy
CreatedDate       datetime   DFS
LastModifiedById  reference  DFGS  User LastModifiedBy
LastModifiedDate  datetime   DFS
SystemModstamp    datetime   DFS
";

/// All objects: a head (name, prefix, first version, replication, label) and the fields.
pub(super) const DEFINITIONS: &[&str] = &[
    SESSION,
    METRICS,
    END_USER,
    CHANNEL,
    ACCOUNT,
    AGENT_WORK,
    ENTRY,
    USER,
    GROUP,
    SERVICE_CHANNEL,
    CONTACT,
    CASE,
    PROFILE,
    USER_ROLE,
];

const SESSION: &str = "MessagingSession 0Mw v47 replicates Messaging Session
AcceptTime            datetime     CFNSU
AgentMessageCount     int          N
EndUserMessageCount   int          N
AgentType             picklist     CDFGNSR  Agent Bot BotToAgent=Bot_&_Agent System
CampaignId            reference    CFGNSU   Campaign v66
CaseId                reference    CFGNSU   Case Case
LeadId                reference    CFGNSU   Lead
OpportunityId         reference    CFGNSU   Opportunity
ChannelEndUserFormula string(50)   FGNS
ChannelGroup          string(255)  CFGNSU
ChannelIntent         string(255)  CFGNSU
ChannelKey            string(150)  FGNS
ChannelLocale         string(255)  CFGNSU
ChannelName           string(80)   FGNS
ChannelType           picklist     FGNSR    Alexa AppleBusinessChat=Apple_Messages_for_Business EmbeddedMessaging=Enhanced_Chat Facebook=Facebook_Messenger GoogleHome=Google_Home Line=LINE Omega Phone Text=Text_Message Voice WeChat WebChat WhatsApp
ConversationId        reference    CFGNS    Conversation v55
EndedByType           picklist     CFGNSR   Agent Bot EndUser=End_User System
StartTime             datetime     CFNS
EndTime               datetime     CFNS
EndUserAccountId      reference    FGNS     Account EndUserAccount
EndUserContactId      reference    FGNS     Contact EndUserContact
EndUserLanguage       picklist     CFGNSUR  en_US=English de=German fr=French ja=Japanese
LastReferencedDate    datetime     FNS
LastViewedDate        datetime     FNS
MessagingChannelId    reference    CFGS     MessagingChannel MessagingChannel
MessagingEndUserId    reference    CFGS     MessagingEndUser MessagingEndUser
Name                  string(255)  ADFS
Origin                picklist     CDFGSR   InboundInitiated=Inbound_Initiated AgentInitiated=Agent_Initiated ConversationClose ConversationControlLost Help OptIn OptOut TriggeredOutbound=Triggered_Outbound
OwnerId               reference    CDFGSU   Group,User Owner
PreviewDetails        string(255)  N
SessionKey            string(36)   CFGNS
Status                picklist     CFGSR    New Active Consent Waiting Paused Inactive Ended Error
TargetUserId          reference    CFGNSU   User TargetUser
Priority__c           picklist     CFGNSU   Low Normal High
Order_Value__c        currency     CFGNSU
Is_Vip__c             boolean      CDFGSU
Topic__c              string(80)   CFGNSU
";

const METRICS: &str = "MessagingSessionMetrics 0ac v62 replicates Messaging Session Metrics
MessagingSessionId          reference    CFGS   MessagingSession MessagingSession
MessagingSessionMetricType  picklist     CFGSR  AgentMessageCount=Agent_Message_Count EndUserMessageCount=End_User_Message_Count AverageAgentResponseTime=Average_Agent_Response_Time AverageEndUserResponseTime=Average_End_User_Response_Time MaxAgentResponseTime=Max_Agent_Response_Time MaxEndUserResponseTime=Max_End_User_Response_Time ServiceRepFirstResponseTime=Service_Rep_First_Response_Time
MessagingSessionMetricValue int          CFGS
Name                        string(255)  ADFS
";

const END_USER: &str = "MessagingEndUser 0PA v40 replicates Messaging User
AccountId              reference    CFGNSU  Account Account v43
ContactId              reference    CFGNSU  Contact Contact v43
LeadId                 reference    CFGNSU  Lead v57
MessagingChannelId     reference    CFGS    MessagingChannel MessagingChannel
MessageType            picklist     CFGSR   AppleBusinessChat=Apple_Messages_for_Business Custom=Bring_Your_Own_Channel EmbeddedMessaging=Enhanced_Chat Facebook=Facebook_Messenger Line=LINE Phone Text=Text_Message Voice WhatsApp
MessagingConsentStatus picklist     CFGNSUR DoublyOptedIn=Double_Opt-In ExplicitlyOptedIn=Explicit_Opt-In ImplicitlyOptedIn=Implicit_Opt-In OptedOut=Opted_Out
IsFullyOptedIn         boolean      FS
HasInitialResponseSent boolean      CDFGSU
MessagingPlatformKey   string(255)  CFGS
Name                   string(255)  CFGSU
IsoCountryCode         string(2)    CFGNSU
Language               picklist     CFGNSUR en_US=English de=German fr=French ja=Japanese
Locale                 string(255)  CFGNSU
OwnerId                reference    CDFGSU  Group,User Owner
ProfilePictureUrl      string(255)  CFGNSU
";

const CHANNEL: &str = "MessagingChannel 0Mj v40 reads Messaging Channel
MasterLabel              string(80)   CFGSU
DeveloperName            string(80)   CFGSU
MessageType              picklist     CFGSR   AppleBusinessChat=Apple_Messages_for_Business Custom=Bring_Your_Own_Channel EmbeddedMessaging=Enhanced_Chat Facebook=Facebook_Messenger Line=LINE Phone PSTNVoice Text=Text_Message Voice WhatsApp
PlatformType             picklist     FGNSR   Standard Enhanced
IsActive                 boolean      CDFGSU
MessagingPlatformKey     string(150)  CFGS
ChannelAddressIdentifier string(255)  CFGNSU  v59
TargetQueueId            reference    CFGNSU  Group TargetQueue
RoutingType              picklist     CFGNSUR OmniQueue=Omni-Queue OmniSkills=Omni-Skills
";

const ACCOUNT: &str = "Account 001 v20 replicates Account
Name          string(255)  CFGSU
AccountNumber string(40)   CFGNSU
Type          picklist     CFGNSU  Prospect Customer Partner Other
Industry      picklist     CFGNSU  Retail Banking Energy Education Logistics Other
BillingAddress address     N
BillingCity   string(40)   CFGNSU
BillingState  string(80)   CFGNSU
BillingCountry string(80)  CFGNSU
NumberOfEmployees int      CFGNSU
AnnualRevenue currency     CFGNSU
AccountSource picklist     CFGNSU  Web Referral=Partner_Referral Fair=Trade_Fair Other
Ownership     picklist     CFGNSU  Public Private Subsidiary Other
Rating        picklist     CFGNSU  Hot Warm Cold
Site          string(80)   CFGNSU
Description   textarea(32000) CNU
OwnerId       reference    CDFGSU  User Owner
ParentId      reference    CFGNSU  Account Parent
";

const AGENT_WORK: &str = "AgentWork 0Bz v32 replicates Agent Work
Name                        string(255) ADFS
Status                      picklist  FGSR   Assigned Opened Closed Canceled Declined DeclinedOnPushTimeout=Declined_on_Push_Timeout Transferred Unavailable
WorkItemId                  reference CFGS   Case,MessagingSession,VoiceCall,LiveChatTranscript,Lead WorkItem
UserId                      reference CFGS   User User
OwnerId                     reference DFGS   Group,User Owner
ServiceChannelId            reference CFGS   ServiceChannel ServiceChannel
OriginalGroupId             reference FGNS   Group OriginalGroup
PendingServiceRoutingId     reference FGNS   PendingServiceRouting
PreferredUserId             reference FGNS   User PreferredUser
TransferRequesterId         reference FGNSU  User TransferRequester v63
RequestDateTime             datetime  FNS
AssignedDateTime            datetime  FNS
AcceptDateTime              datetime  FNS
CloseDateTime               datetime  FNS
CancelDateTime              datetime  FNS
DeclineDateTime             datetime  FNS
PushTimeoutDateTime         datetime  FNS
SpeedToAnswer               int       FGNS
HandleTime                  int       FGNS
ActiveTime                  int       FGNS
AfterConversationActualTime int       FGNS   v52
AcwExtensionCount           int       FGNS   v55
AcwExtensionDuration        int       FGNS   v55
BotId                       reference FGNS   BotDefinition v52
BotType                     picklist  FGNSR  Bot ExternalCopilot v63
CapacityModel               picklist  FGNSR  StatusBased TabBased
CapacityPercentage          int       FGNS
CapacityWeight              int       FGNS
RoutingType                 picklist  FGNSR  QueueBased SkillsBased
RoutingModel                picklist  FGNSR  ExternalRouting LeastActive MostAvailable
RoutingPriority             int       FGNS
DeclineReason               string(200) FGNS
PushTimeout                 int       FGNS
";

const ENTRY: &str = "ConversationEntry 0Xe v43 reads Conversation Entry
ActorId                  reference   CFGNS   User,MessagingEndUser,BotDefinition Actor
ActorName                string(650) CFNS
ActorType                picklist    CFGSR   Agent Bot EndUser=End_User Supervisor System
ClientDuration           int         CFGNS
ClientTimestamp          datetime    CFNS
ConversationId           reference   CFGS    MessagingSession,VoiceCall Conversation
EntryTime                datetime    CFS
EntryEndTime             datetime    CFNS
EntryTimeMilliSecs       int         CFGNS
EntryType                picklist    CFGSR   Text AdminOptedIn AdminOptedOut BotEscalated ChatbotClosedIdleSession ChatbotEndedChatByAction ChatbotEndedTransferNotConfigured ChatbotEstablished ChatbotNotEstablished EndUserOptedIn EndUserOptedOut
HasAttachments           boolean     CDFGS
Message                  textarea(131072) CN
MessageIdentifier        string(36)  CFGNS
MessageStatus            picklist    FGNSR   Delivered Error Pending Read Sent
MessageStatusCode        string(25)  CFGNSU
MessageDeliverTime       datetime    FNS
MessageReadTime          datetime    FNS
MessageSendTime          datetime    FNS
Seq                      int         CFGNS
ServerReceivedTimestamp  datetime    CFNS
";

const USER: &str = "User 005 v20 replicates User
Name      string(121) FGS
FirstName string(40)  CFGNSU
LastName  string(80)  CFGSU
Username  string(80)  CFGSU
Email     string(128) CFGSU
Alias     string(8)   CFGSU
Title     string(80)  CFGNSU
IsActive  boolean     CDFGSU
UserType  picklist    FGNSR Standard AutomatedProcess=Automated_Process
Department string(80) CFGNSU
Division  string(80)  CFGNSU
ManagerId reference   CFGNSU User Manager
ProfileId reference   CFGNSU Profile Profile
UserRoleId reference  CFGNSU UserRole UserRole
TimeZoneSidKey picklist CDFGSUR Europe/Berlin=(GMT+01:00)_Central_European_Time_(Europe/Berlin) America/Los_Angeles=(GMT-08:00)_Pacific_Time_(America/Los_Angeles) Asia/Tokyo=(GMT+09:00)_Japan_Standard_Time_(Asia/Tokyo) GMT=(GMT+00:00)_Greenwich_Mean_Time_(GMT)
";

const GROUP: &str = "Group 00G v20 replicates Group
Name          string(40) CFGSU
DeveloperName string(80) CFGNSU
Type          picklist   CFGSR Regular Queue
";

const SERVICE_CHANNEL: &str = "ServiceChannel 0N9 v32 reads Service Channel
MasterLabel   string(80) CFGSU
DeveloperName string(80) CFGSU
";

const CONTACT: &str = "Contact 003 v20 replicates Contact
Name      string(121) FGS
FirstName string(40)  CFGNSU
LastName  string(80)  CFGSU
AccountId reference   CFGNSU Account Account
";

const CASE: &str = "Case 500 v20 replicates Case
CaseNumber  string(30)      ADFS
Subject     string(255)     CFNSU
Status      picklist        CDFGSU  New Working Escalated Closed
Priority    picklist        CDFGSU  Medium High Low
Origin      picklist        CFGNSU  Email Phone Web Messaging
OwnerId     reference       CDFGSU  Group,User Owner
AccountId   reference       CFGNSU  Account Account
ContactId   reference       CFGNSU  Contact Contact
IsClosed    boolean         DFGS
ClosedDate  datetime        FNS
Due__c      date            CFGNSU
Description textarea(32000) CNU
";

const PROFILE: &str = "Profile 00e v20 replicates Profile
Name string(255) CFGSU
";

const USER_ROLE: &str = "UserRole 00E v20 replicates Role
Name          string(80) CFGSU
DeveloperName string(80) CFGNSU
";
