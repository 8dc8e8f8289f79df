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
    let matches = matches(&Cli::command(), argv, variable).map_err(|error| {
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
    let chosen = [("CBW_ALL_NAMESPACES", "true"), ("CBW_SELECTOR", "team=a"), ("CBW_NAMESPACE", "platform")];
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
    let help = matches(&Cli::command(), vec!["p".into(), "tasks".into(), "--help".into()], |_| None);
    let help = help.unwrap_err().to_string();
    assert!(help.contains("[env: CBW_WAIT]"), "{help}");
    let error = parse("tasks --nonsense --region x", &[("CBW_REGION", "r")]).unwrap_err();
    assert!(error.contains("--nonsense"), "{error}");
}
