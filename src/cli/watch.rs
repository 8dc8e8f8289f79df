//! The name of a watch, as every command takes it.

use std::fmt;
use std::str::FromStr;

use super::value::{is_namespace, is_object_name};

/// A watch: `NAME`, or `NAMESPACE/NAME`. Both are checked, so that they cannot lead to another path of the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchName {
    /// Its namespace, if it is named.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl WatchName {
    /// The namespace of the watch: its own, else that of a flag, else that of the kubeconfig.
    pub fn namespace<'a>(&'a self, flag: Option<&'a str>, default: &'a str) -> &'a str {
        self.namespace.as_deref().or(flag).unwrap_or(default)
    }
}

impl FromStr for WatchName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (namespace, name) =
            text.split_once('/').map_or((None, text), |(namespace, name)| (Some(namespace), name));
        if namespace.is_none_or(is_namespace) && is_object_name(name) {
            Ok(Self { namespace: namespace.map(str::to_owned), name: name.to_owned() })
        } else {
            Err("write it as NAME or NAMESPACE/NAME, such as platform/prod".to_owned())
        }
    }
}

impl fmt::Display for WatchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_has_a_name_and_may_have_a_namespace_and_no_other_path() {
        let name: WatchName = "platform/prod.1".parse().unwrap();
        assert_eq!((name.namespace(Some("flag"), "default"), name.name.as_str()), ("platform", "prod.1"));
        let name: WatchName = "prod".parse().unwrap();
        assert_eq!(
            (name.namespace(Some("flag"), "default"), name.namespace(None, "default")),
            ("flag", "default")
        );
        for bad in ["", "/", "a/", "/b", "a/b/c", "a/..", "..", "A", "a/b?x", "a.b/c", "-a", "a/b%2f"] {
            assert!(bad.parse::<WatchName>().is_err(), "{bad:?}");
        }
    }
}
