//! What is shown, in order. Each can be asked for alone.

mod become_root;
mod bookworm;
mod converged;
mod drift;
mod dropped;
mod first_contact;
mod fresh;
mod git;
mod harden;
mod held;
mod killed;
mod matrix;
mod options;
mod power;
mod refusals;
mod ssh_servers;
mod values;

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
        "values_arrive_in_the_container_byte_for_byte",
        values::byte_for_byte,
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
