//! The variables that stand for flags. clap would take each as it is, so that an empty one, or a switch that is false,
//! counted as given. Here they are read first, and what they mean is put before the flags of the command line.
//!
//! Pure: the caller passes the command line and the variables.

use std::ffi::{OsStr, OsString};

use clap::{
    Arg, ArgAction, ArgMatches, Command,
    builder::Resettable,
    error::{Error, ErrorKind},
    parser::ValueSource,
};

use super::{cluster, value::switch};
use crate::cloud::text::clean;

/// Flags of commands whose variable must not be empty. Each opens a gate or drops a filter when it is left out, so an
/// empty one (`CBW_NEWER_THAN=$LIMIT` where LIMIT is not defined) must not pass for an absent one.
const GUARDS: [(&str, &str); 12] = [
    ("status", "selector"),
    ("poll", "newer_than"),
    ("tasks", "wait"),
    ("tasks", "newer_than"),
    ("backup", "if_older_than"),
    ("backup", "dry_run"),
    ("discover", "cluster_type"),
    ("discover", "tag"),
    ("discover", "name"),
    ("discover", "phase"),
    ("discover", "existing"),
    ("discover", "check"),
];

/// Flags of commands whose variable counts only beside another flag, because it is meant for another command otherwise.
const IDLE: [(&str, &str, &str); 1] = [("tasks", "timeout", "wait")];

/// Names on the command line that outrank exported variables: whoever types the name of a watch means that one.
const OUTRANKED: [(&str, &str, &[&str]); 3] = [
    ("tasks", cluster::WATCH, &cluster::STANDS_FOR),
    ("backup", cluster::WATCH, &cluster::STANDS_FOR),
    ("status", "names", &["all_namespaces", "selector"]),
];

/// The longest value that a message repeats, in characters.
const SHOWN: usize = 64;

/// Parses the command line, and the variables of all flags that it does not give.
pub fn matches(
    command: Command,
    mut argv: Vec<OsString>,
    variable: impl Fn(&OsStr) -> Option<OsString>,
) -> Result<ArgMatches, Error> {
    let bare = command.clone().mut_subcommands(|sub| sub.mut_args(|arg| arg.env(Resettable::Reset)));
    // What cannot be parsed here cannot be parsed below either, and is reported there.
    let Ok(seen) = bare.clone().ignore_errors(true).try_get_matches_from(&argv) else {
        // Help and version are no errors to ignore. Help names the variables.
        return command.try_get_matches_from(argv);
    };
    let Some((name, seen)) = seen.subcommand() else { return command.try_get_matches_from(argv) };
    let Some(at) = argv.iter().skip(1).position(|word| word == name) else {
        return bare.try_get_matches_from(argv);
    };
    let is_seen = |id: &str| seen.value_source(id) == Some(ValueSource::CommandLine);
    let is_outranked =
        |id: &str| OUTRANKED.iter().any(|(of, by, flags)| *of == name && is_seen(by) && flags.contains(&id));

    let mut flags = Vec::new();
    for arg in command.find_subcommand(name).into_iter().flat_map(Command::get_arguments) {
        let id = arg.get_id().as_str();
        let Some(value) = arg.get_env().and_then(&variable).filter(|_| !is_seen(id) && !is_outranked(id))
        else {
            continue;
        };
        flags.push((id, arg, value));
    }
    let is_false = |(_, arg, value): &(&str, &Arg, OsString)| {
        is_switch(arg) && value.to_str().is_some_and(|value| switch(value) == Ok(false))
    };
    flags.retain(|flag| !is_false(flag));
    let given: Vec<_> = flags.iter().map(|(id, ..)| *id).collect();
    let is_given = |id: &str| is_seen(id) || given.contains(&id);
    let is_idle =
        |id: &str| IDLE.iter().any(|(of, flag, beside)| (*of, *flag) == (name, id) && !is_given(beside));
    let mut words = Vec::new();
    for (id, arg, value) in &flags {
        if !is_idle(id) {
            words.extend(word(name, arg, value)?);
        }
    }
    // Behind the name of the command, before its flags.
    argv.splice(at + 2..at + 2, words);
    bare.try_get_matches_from(argv)
}

fn is_switch(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

/// The flag that a variable stands for, as a word of the command line; none if it is as if it were not set.
fn word(command: &str, arg: &Arg, value: &OsStr) -> Result<Option<OsString>, Error> {
    let Some(long) = arg.get_long() else { return Ok(None) };
    let name = arg.get_env().unwrap_or_default().to_string_lossy();
    let flag = |value: &OsStr| {
        let mut word = OsString::from(format!("--{long}="));
        word.push(value);
        Some(word)
    };
    // A path of another encoding is taken as it is.
    let Some(text) = value.to_str() else { return Ok(flag(value)) };
    let text = match arg.get_value_delimiter() {
        Some(comma) => {
            let parts = text.split(comma).map(str::trim).filter(|part| !part.is_empty());
            parts.collect::<Vec<_>>().join(&comma.to_string())
        }
        None => text.trim().to_owned(),
    };
    let id = arg.get_id().as_str();
    if text.is_empty() {
        let is_guard = GUARDS.contains(&(command, id));
        let why = "is set and empty, which would let pass what it is to stop: give it a value, or unset it";
        return if is_guard { Err(refused(&format!("{name} {why}"))) } else { Ok(None) };
    }
    if is_switch(arg) {
        return match switch(&text) {
            Ok(true) => Ok(Some(format!("--{long}").into())),
            Ok(false) => Ok(None),
            Err(why) => Err(refused(&format!("{name} is {:?}: {why}", clean(&text, SHOWN)))),
        };
    }
    Ok(flag(OsStr::new(&text)))
}

fn refused(message: &str) -> Error {
    Error::raw(ErrorKind::InvalidValue, format!("{message}; see --help\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::CommandFactory;

    const TASKS: &str = "tasks --region r --project-id 0123456789abcdef0123456789abcdef \
                         --cluster-id 11111111-2222-3333-4444-555555555555";
    const BACKUP: &str = "backup --region r --project-id 0123456789abcdef0123456789abcdef \
                          --cluster-id 11111111-2222-3333-4444-555555555555";
    const DISCOVER: &str = "discover --region r --project-id 0123456789abcdef0123456789abcdef";

    /// The flags of a command, or what is wrong with them, with these variables and no others.
    fn parse(line: &str, variables: &[(&str, &str)]) -> Result<ArgMatches, String> {
        let argv = ["cce-backup-watch"].into_iter().chain(line.split_whitespace()).map(Into::into).collect();
        let variable =
            |name: &OsStr| variables.iter().find(|(known, _)| name == *known).map(|(_, value)| value.into());
        let matches = matches(Cli::command(), argv, variable).map_err(|error| {
            assert_eq!(error.exit_code(), 2);
            error.to_string()
        })?;
        Ok(matches.subcommand().unwrap().1.clone())
    }

    #[test]
    fn a_switch_takes_the_usual_words_and_a_false_one_is_as_if_not_given() {
        for (value, is_on) in [
            ("true", true),
            ("TRUE", true),
            ("yes", true),
            ("on", true),
            ("1", true),
            (" y ", true),
            ("false", false),
            ("No", false),
            ("off", false),
            ("0", false),
        ] {
            assert_eq!(parse(TASKS, &[("CBW_WAIT", value)]).unwrap().get_flag("wait"), is_on, "{value}");
        }
        for bad in ["2", "enabled", "\u{1b}[31m"] {
            let error = parse(TASKS, &[("CBW_WAIT", bad)]).unwrap_err();
            assert!(error.contains("CBW_WAIT") && error.contains("true, yes, on, 1"), "{error}");
            assert!(!error.contains('\u{1b}'), "{error:?}");
        }
    }

    #[test]
    fn a_false_switch_neither_conflicts_nor_asks_for_another_flag() {
        for (line, variables) in [
            (format!("{BACKUP} --watch"), ("CBW_DRY_RUN", "false")),
            (format!("{BACKUP} --dry-run"), ("CBW_WATCH", "off")),
            (format!("{BACKUP} --dry-run"), ("CBW_NO_WAIT", "0")),
            ("controller --sharding-ring hub".to_owned(), ("CBW_LEADER_ELECT", "false")),
            (DISCOVER.to_owned(), ("CBW_ALLOW_EMPTY", "no")),
        ] {
            parse(&line, &[variables]).unwrap();
            assert!(parse(&line, &[(variables.0, "true")]).is_err(), "{line}");
        }
    }

    #[test]
    fn an_empty_variable_is_as_if_unset() {
        for (line, name) in [
            (TASKS, "CBW_TIMEOUT"),
            (TASKS, "CBW_CLUSTER_TYPE"),
            (TASKS, "CBW_PROXY"),
            (TASKS, "CBW_NO_PROXY"),
            (TASKS, "CBW_CA_FILE"),
            (TASKS, "CBW_SECRET"),
            (TASKS, "CBW_OUTPUT"),
            (TASKS, "CBW_WATCH"),
            (TASKS, "CBW_INTERVAL"),
            (TASKS, "CBW_CREDENTIALS"),
            (TASKS, "CBW_LOG_FILTER"),
            (TASKS, "CBW_REGION_ENDPOINT"),
            (TASKS, "CBW_REQUEST_TIMEOUT"),
            (BACKUP, "CBW_TIMEOUT"),
            (BACKUP, "CBW_NO_WAIT"),
            (DISCOVER, "CBW_NAMESPACE"),
            (DISCOVER, "CBW_SECRET_NAME"),
            (DISCOVER, "CBW_TEMPLATE"),
            ("controller", "CBW_WATCH_NAMESPACE"),
            ("controller", "CBW_OPERATOR_CREDENTIALS_NAMESPACE"),
            ("controller", "CBW_LEASE_NAMESPACE"),
            ("controller", "CBW_SHARDING_RING"),
            ("controller", "CBW_LISTEN"),
            ("controller", "CBW_ACCOUNT_RATE"),
            ("controller", "CBW_LEADER_ELECT"),
        ] {
            for empty in ["", " \t\n"] {
                let unset = parse(line, &[]).unwrap();
                let set = parse(line, &[(name, empty)]).unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_eq!(format!("{set:?}"), format!("{unset:?}"), "{name}");
            }
        }
        let unset = "discover --region r";
        assert!(parse(unset, &[("CBW_PROJECT_ID", " , ")]).unwrap().get_raw("project_id").is_none());
    }

    #[test]
    fn an_empty_variable_that_would_open_a_gate_or_drop_a_filter_is_refused() {
        for (command, id) in GUARDS {
            let cli = Cli::command();
            let arg = cli.find_subcommand(command).unwrap().get_arguments().find(|arg| arg.get_id() == id);
            let name = arg.unwrap().get_env().unwrap().to_str().unwrap();
            let line = [TASKS, BACKUP, DISCOVER, "poll prod", "status"]
                .into_iter()
                .find(|line| line.starts_with(command))
                .unwrap();
            for empty in ["", "  "] {
                let error = parse(line, &[(name, empty)]).unwrap_err();
                assert!(error.contains(name), "{error}");
            }
        }
    }

    #[test]
    fn a_time_out_for_another_command_does_not_matter() {
        for value in ["2h", "soon", ""] {
            parse(TASKS, &[("CBW_TIMEOUT", value)]).unwrap();
        }
        let waits = parse(TASKS, &[("CBW_TIMEOUT", "2h"), ("CBW_WAIT", "true")]).unwrap();
        assert!(waits.get_raw("timeout").is_some());
        assert!(parse(TASKS, &[("CBW_TIMEOUT", "soon"), ("CBW_WAIT", "1")]).is_err());
        assert!(parse(&format!("{TASKS} --timeout soon"), &[]).is_err());
    }

    #[test]
    fn the_name_of_a_watch_outranks_what_a_shell_has_exported() {
        let exported = [
            ("CBW_REGION", "cn-north-4"),
            ("CBW_PROJECT_ID", "0123456789abcdef0123456789abcdef"),
            ("CBW_CLUSTER_ID", "nonsense"),
            ("CBW_CLUSTER_TYPE", "Autopilot"),
        ];
        for line in ["tasks prod", "backup platform/prod --dry-run"] {
            let matches = parse(line, &exported).unwrap();
            for id in cluster::STANDS_FOR {
                assert!(matches.value_source(id) != Some(ValueSource::CommandLine), "{line}: {id}");
            }
        }
        assert!(parse("tasks", &exported).is_err());
        let chosen =
            [("CBW_ALL_NAMESPACES", "true"), ("CBW_SELECTOR", "team=a"), ("CBW_NAMESPACE", "platform")];
        let matches = parse("status prod", &chosen).unwrap();
        assert!(!matches.get_flag("all_namespaces") && matches.get_raw("selector").is_none());
        assert!(matches.get_raw("namespace").is_some());
        assert!(parse("status", &chosen[..1]).unwrap().get_flag("all_namespaces"));
    }

    #[test]
    fn values_are_trimmed_and_lists_part_by_part() {
        let set = parse("controller", &[("CBW_WATCH_NAMESPACE", " a, b ,,\n")]).unwrap();
        let namespaces: Vec<_> = set.get_many::<String>("watch_namespace").unwrap().collect();
        assert_eq!(namespaces, ["a", "b"]);
        for (name, value) in
            [("CBW_LISTEN", " 127.0.0.1:80\n"), ("CBW_LOG_FORMAT", "text "), ("CBW_CONCURRENCY", " 9")]
        {
            parse("controller", &[(name, value)]).unwrap_or_else(|error| panic!("{error}"));
        }
        for (name, bad) in [
            ("CBW_WATCH_NAMESPACE", "Platform"),
            ("CBW_WATCH_NAMESPACE", "a,b c"),
            ("CBW_WATCH_NAMESPACE", "a/../b"),
            ("CBW_OPERATOR_CREDENTIALS_NAMESPACE", "a.b"),
            ("CBW_LEASE_NAMESPACE", "-a"),
            ("CBW_LEASE_NAME", "a/b"),
            ("CBW_WATCH_LABEL_SELECTOR", "team in platform"),
        ] {
            let error = parse("controller", &[(name, bad)]).unwrap_err();
            let flag = name.strip_prefix("CBW_").unwrap().to_lowercase().replace('_', "-");
            assert!(error.contains(&format!("--{flag}")), "{error}");
        }
        parse("controller", &[("CBW_OPERATOR_CREDENTIALS_NAMESPACE", "*")]).unwrap();
    }

    #[test]
    fn the_command_line_outranks_the_variables() {
        let set = parse(
            &format!("{TASKS} -o json --interval=7s"),
            &[("CBW_OUTPUT", "nonsense"), ("CBW_INTERVAL", "x")],
        );
        assert_eq!(set.unwrap().get_raw("output").unwrap().next().unwrap(), "json");
        let region =
            parse("tasks --cluster-id 11111111-2222-3333-4444-555555555555", &[("CBW_REGION", "cn-north-4")]);
        region.unwrap();
    }

    #[test]
    fn help_names_the_variables_and_an_unknown_flag_is_told() {
        assert!(
            matches(Cli::command(), vec!["p".into(), "tasks".into(), "--help".into()], |_| None)
                .unwrap_err()
                .to_string()
                .contains("[env: CBW_WAIT=")
        );
        let error = parse("tasks --nonsense --region x", &[("CBW_REGION", "r")]).unwrap_err();
        assert!(error.contains("--nonsense"), "{error}");
    }
}
