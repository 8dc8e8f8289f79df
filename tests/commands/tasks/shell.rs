//! Completions, the man page, and the name that kubectl calls the program by.

use super::*;

impl Folder {
    /// The program under another name in it.
    fn program(&self, name: &str) -> Command {
        let link = self.0.join(name);
        std::os::unix::fs::symlink(PROGRAM, &link).unwrap();
        let mut command = Command::new(link);
        command.env_clear();
        command
    }
}

#[test]
fn the_completions_of_each_shell_know_the_commands_and_flags() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = run(program().args(["completion", shell]));
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{shell}");
        for word in [
            "controller",
            "status",
            "poll",
            "tasks",
            "backup",
            "discover",
            "if-older-than",
            "cluster-id",
            "region-endpoint",
            "Autopilot",
        ] {
            assert!(ran.stdout.contains(word), "{shell}: {word}");
        }
    }
    assert_eq!(run(program().args(["completion", "tcsh"])).code, Some(2));
}

#[test]
fn bash_takes_the_completions_and_completes_with_them() {
    let script = run(program().args(["completion", "bash"])).stdout;
    let parsed = run_with(Command::new("bash").arg("-n"), &script);
    assert_eq!((parsed.code, parsed.stderr.as_str()), (Some(0), ""));
    for (words, completed) in [
        ("cce-backup-watch ta", "tasks"),
        ("cce-backup-watch tasks --cluster-t", "--cluster-type"),
        ("cce-backup-watch tasks --cluster-type A", "Autopilot"),
        ("cce-backup-watch tasks --wait -o ya", "yaml"),
        ("cce-backup-watch sta", "status"),
        ("cce-backup-watch poll --newer", "--newer-than"),
        ("cce-backup-watch back", "backup"),
        ("cce-backup-watch backup --if", "--if-older-than"),
        ("cce-backup-watch discover -o ta", "table"),
        ("cce-backup-watch completion z", "zsh"),
    ] {
        // As bash calls it: the function that the command is registered with, its name, the word, the one before.
        let ask = format!(
            r#"
            COMP_WORDS=({words}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
            [[ $(complete -p cce-backup-watch) =~ -F\ ([^ ]+) ]] || exit 1
            "${{BASH_REMATCH[1]}}" cce-backup-watch "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD-1]}}"
            echo "${{COMPREPLY[@]}}"
            "#
        );
        let answer = run_with(&mut Command::new("bash"), &format!("{script}\n{ask}"));
        assert_eq!((answer.stdout.trim(), answer.stderr.as_str()), (completed, ""), "{words}");
    }
}

#[test]
fn every_command_has_a_man_page_that_groff_renders() {
    for (page, words) in [
        (&["man"][..], &["cce-backup-watch", "tasks", "controller"][..]),
        (&["man", "tasks"], &["--cluster-id", "CBW_CLUSTER_ID", "Exit codes:", "124", "NOTES"]),
        (
            &["man", "status"],
            &["--all-namespaces", "CBW_ALL_NAMESPACES", "Exit codes:", "unprotected", "NOTES"],
        ),
        (&["man", "poll"], &["--newer-than", "requestedAt", "Exit codes:", "NOTES"]),
        (&["man", "backup"], &["--if-older-than", "CBW_IF_OLDER_THAN", "Exit codes:", "NOTES"]),
        (&["man", "discover"], &["--existing", "CBW_SECRET_NAME", "Exit codes:", "NOTES"]),
        (&["man", "controller"], &["--leader-elect", "CBW_LISTEN"]),
    ] {
        let ran = run(program().args(page));
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{page:?}");
        assert!(ran.stdout.contains(".TH cce-backup-watch"), "{page:?}: {}", ran.stdout);
        let groff = Command::new("groff").arg("-v").output();
        if !groff.is_ok_and(|output| output.status.success()) {
            eprintln!("no groff here: the page is not rendered");
            continue;
        }
        let rendered =
            run_with(Command::new("groff").args(["-man", "-Tutf8", "-ww", "-P-cbou"]), &ran.stdout);
        assert_eq!((rendered.code, rendered.stderr.as_str()), (Some(0), ""), "{page:?}");
        // groff breaks lines, and writes a dash where one was meant.
        let text = rendered.stdout.replace('‐', "-");
        for word in words {
            assert!(text.contains(word), "{page:?}: {word}: {text}");
        }
    }
    run(program().args(["man", "get"]))
        .said(2, "there are pages for controller, status, poll, tasks, backup, discover, probe, crd");
}

#[tokio::test(flavor = "multi_thread")]
async fn under_the_name_of_a_plugin_it_is_kubectls() {
    let folder = Folder::new();
    let mut plugin = folder.program("kubectl-cbw");
    let path = plugin.get_program().to_owned();
    let ran = run(plugin.args(["tasks", "--help"]));
    assert!(ran.stdout.contains("Usage: kubectl cbw tasks [OPTIONS]"), "{}", ran.stdout);
    for command in ["backup", "discover"] {
        let ran = run(Command::new(&path).args([command, "--help"]));
        assert!(ran.stdout.contains(&format!("Usage: kubectl cbw {command} [OPTIONS]")), "{}", ran.stdout);
    }
    run(Command::new(&path).arg("get")).said(2, "Usage: kubectl cbw <COMMAND>");
    let ran = run(Command::new(&path).arg("--help"));
    assert!(ran.stdout.contains("kubectl get cbw"), "{}", ran.stdout);
    let ran = run(Command::new(&path).args(["completion", "bash"]));
    assert!(ran.stdout.contains("-o default kubectl-cbw"), "{}", ran.stdout);

    let simulator = simulator().await;
    simulator.set_tasks(CLUSTER, [task("a", "Failed", 0)]);
    let real = tasks(&simulator, &[]);
    let mut command = Command::new(&path);
    command.args(real.get_args()).envs(real.get_envs().filter_map(|(name, value)| Some((name, value?))));
    assert_eq!(run(&mut command).code, Some(1));
}

#[test]
fn kubectl_finds_the_plugin() {
    if Command::new("kubectl").arg("version").arg("--client").output().is_err() {
        eprintln!("no kubectl here: the plugin is tested by its name alone");
        return;
    }
    let folder = Folder::new();
    folder.program("kubectl-cbw");
    let mut path = folder.0.clone().into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let ran = run(Command::new("kubectl").args(["cbw", "tasks", "--help"]).env("PATH", path));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("Usage: kubectl cbw tasks"), "{}", ran.stdout);
}
