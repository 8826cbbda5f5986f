//! What is shown, in order. Each can be asked for alone.

mod attached;
mod audit;
mod become_root;
mod bookworm;
mod converged;
mod cuts;
mod drift;
mod dropped;
mod exposure;
mod first_contact;
mod fresh;
mod git;
mod graded;
mod harden;
mod held;
mod killed;
mod lints;
mod lockout;
mod matrix;
mod nmap;
mod options;
mod over_time;
mod power;
mod refusals;
mod rules;
mod single;
mod ssh_servers;
mod tls;
mod values;

/// A scenario by its name.
pub type Scenario = (&'static str, fn());

/// Whether a scenario measures time, or holds servers to limits of a second or two, so that it
/// must have the machine for itself.
pub fn is_about_time(name: &str) -> bool {
    [
        "converged_",
        "matrix_of_three_hosts_",
        "over_time_",
        "ssh_servers_",
        "bookworm_ssh_servers_",
    ]
    .iter()
    .any(|topic| name.starts_with(topic))
}

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
    (
        "rules_take_the_place_of_others_and_the_file_comes_back_byte_for_byte",
        rules::in_place_and_back,
    ),
    (
        "rules_leave_a_file_alone_in_which_a_block_can_t_be_told",
        rules::refused,
    ),
    (
        "rules_cover_networks_that_docker_makes_later",
        rules::later_networks,
    ),
    (
        "rules_hold_over_ipv6_where_docker_publishes_there",
        rules::over_ipv6,
    ),
    (
        "rules_let_further_sources_in_to_containers_and_hosts",
        rules::further_ports,
    ),
    (
        "lints_settings_under_which_the_firewall_can_t_hold_stop_a_run",
        lints::settings,
    ),
    (
        "lints_two_iptables_backends_at_once_stop_a_run",
        lints::mixed_backends,
    ),
    (
        "lints_containers_that_nobody_asked_for_are_told",
        lints::containers,
    ),
    (
        "lints_networks_that_are_trusted_whole_are_told",
        lints::trusted_networks,
    ),
    (
        "lints_ufw_that_is_off_is_told_and_one_that_would_lock_out_stops_a_run",
        lints::ufw_off,
    ),
    (
        "matrix_of_three_hosts_is_as_expected_from_every_side_in_under_three_seconds",
        matrix::measured,
    ),
    (
        "matrix_a_stopped_service_is_inconclusive_and_not_blocked",
        matrix::stopped,
    ),
    (
        "matrix_a_container_that_nobody_asked_for_is_blocked_or_an_exposure",
        matrix::stray,
    ),
    (
        "matrix_a_view_from_a_trusted_address_is_no_stranger_s",
        matrix::trusted,
    ),
    (
        "matrix_a_server_elsewhere_looks_with_a_shell_and_curl_alone",
        matrix::from_elsewhere,
    ),
    (
        "matrix_a_firewall_in_front_is_told_from_the_host_s_own",
        matrix::in_front,
    ),
    (
        "power_after_a_power_cut_the_site_comes_back_by_itself_and_closed",
        power::cut,
    ),
    (
        "over_time_reloads_restarts_and_power_cuts_leave_the_matrix_as_it_is",
        over_time::unchanged,
    ),
    (
        "over_time_every_server_is_restarted_and_the_matrix_is_the_same",
        over_time::restarted,
    ),
    (
        "audit_of_a_proven_site_finds_nothing_exposed_and_changes_nothing",
        audit::nothing_exposed,
    ),
    (
        "audit_finds_what_docker_publishes_past_ufw",
        audit::the_classic_hole,
    ),
    (
        "attached_manage_s_output_input_and_exit_code_are_the_operator_s",
        attached::streams,
    ),
    (
        "attached_on_a_terminal_manage_has_one_too",
        attached::terminal,
    ),
    (
        "attached_logs_come_from_every_host_and_end_with_ctrl_c",
        attached::logs,
    ),
    (
        "attached_to_a_stopped_container_says_what_to_do",
        attached::stopped,
    ),
    (
        "values_arrive_in_the_container_byte_for_byte",
        values::byte_for_byte,
    ),
    (
        "exposure_rules_of_the_field_let_in_whom_they_let_in",
        exposure::rules_of_the_field,
    ),
    (
        "exposure_our_rules_let_in_the_proxy_alone_by_every_address",
        exposure::ours,
    ),
    (
        "nmap_from_outside_finds_ssh_and_on_the_proxy_the_site",
        nmap::from_outside,
    ),
    (
        "options_the_proxy_serves_static_files_itself",
        options::static_files,
    ),
    (
        "options_the_superuser_is_made_once_and_its_password_is_seen_nowhere",
        options::superuser,
    ),
    (
        "options_on_a_private_network_the_app_listens_there_alone",
        options::private_network,
    ),
    ("options_own_steps_need_no_rust", options::own_steps),
    (
        "tls_requests_that_run_all_the_while_see_what_is_lost",
        tls::requests_see_a_loss,
    ),
    (
        "tls_certificates_of_every_source_take_each_other_s_place_and_no_request_is_lost",
        tls::switches::all,
    ),
    (
        "tls_a_certificate_of_minutes_is_renewed_reboots_are_survived_and_a_failure_is_told",
        tls::renewal::of_minutes,
    ),
    (
        "tls_a_pair_that_can_t_be_served_is_refused_by_line_and_nothing_is_touched",
        tls::pairs::refused,
    ),
    (
        "tls_an_authority_that_refuses_good_requests_is_asked_again_within_bounds",
        tls::trouble::nonces,
    ),
    (
        "tls_an_authority_that_can_t_find_the_name_is_not_hammered",
        tls::trouble::resolver,
    ),
    (
        "tls_what_no_challenge_could_reach_is_refused_before_the_authority_is_asked",
        tls::trouble::before_asking,
    ),
    (
        "tls_a_foreign_name_gets_neither_page_nor_certificate",
        tls::foreign::names,
    ),
    (
        "tls_forged_headers_don_t_reach_the_app",
        tls::foreign::headers,
    ),
    (
        "tls_killed_while_a_certificate_comes_the_next_run_converges",
        tls::killed::at_any_moment,
    ),
    (
        "graded_a_plus_by_testssl_with_nothing_above_low",
        graded::by_testssl,
    ),
    (
        "graded_every_setting_of_nginx_does_what_it_says",
        graded::settings,
    ),
    (
        "graded_snippets_are_served_or_refused_by_name_and_line",
        graded::snippets,
    ),
    (
        "graded_http3_answers_from_outside_over_both_families",
        graded::http3,
    ),
    (
        "graded_without_tls_the_site_is_served_over_http_alone",
        graded::without_tls,
    ),
    (
        "git_a_new_revision_is_rolled_out_while_visitors_see_only_200",
        git::rolled_out,
    ),
    (
        "killed_in_every_step_a_later_run_converges",
        killed::in_every_step,
    ),
    (
        "killed_by_ctrl_c_it_says_so_and_the_next_run_goes_on",
        killed::by_the_operator,
    ),
    (
        "dropped_by_the_server_a_run_goes_on_and_apt_get_runs_once",
        dropped::by_the_server,
    ),
    (
        "dropped_without_a_word_a_run_notices_and_goes_on",
        dropped::without_a_word,
    ),
    (
        "dropped_by_a_power_cut_a_run_does_again_what_was_cut_off",
        dropped::by_a_power_cut,
    ),
    (
        "dropped_with_the_program_the_next_run_waits_for_its_apt_get",
        dropped::with_the_program,
    ),
    (
        "held_by_another_run_a_host_is_left_alone",
        held::by_another_run,
    ),
    (
        "killed_under_an_armed_guard_the_next_run_makes_the_change_to_stay",
        held::killed_under_an_armed_guard,
    ),
    (
        "cuts_a_hundred_times_a_host_is_in_the_old_or_the_new_state_and_lets_in",
        cuts::a_hundred_times,
    ),
    (
        "lockout_rules_that_shut_ssh_out_are_taken_back_in_the_guards_time",
        lockout::is_rolled_back,
    ),
    (
        "harden_sshd_lets_in_the_sudo_user_alone_or_what_was_is_put_back",
        harden::on_and_off,
    ),
    (
        "harden_a_power_cut_under_an_armed_guard_is_put_back_at_the_start",
        harden::power_cut,
    ),
    (
        "first_contact_by_a_root_password_ends_with_the_operators_key",
        first_contact::by_a_root_password,
    ),
    (
        "first_contact_goes_through_the_proxy_as_bastion",
        first_contact::through_the_proxy,
    ),
    (
        "first_contact_is_made_as_ssh_config_says",
        first_contact::as_ssh_config_says,
    ),
    (
        "root_through_every_login_shell_even_one_that_prints",
        become_root::login_shells,
    ),
    (
        "root_by_sudo_with_a_password_from_the_first_plan_to_the_guard",
        become_root::by_password,
    ),
    (
        "root_a_wrong_sudo_password_is_one_failure_to_the_server",
        become_root::wrong_password,
    ),
    ("root_by_doas_without_sudo", become_root::by_doas),
    (
        "root_as_the_user_whom_a_cloud_image_names",
        become_root::cloud_image,
    ),
    (
        "root_by_the_bootstrap_user_where_the_sudo_user_has_no_rights",
        become_root::bootstrap_user,
    ),
    (
        "refused_a_user_who_is_let_in_and_can_t_be_root",
        become_root::refused,
    ),
    ("refused_an_unreachable_host", refusals::unreachable_host),
    (
        "refused_another_host_key_than_the_pinned_one",
        refusals::wrong_host_key,
    ),
    (
        "refused_an_unsupported_system",
        refusals::unsupported_system,
    ),
    ("refused_a_user_without_sudo", refusals::no_rights),
    (
        "refused_a_name_that_leads_elsewhere",
        refusals::foreign_name,
    ),
    (
        "refused_a_port_that_something_else_holds",
        refusals::taken_port,
    ),
    (
        "single_compose_from_a_bare_server_to_a_site_that_is_used_and_outlasts_power_cuts",
        single::compose,
    ),
    (
        "single_uwsgi_behind_a_socket_from_a_bare_server_to_a_site_that_is_used",
        single::uwsgi,
    ),
    (
        "single_provided_certificate_and_directory_from_a_bare_server_to_a_site_that_is_used",
        single::provided,
    ),
    (
        "single_minimal_from_a_bare_server_to_a_site_that_is_used",
        single::minimal,
    ),
    (
        "single_database_host_serves_its_app_servers_and_nobody_else",
        single::database_host,
    ),
    (
        "single_life_rows_survive_a_backup_a_fresh_server_and_a_new_major_version",
        single::rows_survive,
    ),
    (
        "single_canary_secrets_are_nowhere_that_others_can_look",
        single::canary,
    ),
    (
        "ssh_servers_of_debian_13_are_reached_or_refused_in_clear_words",
        ssh_servers::trixie,
    ),
    (
        "bookworm_the_firewall_holds_on_debian_12_too",
        bookworm::firewall,
    ),
    (
        "bookworm_ssh_servers_are_reached_or_refused_in_clear_words",
        ssh_servers::bookworm,
    ),
];
