//! `cce-backup-watch tasks` as a user runs it: the real command against the simulator over real HTTP.

mod exit_codes;
mod identity;
mod leaks;
mod newer_than;
mod output;
mod record;
mod secret;
mod shell;
mod streams;
mod terminal;
mod variables;
mod wait;
mod watch;
mod watch_name;

use crate::command::*;
