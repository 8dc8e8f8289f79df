//! Decodes a List of the API: an object with `items`, each of which is read as it comes.
//!
//! Every field may be absent or of any JSON type. A field of the wrong type is left out, and the rest is used. Only an
//! answer without a list is an error, because taking it for an empty list would report that there is nothing. What an
//! item holds besides its metadata is left to the caller. Pure. With the body itself, decoding takes at most four times its size.

use jiff::Timestamp;
use serde::de::{DeserializeSeed, MapAccess};
use serde_json::de;

use super::{
    bound::bound,
    field::{Fields, Is, Lenient, Read, ShortWord, Time, reader},
};

/// An answer that is no list. No message repeats any of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// Not JSON, or no object, or nested too deeply, or not UTF-8.
    #[error("the answer is no JSON object")]
    NotJson,
    /// An error code where there should be a list.
    #[error("the answer is an error in the shape of a success")]
    ErrorBody,
    /// `items` neither an array nor null, or absent from something that is no List.
    #[error("the answer holds no list")]
    NoList,
    /// A cluster that no watch could name.
    #[error("the answer lists a cluster without a usable id")]
    NoId,
    /// More entries than any list of its size has: each of them is next to empty.
    #[error("the answer lists too many empty entries")]
    TooMany,
}

/// A list, and what the answer says besides.
pub(super) struct List<I> {
    pub items: I,
    pub latest_backup_time: Option<Timestamp>,
}

/// Decodes the body of a 200. Strings in it that are far too long to be used lose their tail. `Items` makes nothing of
/// what is neither an array nor null.
pub(super) fn decode<'de, L, I>(body: &'de mut [u8], items: L) -> Result<List<I>, ListError>
where
    L: Lenient<'de, Out = Option<I>>,
    I: Default,
{
    bounded(body)?;
    decode_from(serde_json::Deserializer::from_slice(body), items)
}

/// Checks and bounds a body. The decoder does not look into what it skips.
pub(super) fn bounded(body: &mut [u8]) -> Result<(), ListError> {
    if std::str::from_utf8(body).is_err() || bound(body).is_err() {
        return Err(ListError::NotJson);
    }
    Ok(())
}

/// Decodes a bounded body.
pub(super) fn decode_from<'de, R, L, I>(
    mut json: serde_json::Deserializer<R>,
    items: L,
) -> Result<List<I>, ListError>
where
    R: de::Read<'de>,
    L: Lenient<'de, Out = Option<I>>,
    I: Default,
{
    let read = Read(RawReader(items)).deserialize(&mut json).and_then(|raw| json.end().map(|()| raw));
    let Raw { is_error, is_list, items, latest_backup_time } =
        read.map_err(|_| ListError::NotJson)?.ok_or(ListError::NotJson)?;
    if is_error {
        return Err(ListError::ErrorBody);
    }
    let items = match items {
        Items::List(items) => items,
        Items::Absent if is_list => I::default(),
        Items::Absent | Items::NoList => return Err(ListError::NoList),
    };
    Ok(List { items, latest_backup_time })
}

/// What the member `items` is.
enum Items<I> {
    Absent,
    NoList,
    List(I),
}

struct Raw<I> {
    is_error: bool,
    is_list: bool,
    items: Items<I>,
    latest_backup_time: Option<Timestamp>,
}

struct RawReader<L>(L);

impl<'de, L, I> Lenient<'de> for RawReader<L>
where
    L: Lenient<'de, Out = Option<I>>,
{
    type Out = Option<Raw<I>>;

    fn object<A: MapAccess<'de>>(self, mut object: Fields<A>) -> Result<Self::Out, A::Error> {
        let mut reader = Some(self.0);
        let mut raw = Raw { is_error: false, is_list: false, items: Items::Absent, latest_backup_time: None };
        while let Some(key) = object.key()? {
            match key.as_str() {
                "errorCode" | "error_code" => raw.is_error |= object.read(Is(|code| !code.is_empty()))?,
                "kind" => raw.is_list = object.read(Is(|kind| kind == "List"))?,
                "items" => match reader.take() {
                    Some(reader) => raw.items = object.read(reader)?.map_or(Items::NoList, Items::List),
                    // Which of two lists counts is anybody's guess.
                    None => return Err(serde::de::Error::duplicate_field("items")),
                },
                "status" => {
                    raw.latest_backup_time =
                        object.read(StatusReader)?.and_then(|status| status.latest_backup_time);
                }
                _ => object.skip()?,
            }
        }
        Ok(Some(raw))
    }
}

#[derive(Default)]
struct Status {
    latest_backup_time: Option<Timestamp>,
}

reader! {
    StatusReader makes Status {
        "latestBackupTime" => latest_backup_time: Time("latestBackupTime"),
    }
}

/// The longest id of an entry, in characters; an entry with a longer one has none that can be used.
pub(super) const MAX_UID: usize = 128;

/// What every entry of a list has: its id, and when it was made and last changed.
#[derive(Default)]
pub(super) struct Metadata {
    pub uid: Option<String>,
    pub creation_time: Option<Timestamp>,
    pub update_time: Option<Timestamp>,
}

reader! {
    /// Reads the metadata of an entry.
    pub(super) MetadataReader makes Metadata {
        "uid" => uid: ShortWord(MAX_UID),
        "creationTimestamp" => creation_time: Time("creationTimestamp"),
        "updateTimestamp" => update_time: Time("updateTimestamp"),
    }
}
