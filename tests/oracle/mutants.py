"""The definitions with one rule wrong, or one open reading decided otherwise: text of the SQL → other text.

Random histories are nasty enough when each of these moves a figure of some of them.
"""

Change = tuple[str, str]  # text that occurs once in the SQL, and what stands there instead

WRONG_RULES: dict[str, Change] = {
    "the territory's dates are forgotten (GB)": (
        "'GB', '-infinity', '2020-01-31'",
        "'GB', '-infinity', 'infinity'",
    ),
    "the territory's dates are forgotten (HR)": (
        "'HR', '2013-07-01', 'infinity'",
        "'HR', '-infinity', 'infinity'",
    ),
    "GB is inside a day too long": ("'2020-01-31'", "'2020-02-01'"),
    "HR is in Schengen a day late": ("'HR', '2023-01-01'", "'HR', '2023-01-02'"),
    "BG is in Schengen a day late": ("'BG', '2024-03-31'", "'BG', '2024-04-01'"),
    "RO is in Schengen a day early": ("'RO', '2024-03-31'", "'RO', '2024-03-30'"),
    "IE is in Schengen": ("('HR', '2023-01-01')", "('IE', '-infinity'), ('HR', '2023-01-01')"),
    "the lower revision holds": ("ORDER BY revision DESC", "ORDER BY revision"),
    "the earlier ce_time holds": ("ce_time DESC", "ce_time"),
    "the ce_time is not looked at": ("revision DESC, ce_time DESC", "revision DESC"),
    "the ce_id is not looked at": ("ce_id DESC, value", "value"),
    "the smaller canonical JSON holds": ("value::VARCHAR DESC", "value::VARCHAR"),
    "retractions are dropped before the latest is found": (
        "WHERE revised_on <= as_of)\nWHERE nth = 1 AND NOT retracted",
        "WHERE revised_on <= as_of AND NOT retracted)\nWHERE nth = 1",
    ),
    "retractions are ignored": ("nth = 1 AND NOT retracted", "nth = 1"),
    "the revisions of the as-of day are not yet there": ("revised_on <= as_of", "revised_on < as_of"),
    "a decision is found by topic before day": (
        "ORDER BY decided_on, topic, record_id",
        "ORDER BY topic, decided_on, record_id",
    ),
    "a decision is found without its topic": (
        "ORDER BY decided_on, topic, record_id",
        "ORDER BY decided_on, record_id",
    ),
    "of equal decisions the greater id": (
        "ORDER BY decided_on, topic, record_id",
        "ORDER BY decided_on, topic, record_id DESC",
    ),
    "an alert belongs to the greater case_id": (
        "sis_alert_id, min(case_id)",
        "sis_alert_id, max(case_id)",
    ),
    "a SIS exit within Schengen confirms": (
        "USING (history, sis_alert_id) WHERE left_schengen",
        "USING (history, sis_alert_id)",
    ),
    "a re-encounter begins no episode": ("basis = 'RE_ENCOUNTER';", "false;"),
    "every enforcement case begins an episode": ("basis = 'RE_ENCOUNTER';", "true;"),
    "an episode begins the day after": ("FILTER (begun_on <= exit_on)", "FILTER (begun_on < exit_on)"),
    "an exit before the first episode is in the last": (
        ", min(begun_on)) AS episode",
        ", max(begun_on)) AS episode",
    ),
    "a SIS exit of any episode confirms": (
        "episode FROM case_sis_exit JOIN episode_of_day USING (history, case_id, exit_on)",
        "begun_on AS episode FROM case_sis_exit JOIN episode USING (history, case_id)",
    ),
    "enforceable from the day after it is final": ("final_on <= exit_on", "final_on < exit_on"),
    "immediate enforcement is forgotten": (" OR immediate_enforcement", ""),
    "a withdrawn application is forgotten": (" OR withdrawn_application", ""),
    "the home country is before the territory": (
        "WHEN territory.country IS NOT NULL THEN 'eu_country'\n"
        "        WHEN r.destination_country = home_country THEN 'home_country'",
        "WHEN r.destination_country = home_country THEN 'home_country'\n"
        "        WHEN territory.country IS NOT NULL THEN 'eu_country'",
    ),
    "evidence SIS is not enough": ("evidence = 'SIS' OR left_by", "left_by"),
    "a residence permit is not enough": ("OR list_contains(residence_countries, r.destination_country)", ""),
    "the country of the decision is not enough": (
        "list_contains(destination_countries, r.destination_country)",
        "false",
    ),
    "the given authority is not looked at": (
        "WHEN enforcing_authority IS NOT NULL THEN lower(enforcing_authority)",
        "",
    ),
    "the given authority holds for every kind": ("WHEN kind NOT IN ('removal', 'dublin') THEN 'polisen'", ""),
    "the Police's registration does not make it theirs": (
        "WHEN registered_by = 'polisen' OR coalesce",
        "WHEN coalesce",
    ),
    "a handover of the day is too late": ("police_since <= exit_on", "police_since < exit_on"),
    "an enforcement case does not make it the Police's": (
        "UNION ALL SELECT history, case_id, opened_on FROM enforcement_case)",
        ")",
    ),
    "all editions consider the Police's registrations": ("('2024', false, true)", "('2024', false, false)"),
    "all editions consider only enforceable removals": ("('2024', false, true)", "('2024', true, true)"),
    "edition 2023 considers as 2024": ("('2023', true, false)", "('2023', false, true)"),
    "indicated registrations make exits": ("WHERE NOT indicated)", ")"),
    "the earliest is the exit, in accordance or not": (
        "ORDER BY in_accordance DESC, exit_on",
        "ORDER BY exit_on",
    ),
    "the latest is the exit": ("in_accordance DESC, exit_on,", "in_accordance DESC, exit_on DESC,"),
    "the Police's is before the Migration Agency's": (
        "in_accordance DESC, exit_on, registered_by = 'polisen'",
        "in_accordance DESC, exit_on, registered_by <> 'polisen'",
    ),
    "of equal registrations the greater id": (
        "in_accordance DESC, exit_on, registered_by = 'polisen', record_id",
        "in_accordance DESC, exit_on, registered_by = 'polisen', record_id DESC",
    ),
    "every removal counts, in accordance or not": ("(kind <> 'removal' OR in_accordance)", "true"),
    "no exit counts that is not in accordance": ("(kind <> 'removal' OR in_accordance)", "in_accordance"),
    "an episode is indicated when any registration is": (
        "QUALIFY bool_and(indicated)",
        "QUALIFY bool_or(indicated)",
    ),
    "an order belongs to the earliest case": (
        "ORDER BY case_id, ordered_on, record_id",
        "ORDER BY ordered_on, case_id, record_id",
    ),
    "of a case's orders the greater id explains": (
        "ORDER BY case_id, ordered_on, record_id",
        "ORDER BY case_id, ordered_on, record_id DESC",
    ),
    "of a case's orders the later explains": ("BY case_id, ordered_on,", "BY case_id, ordered_on DESC,"),
    "the earlier outcome holds": ("ORDER BY outcome_on DESC", "ORDER BY outcome_on"),
    "of equal outcomes the smaller id holds": (
        "outcome_on DESC, record_id DESC",
        "outcome_on DESC, record_id",
    ),
    "the area is the order's before the transport's": (
        "coalesce(outcome.destination_country, explaining.destination_country)",
        "coalesce(explaining.destination_country, outcome.destination_country)",
    ),
    "the transport's own country alone": (
        "coalesce(outcome.destination_country, explaining.destination_country)",
        "outcome.destination_country",
    ),
    "a charter is with Frontex when all its transports are": ("bool_or(frontex)", "bool_and(frontex)"),
    "late by the revision": (
        "'exits_late_registered', year(exit_on)",
        "'exits_late_registered', year(registered_on)",
    ),
    "criminal actors are not told apart": ("kind = 'refusal' AND criminal_actor", "kind = 'refusal'"),
    "not in accordance in the year of exit": (
        "'exits_not_in_accordance', year(registered_on)",
        "'exits_not_in_accordance', year(exit_on)",
    ),
    "indicated registrations are not in accordance": (
        "NOT in_accordance AND NOT indicated",
        "NOT in_accordance",
    ),
    "every basis is incoming": (" AND basis IN ('COURT_EXPULSION', 'RE_ENCOUNTER')", ""),
    "closed on the last day is open": (
        "closed_on > make_date(year, 12, 31)",
        "closed_on >= make_date(year, 12, 31)",
    ),
    "the stock ends with the year of opening": (
        "generate_series(year(opened_on), horizon)",
        "generate_series(year(opened_on), least(horizon, year(opened_on)))",
    ),
    "the earlier handover gives the reason": ("lower(arg_max(h.reason", "lower(arg_min(h.reason"),
    "a later handover gives no reason": (
        "WHERE h.history = e.history AND h.case_id = e.case_id),",
        "WHERE h.history = e.history AND h.case_id = e.case_id AND handed_over_on <= opened_on),",
    ),
    "the home country is before the decision's": (
        "coalesce(list_extract(destination_countries, 1), home_country, 'unknown')",
        "coalesce(home_country, list_extract(destination_countries, 1), 'unknown')",
    ),
    "the last country of the decision": (
        "list_extract(destination_countries, 1)",
        "list_extract(destination_countries, -1)",
    ),
    "cancelled in the year of cancelling": (
        "'travel_orders_cancelled', year(ordered_on)",
        "'travel_orders_cancelled', year(cancelled_on)",
    ),
    "transports in the year of ordering": (
        "SELECT history, ordered_on, kind",
        "SELECT history, outcome_on AS ordered_on, kind",
    ),
    "a mean is rounded half down": (
        "floor((20 * sum(days) + count(*)) / (2 * count(*))) / 10",
        "ceil((20 * sum(days) - count(*)) / (2 * count(*))) / 10",
    ),
}

OTHER_READINGS: dict[str, Change] = {
    "a case's alerts are those of the decision that it goes by": (
        "AS sis_alert_id FROM decision)",
        "AS sis_alert_id FROM decided_case)",
    ),
    "a re-encounter on or before the day of the decision begins no episode of its own": (
        "SELECT history, case_id, opened_on FROM enforcement_case WHERE basis = 'RE_ENCOUNTER'",
        "SELECT history, case_id, opened_on FROM enforcement_case JOIN decided_case USING (history, case_id)"
        " WHERE basis = 'RE_ENCOUNTER' AND opened_on >= decided_on",
    ),
    "the authority of an indicated episode is that of the registration in accordance": (
        "episode ORDER BY exit_on, registered_by",
        "episode ORDER BY exit_on, in_accordance DESC, registered_by",
    ),
    "a SIS exit makes any registration in accordance": (
        "OR schengen.country IS NULL\n",
        "OR schengen.country IS NULL OR left_by_sis.episode IS NOT NULL\n",
    ),
    "an order of a case without decision names nothing": (
        "FROM travel_order\nQUALIFY",
        "FROM travel_order SEMI JOIN decided_case USING (history, case_id)\nQUALIFY",
    ),
    "only the order that explains the outcome has it": (
        "FROM travel_order JOIN transport USING (history, case_id, order_id)",
        "FROM (SELECT * FROM travel_order QUALIFY row_number() OVER"
        " (PARTITION BY history, case_id, order_id ORDER BY ordered_on, record_id) = 1)"
        " JOIN transport USING (history, case_id, order_id)",
    ),
    "an order of any case has the outcome of its order_id": (
        "FROM travel_order JOIN transport USING (history, case_id, order_id)",
        "FROM (SELECT * EXCLUDE case_id FROM travel_order JOIN decided_case USING (history, case_id))"
        " JOIN (SELECT * EXCLUDE kind FROM transport) USING (history, order_id)",
    ),
    "a charter's flag is that of its transports to the country": (
        "SELECT transport.history, charter_id, charter.year, charter.frontex::VARCHAR AS frontex",
        "SELECT transport.history, charter_id, charter.year,"
        " (bool_or(transport.frontex) OVER (PARTITION BY history, charter_id, charter.year, country))"
        "::VARCHAR AS frontex",
    ),
    "of two handovers on one day the smaller id is the later": (
        "arg_max(h.reason, (handed_over_on, h.record_id))",
        "first(h.reason ORDER BY handed_over_on DESC, h.record_id)",
    ),
    "a mean that rounds to nothing is written": ("WHERE value <> 0", "WHERE value <> 0 OR count > 0"),
    "half is rounded away from zero": (
        "floor((20 * sum(days) + count(*)) / (2 * count(*))) / 10",
        "round(sum(days)::DECIMAL(18, 4) * 10 / count(*)) / 10",
    ),
}
