//! `tasks`, `backup` and `discover` as users run them: the real commands against the simulator over real HTTP. What needs
//! an API server is in `tests/e2e/commands.rs`.

mod backup;
mod command;
mod discover;
mod tasks;
