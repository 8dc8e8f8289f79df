//! Maps a region to the base URLs of its CCE API and of its IAM. No I/O.
//!
//! Hosts come from Huawei's rule or from the operator's own `--region-endpoint` flags, and from nowhere else: no field
//! of a resource can name one.

use std::{collections::BTreeMap, str::FromStr};

use reqwest::Url;

use super::target::{Region, TargetError};

/// The global IAM: for regions without one of their own, and the SDK's default.
pub const GLOBAL_IAM: &str = "https://iam.myhuaweicloud.com";

/// The only region that the SDK puts under another domain, `myhuaweicloud.eu`.
const EUROPE: &str = "eu-west-101";

/// The regions that the SDK (Go, `core/auth/internal/iam_endpoint.go`) gives an IAM of their own.
const REGIONAL_IAM: [&str; 27] = [
    "ae-ad-1",
    "af-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "cn-east-2",
    "cn-east-3",
    "cn-east-4",
    "cn-east-5",
    "cn-north-1",
    "cn-north-12",
    "cn-north-2",
    "cn-north-4",
    "cn-north-9",
    "cn-south-1",
    "cn-south-2",
    "cn-southwest-2",
    "eu-west-0",
    "la-north-2",
    "la-south-2",
    "me-east-1",
    "my-kualalumpur-1",
    "na-mexico-1",
    "ru-moscow-1",
    "sa-brazil-1",
    "tr-west-1",
];

/// Further regions with CCE. A region that is in no list is asked all the same.
const OTHER_REGIONS: [&str; 3] = ["cn-north-11", "cn-south-4", "ru-moscow-2"];

/// A `--region-endpoint` that cannot be used. No message repeats the URL, because it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No `=`.
    #[error("a region endpoint has the form REGION=URL, such as cn-north-4=https://cce.example.com")]
    Form,
    /// The part before the `=` is no region.
    #[error("a region endpoint starts with a region: {0}")]
    Region(#[from] TargetError),
    /// The part after the `=` is no URL, or one of another scheme, or has no host.
    #[error("the endpoint of {0} must be an http:// or https:// URL with a host")]
    Url(Region),
    /// A user name or password in the URL.
    #[error(
        "the endpoint of {0} must hold no user name or password: requests are signed with the access key"
    )]
    UserInfo(Region),
    /// A path, query or fragment in the URL.
    #[error(
        "the endpoint of {0} must end after host and port: a path, query or fragment would break the signature"
    )]
    Beyond(Region),
    /// The same region twice.
    #[error("the endpoint of {0} is given twice")]
    Twice(Region),
}

/// One `--region-endpoint REGION=URL`. Only here may a URL be `http://`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionEndpoint {
    region: Region,
    base: String,
}

impl FromStr for RegionEndpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let (region, url) = text.split_once('=').ok_or(EndpointError::Form)?;
        let region = Region::parse(region)?;
        let Some(url) =
            Url::parse(url).ok().filter(|u| matches!(u.scheme(), "http" | "https") && u.has_host())
        else {
            return Err(EndpointError::Url(region));
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointError::UserInfo(region));
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(EndpointError::Beyond(region));
        }
        Ok(Self { region, base: url.as_str().trim_end_matches('/').to_owned() })
    }
}

/// The base URLs (scheme, host and port, no trailing slash) of every region.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    overrides: BTreeMap<Region, String>,
}

impl Endpoints {
    /// The endpoints by Huawei's rule, except for the regions in `overrides`.
    pub fn new(overrides: impl IntoIterator<Item = RegionEndpoint>) -> Result<Self, EndpointError> {
        let mut endpoints = Self::default();
        for RegionEndpoint { region, base } in overrides {
            if endpoints.overrides.insert(region.clone(), base).is_some() {
                return Err(EndpointError::Twice(region));
            }
        }
        Ok(endpoints)
    }

    /// Where a region's CCE API is: the SDK's rule and its one exception.
    pub fn cce(&self, region: &Region) -> String {
        self.overrides.get(region).cloned().unwrap_or_else(|| match region.as_str() {
            EUROPE => format!("https://cce.{region}.myhuaweicloud.eu"),
            _ => format!("https://cce.{region}.myhuaweicloud.com"),
        })
    }

    /// How messages name the endpoint of a region: with its host, because it tells a mistyped region from a broken network,
    /// and with a question where the region is none that is known.
    pub fn whom(&self, region: &Region) -> String {
        let base = self.cce(region);
        let host = base.split_once("://").map_or(base.as_str(), |(_, host)| host);
        let name = region.as_str();
        let is_known = self.overrides.contains_key(region)
            || name == EUROPE
            || REGIONAL_IAM.contains(&name)
            || OTHER_REGIONS.contains(&name);
        let doubt =
            if is_known { "" } else { "; no region of that name is known: is the region spelled right?" };
        format!("the endpoint of region {name} ({host}{doubt})")
    }

    /// Where a region's IAM is. An overridden region has its IAM at the same address: it is a private cloud, whose
    /// identity token must not be sent to the public one.
    pub fn iam(&self, region: &Region) -> String {
        self.overrides.get(region).cloned().unwrap_or_else(|| match region.as_str() {
            EUROPE => format!("https://iam.{region}.myhuaweicloud.eu"),
            known if REGIONAL_IAM.contains(&known) => format!("https://iam.{region}.myhuaweicloud.com"),
            _ => GLOBAL_IAM.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(text: &str) -> Region {
        Region::parse(text).unwrap()
    }

    #[test]
    fn hosts_follow_the_sdks_rule_and_its_one_exception() {
        let endpoints = Endpoints::default();
        for (name, cce, iam) in [
            (
                "cn-north-4",
                "https://cce.cn-north-4.myhuaweicloud.com",
                "https://iam.cn-north-4.myhuaweicloud.com",
            ),
            (
                "eu-west-101",
                "https://cce.eu-west-101.myhuaweicloud.eu",
                "https://iam.eu-west-101.myhuaweicloud.eu",
            ),
            (
                "cn-north-12",
                "https://cce.cn-north-12.myhuaweicloud.com",
                "https://iam.cn-north-12.myhuaweicloud.com",
            ),
            ("brand-new-1", "https://cce.brand-new-1.myhuaweicloud.com", GLOBAL_IAM),
        ] {
            assert_eq!(
                (endpoints.cce(&region(name)).as_str(), endpoints.iam(&region(name)).as_str()),
                (cce, iam)
            );
        }
    }

    #[test]
    fn the_operators_flags_move_one_region_and_leave_the_others() {
        let flags =
            ["a=http://127.0.0.1:8443/", "b=https://cce.example.com:443", "c=https://[::1]:9", "d=HTTP://H"];
        let endpoints = Endpoints::new(flags.map(|f| f.parse().unwrap())).unwrap();
        for (name, base) in [
            ("a", "http://127.0.0.1:8443"),
            ("b", "https://cce.example.com"),
            ("c", "https://[::1]:9"),
            ("d", "http://h"),
        ] {
            assert_eq!(endpoints.cce(&region(name)), base);
            assert_eq!(endpoints.iam(&region(name)), base);
        }
        assert_eq!(endpoints.cce(&region("e")), "https://cce.e.myhuaweicloud.com");
    }

    #[test]
    fn a_message_names_the_host_and_doubts_a_region_that_is_not_known() {
        let endpoints = Endpoints::new(["hcs-1=http://127.0.0.1:8443".parse().unwrap()]).unwrap();
        for (name, whom) in [
            ("cn-north-4", "the endpoint of region cn-north-4 (cce.cn-north-4.myhuaweicloud.com)"),
            ("hcs-1", "the endpoint of region hcs-1 (127.0.0.1:8443)"),
            (
                "cn-nroth-4",
                "the endpoint of region cn-nroth-4 (cce.cn-nroth-4.myhuaweicloud.com; no region of that name is known: is \
                 the region spelled right?)",
            ),
        ] {
            assert_eq!(endpoints.whom(&region(name)), whom);
        }
    }

    #[test]
    fn a_bad_flag_is_refused_with_its_reason_and_without_its_secrets() {
        for (flag, error) in [
            ("", EndpointError::Form),
            ("https://cce.example.com", EndpointError::Form),
            ("A=https://h", EndpointError::Region(TargetError::Region)),
            ("=https://h", EndpointError::Region(TargetError::Region)),
            ("a=", EndpointError::Url(region("a"))),
            ("a=cce.example.com", EndpointError::Url(region("a"))),
            ("a=ftp://h", EndpointError::Url(region("a"))),
            ("a=https://", EndpointError::Url(region("a"))),
            ("a=https://user@h", EndpointError::UserInfo(region("a"))),
            ("a=https://user:hunter2@h", EndpointError::UserInfo(region("a"))),
            ("a=https://h/path", EndpointError::Beyond(region("a"))),
            ("a=https://h?", EndpointError::Beyond(region("a"))),
            ("a=https://h#f", EndpointError::Beyond(region("a"))),
        ] {
            let refused = flag.parse::<RegionEndpoint>().unwrap_err();
            assert_eq!(refused, error, "{flag}");
            assert!(!refused.to_string().contains("hunter2"));
        }
        let twice = ["a=https://h", "a=https://i"].map(|f| f.parse().unwrap());
        assert_eq!(Endpoints::new(twice), Err(EndpointError::Twice(region("a"))));
    }
}
