//! What is shown, in order. Each can be asked for alone.

mod converged;
mod drift;
mod fresh;

/// A scenario by its name.
pub type Scenario = (&'static str, fn());

/// All of them, in the order they run.
pub const ALL: &[Scenario] = &[
    (
        "fresh_three_bare_hosts_become_a_proven_site_and_are_never_exposed",
        fresh::site,
    ),
    (
        "fresh_generated_files_satisfy_the_programs_that_read_them",
        fresh::files,
    ),
    (
        "fresh_no_secret_is_left_where_others_can_read_it",
        fresh::secrets,
    ),
    (
        "converged_a_second_run_costs_one_connection_and_one_command_a_host",
        converged::second_run,
    ),
    (
        "drift_a_flushed_firewall_chain_is_seen_and_mended",
        drift::flushed_chain,
    ),
    (
        "drift_an_edited_nginx_configuration_is_seen_and_mended",
        drift::edited_nginx,
    ),
    (
        "drift_a_stopped_container_is_seen_and_mended",
        drift::stopped_container,
    ),
    (
        "drift_a_loosened_mode_of_the_env_file_is_seen_and_mended",
        drift::loosened_mode,
    ),
    (
        "drift_a_deleted_route_rule_is_seen_and_mended",
        drift::deleted_route,
    ),
];
