//! `cce-backup-watch status`: every watch on one screen, the worst first, and whether an operator is alive.
//!
//! ```text
//! args → watches     one list, or one get for each name            (Kubernetes)
//!      → operator    its Lease, else its Deployment                (Kubernetes, and pure)
//!      → verdict     how each watch stands                         (pure)
//!      → show        the screen, or JSON                           (pure)
//! ```
//!
//! The command only reads, and it never asks the cloud: `poll` does that, through the operator.

mod layout;
pub mod operator;
pub mod show;
pub mod verdict;

use std::io::{self, IsTerminal};

use kube::Client;

use self::show::{Look, Screen};
use crate::cli::{status::StatusArgs, status::StatusOutput};
use crate::commands::{
    error::{BAD, Error},
    moment::Now,
    output::{is_colourful, note, result},
    watch::{self, Watch},
};
use crate::kubernetes;

/// Runs the command, and returns its exit code.
pub async fn run(args: &StatusArgs) -> Result<u8, Error> {
    let client = kubernetes::client().await.map_err(Error::Access)?;
    let now = Now::of_machine();
    let (watches, operator) = futures::join!(
        watches(args, &client),
        operator::look(&client, args.operator_namespace.as_deref(), &now)
    );
    let (watches, missing) = watches?;
    let look = Look::new(&watches, operator, &now);
    let text = match args.output {
        StatusOutput::Table => look.table(screen(), &now),
        StatusOutput::Json => {
            let json = serde_json::to_string_pretty(&look);
            format!("{}\n", json.map_err(|error| Error::Encode(error.to_string()))?)
        }
    };
    result(&text)?;
    for name in &missing {
        note(format_args!("there is no watch {name}: check its name and the current context"));
    }
    Ok(if look.is_bad() || !missing.is_empty() { BAD } else { 0 })
}

/// The watches that the flags name, and the names of those that do not exist.
async fn watches(args: &StatusArgs, client: &Client) -> Result<(Vec<Watch>, Vec<String>), Error> {
    let default = client.default_namespace();
    if args.names.is_empty() {
        let namespace = (!args.all_namespaces).then(|| args.namespace.as_deref().unwrap_or(default));
        let watches =
            watch::list(client, namespace, args.selector.as_deref()).await.map_err(Error::Watches)?;
        return Ok((watches, Vec::new()));
    }
    let (mut watches, mut missing) = (Vec::new(), Vec::new());
    for name in &args.names {
        let namespace = name.namespace(args.namespace.as_deref(), default);
        match watch::get(client, namespace, &name.name).await.map_err(Error::Watches)? {
            Some(watch) => watches.push(watch),
            None => missing.push(format!("{namespace}/{}", name.name)),
        }
    }
    Ok((watches, missing))
}

/// What standard output is.
fn screen() -> Screen {
    let is_terminal = io::stdout().is_terminal();
    let size = terminal_size::terminal_size().filter(|_| is_terminal);
    Screen {
        size: size.map(|(width, height)| (width.0.into(), height.0.into())),
        colour: is_colourful(is_terminal),
    }
}
