//! A body of the user's own: a template that is given postrider's payload and makes JSON of it.

use std::fmt;

use minijinja::Value;

use super::super::Rendered;
use super::super::template::{LOOPS, Limits, fill_json};

const LIMITS: Limits = Limits {
    noun: "a body",
    template_max: OwnBody::BYTES_MAX,
    fuel: 200_000,
    output_max: 500_000,
    statements: LOOPS,
    html: false,
};

/// A payload as a template sees it while the config is read.
const SAMPLE: &str = include_str!("sample.json");

/// A template that makes a body. Tried when it is made.
pub struct OwnBody {
    template: String,
}

impl fmt::Debug for OwnBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // It could hold what somebody should have kept elsewhere.
        write!(f, "OwnBody({} bytes, {:x})", self.template.len(), fingerprint(&self.template))
    }
}

impl OwnBody {
    /// The largest template, in bytes.
    pub const BYTES_MAX: usize = 100_000;

    /// A template that makes a body of a sample: one incident that fires, and its end.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn new(template: String) -> Result<OwnBody, String> {
        let own = OwnBody { template };
        let samples: Vec<serde_json::Value> =
            serde_json::from_str(SAMPLE).expect("the sample is a list of payloads");
        for sample in samples {
            let kind = sample["type"].as_str().unwrap_or_default().to_owned();
            let subject = sample["data"]["subject"].as_str().unwrap_or_default().to_owned();
            let text = sample["data"]["text"].as_str().unwrap_or_default().to_owned();
            own.fill(sample, &subject, &text).map_err(|why| format!("{why} (for `{kind}`)"))?;
        }
        Ok(own)
    }

    /// The body; where the template fails, the payload itself with why it failed.
    pub(super) fn body(&self, payload: &[u8], rendered: &Rendered) -> Vec<u8> {
        let Ok(mut words) = serde_json::from_slice::<serde_json::Value>(payload) else {
            return payload.to_vec();
        };
        match self.fill(words.clone(), &rendered.subject, &rendered.text) {
            Ok(body) => body.into_bytes(),
            Err(why) => {
                words["template_error"] = why.into();
                words.to_string().into_bytes()
            }
        }
    }

    fn fill(&self, words: serde_json::Value, subject: &str, text: &str) -> Result<String, String> {
        let serde_json::Value::Object(mut words) = words else {
            return Err("there is nothing to write".to_owned());
        };
        words.insert("subject".to_owned(), subject.into());
        words.insert("text".to_owned(), text.into());
        let words = Value::from(minijinja::value::Serde(words));
        let body = fill_json(&self.template, words, &LIMITS).map_err(|failure| failure.message)?;
        match serde_json::from_str::<serde::de::IgnoredAny>(&body) {
            Ok(_) => Ok(body),
            Err(err) => Err(format!("what it makes is not JSON: {err}")),
        }
    }
}

/// Tells one template from another.
fn fingerprint(text: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
