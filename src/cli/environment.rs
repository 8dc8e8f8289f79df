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
    command: &Command,
    mut argv: Vec<OsString>,
    variable: impl Fn(&OsStr) -> Option<OsString>,
) -> Result<ArgMatches, Error> {
    let bare = command.clone().mut_subcommands(|sub| sub.mut_args(|arg| arg.env(Resettable::Reset)));
    // Help names the variables. It shows no value, which may hold a password, or characters that a terminal obeys.
    let help = command.clone().mut_subcommands(|sub| sub.mut_args(|arg| arg.hide_env_values(true)));
    // What cannot be parsed here cannot be parsed below either, and is reported there.
    let Ok(seen) = bare.clone().ignore_errors(true).try_get_matches_from(&argv) else {
        // Help and version are no errors to ignore.
        return help.try_get_matches_from(argv);
    };
    let Some((name, seen)) = seen.subcommand() else { return help.try_get_matches_from(argv) };
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
mod tests;
