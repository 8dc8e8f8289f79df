//! Reads the fields of a JSON answer that may lack them, or have them with another type or form.
//!
//! Nothing is kept but what is asked for: a tree of JSON values takes up to 150 times the size of the answer. A value is
//! read by a [`Lenient`], which says what it makes of each JSON type; what it says nothing of is skipped and counts as
//! absent. [`super::wire`] and [`super::clusters`] know which fields there are.

use std::{fmt, marker::PhantomData, sync::Once};

use jiff::Timestamp;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{text::clean, time::parse_go_time};

/// What is made of a JSON value, by its type. The default for each type: skipped, and as if absent.
pub(crate) trait Lenient<'de>: Sized {
    /// What it makes; the default stands for an absent value.
    type Out: Default;

    /// Of a string.
    fn text(self, _: &str) -> Self::Out {
        Self::Out::default()
    }

    /// Of a number, in its decimal form.
    fn number(self, _: impl fmt::Display) -> Self::Out {
        Self::Out::default()
    }

    /// Of true or false.
    fn boolean(self, _: bool) -> Self::Out {
        Self::Out::default()
    }

    /// Of null.
    fn null(self) -> Self::Out {
        Self::Out::default()
    }

    /// Of an array. It must be read to its end.
    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Out, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::Out::default())
    }

    /// Of an object. It must be read to its end.
    fn object<A: MapAccess<'de>>(self, mut object: Fields<A>) -> Result<Self::Out, A::Error> {
        while object.key()?.is_some() {
            object.skip()?;
        }
        Ok(Self::Out::default())
    }
}

/// The fields of an object, one after the other. Of two with one name the later one counts, if the reader assigns.
pub(crate) struct Fields<A>(A);

impl<'de, A: MapAccess<'de>> Fields<A> {
    /// The name of the next field, whose value must be read or skipped then.
    pub fn key(&mut self) -> Result<Option<String>, A::Error> {
        self.0.next_key()
    }

    /// The value.
    pub fn read<L: Lenient<'de>>(&mut self, lenient: L) -> Result<L::Out, A::Error> {
        self.0.next_value_seed(Read(lenient))
    }

    /// Passes over the value.
    pub fn skip(&mut self) -> Result<(), A::Error> {
        self.0.next_value::<IgnoredAny>().map(drop)
    }
}

/// Makes a [`Lenient`] known to serde.
pub(crate) struct Read<L>(pub L);

impl<'de, L: Lenient<'de>> DeserializeSeed<'de> for Read<L> {
    type Value = L::Out;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<L::Out, D::Error> {
        deserializer.deserialize_any(Any(self.0, PhantomData))
    }
}

struct Any<'de, L>(L, PhantomData<&'de ()>);

impl<'de, L: Lenient<'de>> Visitor<'de> for Any<'de, L> {
    type Value = L::Out;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<L::Out, E> {
        Ok(self.0.text(text))
    }

    fn visit_u64<E>(self, number: u64) -> Result<L::Out, E> {
        Ok(self.0.number(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<L::Out, E> {
        Ok(self.0.number(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<L::Out, E> {
        Ok(self.0.number(number))
    }

    fn visit_bool<E>(self, boolean: bool) -> Result<L::Out, E> {
        Ok(self.0.boolean(boolean))
    }

    fn visit_unit<E>(self) -> Result<L::Out, E> {
        Ok(self.0.null())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<L::Out, A::Error> {
        self.0.list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<L::Out, A::Error> {
        self.0.object(Fields(object))
    }
}

/// A reader of objects, as a table: the field, where it goes, and how it is read. Anything but an object makes `None`.
macro_rules! reader {
    ($(#[$doc:meta])* $vis:vis $reader:ident makes $out:ident { $($key:literal => $field:ident: $how:expr,)* }) => {
        $(#[$doc])*
        $vis struct $reader;

        impl<'de> $crate::cloud::field::Lenient<'de> for $reader {
            type Out = Option<$out>;

            fn object<A: serde::de::MapAccess<'de>>(
                self,
                mut object: $crate::cloud::field::Fields<A>,
            ) -> Result<Self::Out, A::Error> {
                let mut out = $out::default();
                while let Some(key) = object.key()? {
                    match key.as_str() {
                        $($key => out.$field = object.read($how)?,)*
                        _ => object.skip()?,
                    }
                }
                Ok(Some(out))
            }
        }
    };
}
pub(super) use reader;

/// Reads a JSON text. Nothing may follow the value.
pub(super) fn read<'de, L: Lenient<'de>>(json: &'de [u8], lenient: L) -> serde_json::Result<L::Out> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let out = Read(lenient).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(out)
}

/// A string that is not empty, cleaned and cut to so many characters.
pub(super) struct Word(pub usize);

impl Lenient<'_> for Word {
    type Out = Option<String>;

    fn text(self, text: &str) -> Option<String> {
        (!text.is_empty()).then(|| {
            let mut word = clean(text, self.0);
            word.shrink_to_fit();
            word
        })
    }
}

/// A string that is not empty, cleaned, or nothing where it has more than so many characters.
pub(super) struct ShortWord(pub usize);

impl Lenient<'_> for ShortWord {
    type Out = Option<String>;

    fn text(self, text: &str) -> Option<String> {
        let is_short = text.chars().take(self.0 + 1).count() <= self.0;
        is_short.then(|| Word(self.0).text(text)).flatten()
    }
}

/// Whether it is a string that this is true of.
pub(super) struct Is(pub fn(&str) -> bool);

impl Lenient<'_> for Is {
    type Out = bool;

    fn text(self, text: &str) -> bool {
        self.0(text)
    }
}

/// Whether it is `true`.
pub(super) struct IsTrue;

impl Lenient<'_> for IsTrue {
    type Out = bool;

    fn boolean(self, boolean: bool) -> bool {
        boolean
    }
}

/// The time in the field of this name, as the API prints it. Only the first unreadable one is logged: one form of time is
/// used everywhere, so all others would be unreadable too.
pub(super) struct Time(pub &'static str);

impl Lenient<'_> for Time {
    type Out = Option<Timestamp>;

    fn text(self, text: &str) -> Option<Timestamp> {
        static LOGGED: Once = Once::new();
        let time = parse_go_time(text);
        if time.is_none() && !text.is_empty() && !text.starts_with("0001-01-01") {
            LOGGED.call_once(|| {
                tracing::warn!(
                    field = self.0,
                    text = clean(text, 64),
                    "the cloud sent a time in an unknown form; it counts as absent, and so will others, without a line in the log"
                );
            });
        }
        time
    }
}

/// Whole percent from a number or a string: white space and one trailing `%` allowed, decimals cut, nothing outside
/// 0 to 100.
pub(super) struct Progress;

impl Lenient<'_> for Progress {
    type Out = Option<u8>;

    fn text(self, text: &str) -> Option<u8> {
        let text = text.trim();
        let text = text.strip_suffix('%').map_or(text, str::trim_end);
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        // A sign is not a digit, so -0.5 is refused here, although it would be cut to 0.
        (digits(whole) && digits(decimals)).then(|| whole.parse().ok())?.filter(|percent| *percent <= 100)
    }

    fn number(self, number: impl fmt::Display) -> Option<u8> {
        self.text(&number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn progress_is_a_whole_percentage_or_absent() {
        for (value, percent) in [
            (json!("67"), Some(67)),
            (json!(67), Some(67)),
            (json!(67.9), Some(67)),
            (json!("67.9"), Some(67)),
            (json!("67%"), Some(67)),
            (json!(" 67 % "), Some(67)),
            (json!("0"), Some(0)),
            (json!("007"), Some(7)),
            (json!(100), Some(100)),
            (json!("100.0"), Some(100)),
            (json!(-1), None),
            (json!("-0.5"), None),
            (json!(-0.5), None),
            (json!(101), None),
            (json!("256"), None),
            (json!(1e300), None),
            (json!("NaN"), None),
            (json!("67%%"), None),
            (json!("%"), None),
            (json!(""), None),
            (json!("6 7"), None),
            (json!("+6"), None),
            (json!("6."), None),
            (json!("٦"), None),
            (json!(null), None),
            (json!([67]), None),
            (json!(true), None),
        ] {
            assert_eq!(read(value.to_string().as_bytes(), Progress).unwrap(), percent, "{value}");
        }
    }
}
