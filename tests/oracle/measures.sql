-- The measures (contract, section 2 "Measures"): one row in `counted` for each thing that a figure counts.
-- "A null is written unknown. Enum values are written in lower case." `days` is of the one mean.

CREATE TABLE counted (history INTEGER, edition VARCHAR, measure VARCHAR, year BIGINT, dims MAP(VARCHAR, VARCHAR), days BIGINT);

-- Measures over the exits differ by edition --------------------------------------------------------------------------------------

INSERT INTO counted  -- Table 1
SELECT history, edition, 'exits_removal', year(exit_on), MAP {'authority': authority, 'destination': destination}, NULL
FROM counted_exit WHERE kind = 'removal';

INSERT INTO counted  -- Table 2
SELECT history, edition, 'exits_dublin', year(exit_on), MAP {'authority': authority, 'destination': destination}, NULL
FROM counted_exit WHERE kind = 'dublin';

INSERT INTO counted  -- Table 3
SELECT history, edition, 'refusals_enforced', year(exit_on), MAP {'manner': coalesce(lower(manner), 'unknown')}, NULL
FROM counted_exit WHERE kind = 'refusal';

INSERT INTO counted  -- Table 4
SELECT history, edition, 'court_expulsions_enforced', year(exit_on), MAP {}, NULL
FROM counted_exit WHERE kind = 'court_expulsion';

INSERT INTO counted  -- §3.1
SELECT history, edition, 'exits_tax_agency_indicated', year(exit_on), MAP {'authority': authority}, NULL
FROM indicated_episode;

INSERT INTO counted  -- footnote 4; "late is by registered_on, whatever later revisions say": revised_on makes no exit late
SELECT history, edition, 'exits_late_registered', year(exit_on), MAP {'kind': kind, 'authority': authority}, NULL
FROM counted_exit WHERE year(registered_on) > year(exit_on);

INSERT INTO counted  -- §3.2.1, §3.2.2
SELECT history, edition, 'exits_by_country', year(exit_on),
    MAP {'kind': kind, 'authority': authority, 'country': coalesce(destination_country, 'unknown')}, NULL
FROM counted_exit;

INSERT INTO counted  -- §3.3; criminal_actor is the decision's
SELECT history, edition, 'criminal_actors_refused', year(exit_on), MAP {'month': strftime(exit_on, '%m')}, NULL
FROM counted_exit WHERE kind = 'refusal' AND criminal_actor;

INSERT INTO counted  -- §3.2.1; an exit before the decision has negative days
SELECT history, edition, 'dublin_days_to_exit', year(exit_on), MAP {'authority': authority}, days
FROM counted_exit WHERE kind = 'dublin';

-- Measures over the other records are alike in every edition ---------------------------------------------------------------------

CREATE TABLE counted_alike (history INTEGER, measure VARCHAR, year BIGINT, dims MAP(VARCHAR, VARCHAR));

INSERT INTO counted_alike  -- footnote 2: "ExitRegistrations, of both authorities"; small print: it "looks at all", in any edition
SELECT history, 'exits_not_in_accordance', year(registered_on), MAP {'registered_by': registered_by}
FROM registration WHERE kind = 'removal' AND NOT in_accordance AND NOT indicated;

-- Table 4: "EnforcementCases, kind court_expulsion, basis COURT_EXPULSION or RE_ENCOUNTER"
CREATE VIEW incoming_court_expulsion AS
SELECT history, opened_on, enforcement_case.closed_on, coalesce(home_country, 'unknown') AS country
FROM enforcement_case JOIN decided_case USING (history, case_id)
WHERE kind = 'court_expulsion' AND basis IN ('COURT_EXPULSION', 'RE_ENCOUNTER');

INSERT INTO counted_alike
SELECT history, 'court_expulsions_incoming', year(opened_on), MAP {}
FROM incoming_court_expulsion;

-- Table 4: "stock: of the incoming, those opened on or before the last day of the year and not closed by then, every year up to the
-- horizon". Closed on the last day is closed by then; closed before it was opened is never open.
CREATE TABLE open_court_expulsion AS
SELECT history, country, year
FROM incoming_court_expulsion JOIN question USING (history), unnest(generate_series(year(opened_on), horizon)) AS years (year)
WHERE closed_on IS NULL OR closed_on > make_date(year, 12, 31);

INSERT INTO counted_alike
SELECT history, 'court_expulsions_open', year, MAP {}
FROM open_court_expulsion;

INSERT INTO counted_alike  -- §3.4: country = home_country
SELECT history, 'court_expulsions_open_by_country', year, MAP {'country': country}
FROM open_court_expulsion;

-- Small print: "only the decision that the case goes by counts" in the three of decisions.
INSERT INTO counted_alike  -- §3.1.1
SELECT history, 'removal_decisions', year(decided_on), MAP {}
FROM decided_case WHERE kind = 'removal';

INSERT INTO counted_alike  -- §3.1.1
SELECT history, 'removal_decisions_final', year(final_on), MAP {}
FROM decided_case WHERE kind = 'removal' AND final_on IS NOT NULL;

INSERT INTO counted_alike  -- §3.2.1: of the Migration Agency
SELECT history, 'dublin_decisions', year(decided_on), MAP {}
FROM decided_case WHERE kind = 'dublin';

INSERT INTO counted_alike  -- §2.4
SELECT history, 'return_cases_opened', year(opened_on), MAP {'kind': kind}
FROM return_case JOIN decided_case USING (history, case_id);

INSERT INTO counted_alike  -- §2.4; "without closed_on nothing is closed"
SELECT history, 'return_cases_closed', year(closed_on), MAP {'kind': kind, 'reason': coalesce(lower(close_reason), 'unknown')}
FROM return_case JOIN decided_case USING (history, case_id) WHERE closed_on IS NOT NULL;

INSERT INTO counted_alike  -- §3.2.2
SELECT history, 'handovers', year(handed_over_on), MAP {'kind': kind, 'reason': lower(reason)}
FROM case_handover JOIN decided_case USING (history, case_id);

INSERT INTO counted_alike  -- §2.5
SELECT history, 'enforcement_cases_opened', year(opened_on), MAP {'kind': kind, 'basis': lower(basis)}
FROM enforcement_case JOIN decided_case USING (history, case_id);

INSERT INTO counted_alike  -- §2.5, §3.2.2
SELECT history, 'enforcement_cases_closed', year(closed_on),
    MAP {'kind': kind, 'basis': lower(basis), 'reason': coalesce(lower(close_reason), 'unknown')}
FROM enforcement_case JOIN decided_case USING (history, case_id) WHERE closed_on IS NOT NULL;

-- §3.1.2: "EnforcementCases, basis HANDOVER; reason of the latest CaseHandover on or before opened_on, else of the earliest, else
-- unknown"; "country = first of destination_countries, else home_country".
-- Reading: of two handovers on one day the later is the one with the greater record_id and the earlier the one with the smaller,
-- as (outcome_on, record_id) and (ordered_on, record_id) decide elsewhere.
CREATE TABLE received_case AS
SELECT history, kind, opened_on,
    coalesce(list_extract(destination_countries, 1), home_country, 'unknown') AS country,
    coalesce(
        (SELECT lower(arg_max(h.reason, (handed_over_on, h.record_id))) FROM case_handover h
         WHERE h.history = e.history AND h.case_id = e.case_id AND handed_over_on <= opened_on),
        (SELECT lower(arg_min(h.reason, (handed_over_on, h.record_id))) FROM case_handover h
         WHERE h.history = e.history AND h.case_id = e.case_id),
        'unknown') AS reason
FROM enforcement_case e JOIN decided_case USING (history, case_id)
WHERE basis = 'HANDOVER';

INSERT INTO counted_alike
SELECT history, 'enforcement_cases_received', year(opened_on), MAP {'kind': kind, 'reason': reason}
FROM received_case;

INSERT INTO counted_alike
SELECT history, 'enforcement_cases_received_by_country', year(opened_on), MAP {'kind': kind, 'country': country}
FROM received_case;

INSERT INTO counted_alike  -- §3.1.3, §3.2.2: "TravelOrders, cancelled or not"; of several with one order_id "each is an order"
SELECT history, 'travel_orders', year(ordered_on), MAP {'kind': kind}
FROM travel_order JOIN decided_case USING (history, case_id);

INSERT INTO counted_alike
SELECT history, 'travel_orders_cancelled', year(ordered_on), MAP {'kind': kind}
FROM travel_order JOIN decided_case USING (history, case_id) WHERE cancelled_on IS NOT NULL;

-- §3.1.3, §3.2.2: the orders "whose outcome is performed", or is not; an order without outcome is neither.
-- Reading: the outcome of an order is the one that holds for its order_id, when that belongs to the order's own case. So each of
-- several orders of a case with one order_id has that outcome, with the area found by the smallest; an order of another case with
-- the same order_id has none.
CREATE VIEW ordered_transport AS
SELECT history, ordered_on, kind, performed, area, reason
FROM travel_order JOIN transport USING (history, case_id, order_id);

INSERT INTO counted_alike
SELECT history, 'travel_orders_performed', year(ordered_on), MAP {'kind': kind, 'area': area}
FROM ordered_transport WHERE performed;

INSERT INTO counted_alike
SELECT history, 'travel_orders_not_performed', year(ordered_on), MAP {'kind': kind, 'reason': coalesce(lower(reason), 'unknown')}
FROM ordered_transport WHERE NOT performed;

INSERT INTO counted_alike  -- §3.3, §3.4
SELECT history, 'transports_performed', year(outcome_on), MAP {'kind': kind, 'area': area}
FROM transport WHERE performed;

INSERT INTO counted_alike  -- §3.1.2, §3.1.3: distinct (charter_id, year) of performed transports
SELECT history, 'charters', year, MAP {'frontex': frontex::VARCHAR}
FROM charter;

-- §3.1.2: distinct (charter_id, year, country) of performed transports, and those who went. "frontex: the charter's" in both.
CREATE VIEW charter_transport AS
SELECT transport.history, charter_id, charter.year, charter.frontex::VARCHAR AS frontex, coalesce(country, 'unknown') AS country
FROM transport JOIN charter USING (history, charter_id)
WHERE performed AND charter.year = year(outcome_on);

INSERT INTO counted_alike
SELECT DISTINCT ON (history, charter_id, year, country)
    history, 'charters_by_country', year, MAP {'frontex': frontex, 'country': country}
FROM charter_transport;

INSERT INTO counted_alike
SELECT history, 'charter_passengers', year, MAP {'frontex': frontex}
FROM charter_transport;

INSERT INTO counted
SELECT history, edition, measure, year, dims, NULL
FROM counted_alike CROSS JOIN edition;

-- The figures ("values are exact integers"), and the mean "rounded half up to one decimal", with its count and sum.
-- Reading: half up is towards the greater number, also for a negative mean: the floor of ten means and a half.
-- Reading: "non-zero values only" is by the value as written, so a mean that rounds to 0.0 is left out.
CREATE VIEW figure AS
SELECT * FROM (
    SELECT history, edition, measure, year, dims,
        if(count(days) > 0, floor((20 * sum(days) + count(*)) / (2 * count(*))) / 10, count(*)) AS value,
        count(days) AS count, sum(days)::BIGINT AS sum
    FROM counted
    GROUP BY history, edition, measure, year, dims)
WHERE value <> 0;
