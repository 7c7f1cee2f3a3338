//! How instants and lengths of time are stored: whole milliseconds.

pub(crate) mod instant {
    //! An instant as milliseconds since 1970 UTC.

    use chrono::{DateTime, Utc};
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(at: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(at.timestamp_millis())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<DateTime<Utc>, D::Error> {
        let ms = i64::deserialize(from)?;
        DateTime::from_timestamp_millis(ms)
            .ok_or_else(|| D::Error::custom(format!("`{ms}` ms is not an instant")))
    }
}

pub(crate) mod shared {
    //! What several share, each with its own copy.

    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<T: Serialize, S: Serializer>(
        of: &Arc<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        T::serialize(of, to)
    }

    pub(crate) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Arc<T>, D::Error> {
        T::deserialize(from).map(Arc::new)
    }
}

pub(crate) mod instant_if_any {
    //! An instant or none.

    use chrono::{DateTime, Utc};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Stored(#[serde(with = "super::instant")] DateTime<Utc>);

    pub(crate) fn serialize<S: Serializer>(
        at: &Option<DateTime<Utc>>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        at.map(Stored).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<DateTime<Utc>>, D::Error> {
        Ok(Option::<Stored>::deserialize(from)?.map(|stored| stored.0))
    }
}

pub(crate) mod length {
    //! A length of time in milliseconds.

    use chrono::TimeDelta;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(length: &TimeDelta, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i64(length.num_milliseconds())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<TimeDelta, D::Error> {
        let ms = i64::deserialize(from)?;
        TimeDelta::try_milliseconds(ms)
            .ok_or_else(|| D::Error::custom(format!("`{ms}` ms is too long")))
    }
}

pub(crate) mod length_if_any {
    //! A length of time in milliseconds, or none.

    use chrono::TimeDelta;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Stored(#[serde(with = "super::length")] TimeDelta);

    pub(crate) fn serialize<S: Serializer>(
        length: &Option<TimeDelta>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        length.map(Stored).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<TimeDelta>, D::Error> {
        Ok(Option::<Stored>::deserialize(from)?.map(|stored| stored.0))
    }
}

pub(crate) mod format {
    //! How a value is written, as a short text.

    use serde::{Deserialize, Deserializer, Serializer};

    use super::super::super::report::Format;

    pub(crate) fn serialize<S: Serializer>(format: &Format, to: S) -> Result<S::Ok, S::Error> {
        match format {
            Format::Auto => to.serialize_str("auto"),
            Format::Duration => to.serialize_str("duration"),
            Format::Percent => to.serialize_str("percent"),
            Format::Decimals(places) => to.collect_str(&format_args!("decimals {places}")),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Format, D::Error> {
        let text = String::deserialize(from)?;
        Ok(match text.as_str() {
            "duration" => Format::Duration,
            "percent" => Format::Percent,
            other => other
                .strip_prefix("decimals ")
                .and_then(|places| places.parse().ok())
                // A format of a newer version: the plain one still shows the value.
                .map_or(Format::Auto, Format::Decimals),
        })
    }
}

pub(crate) mod format_if_any {
    //! How a value is written, or none.

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::super::super::report::Format;

    #[derive(Serialize, Deserialize)]
    struct Stored(#[serde(with = "super::format")] Format);

    pub(crate) fn serialize<S: Serializer>(
        format: &Option<Format>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        format.map(Stored).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Format>, D::Error> {
        Ok(Option::<Stored>::deserialize(from)?.map(|stored| stored.0))
    }
}
