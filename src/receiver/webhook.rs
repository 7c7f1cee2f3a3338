//! Webhooks: one signed POST by the Standard Webhooks rules.

use secrecy::SecretString;

/// One webhook endpoint.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// The receiver's name in `[receivers]`.
    pub name: String,
    /// The endpoint; an address can hold a token, so it is a secret.
    pub url: SecretString,
    /// Signing secrets (`whsec_...`), the current one first; none: unsigned.
    pub secrets: Vec<SecretString>,
}
