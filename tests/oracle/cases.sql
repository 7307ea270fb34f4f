-- From the latest records to cases, episodes, registrations, exits and transports (contract, section 2).

-- "The decision. Of several, the smallest (decided_on, topic, record_id)." With none, the case is in no table below that joins
-- this one, and so "counts towards nothing yet".
-- "Its kind is written removal, dublin, refusal, court_expulsion; dublin always means decided by the Migration Agency: a
-- DUBLIN_TRANSFER on polisen.decision.v1 has kind police_dublin."
CREATE TABLE decided_case AS
SELECT * EXCLUDE (topic, record_id, kind),
    CASE kind
        WHEN 'REMOVAL' THEN 'removal'
        WHEN 'REFUSAL_OF_ENTRY' THEN 'refusal'
        WHEN 'COURT_EXPULSION' THEN 'court_expulsion'
        WHEN 'DUBLIN_TRANSFER' THEN if(topic = 'polisen.decision.v1', 'police_dublin', 'dublin')
    END AS kind
FROM decision
QUALIFY row_number() OVER (PARTITION BY history, case_id ORDER BY decided_on, topic, record_id) = 1;

-- Section 1: "SisExit names its case through the alert"; "Should two cases name one alert or one order, the record belongs to the
-- case with the smaller case_id."
-- Reading: a case names the alerts of all its unretracted decisions, not of the one that it goes by alone: a case "is everything
-- known under one case_id", and an alert stays a fact about the person when another decision is the smaller one.
CREATE TABLE alert AS
SELECT history, sis_alert_id, min(case_id) AS case_id
FROM (SELECT history, case_id, unnest(sis_alert_ids) AS sis_alert_id FROM decision)
GROUP BY history, sis_alert_id;

CREATE TABLE case_sis_exit AS
SELECT history, case_id, exit_on FROM sis_exit JOIN alert USING (history, sis_alert_id) WHERE left_schengen;

-- "Episode. The first begins with the decision; each EnforcementCase with basis RE_ENCOUNTER begins another on its opened_on
-- (two on one day begin one)."
-- Reading: the episodes of a case are its distinct start days in order. So a re-encounter on the day of the decision begins
-- nothing new, and one dated before the decision begins an episode of its own, then the earliest.
CREATE TABLE episode AS
SELECT history, case_id, decided_on AS begun_on FROM decided_case
UNION
SELECT history, case_id, opened_on FROM enforcement_case WHERE basis = 'RE_ENCOUNTER';

-- "An exit belongs to the latest episode begun on or before exit_on; before the first, to the first." "A SisExit's episode is
-- found as an exit's is."
CREATE TABLE episode_of_day AS
SELECT history, case_id, exit_on, coalesce(max(begun_on) FILTER (begun_on <= exit_on), min(begun_on)) AS episode
FROM (SELECT history, case_id, exit_on FROM exit_registration UNION SELECT history, case_id, exit_on FROM case_sis_exit)
JOIN episode USING (history, case_id)
GROUP BY history, case_id, exit_on;

CREATE TABLE episode_left_by_sis AS
SELECT DISTINCT history, case_id, episode FROM case_sis_exit JOIN episode_of_day USING (history, case_id, exit_on);

-- "A CaseHandover (handed_over_on) or an EnforcementCase (opened_on) of the case", of any basis and in any episode: small print,
-- "a handover in any earlier episode makes the Police the enforcing authority".
CREATE TABLE police_case AS
SELECT history, case_id, min(day) AS police_since
FROM (SELECT history, case_id, handed_over_on AS day FROM case_handover
      UNION ALL SELECT history, case_id, opened_on FROM enforcement_case)
GROUP BY history, case_id;

-- Every ExitRegistration of a decided case, with what the definitions say of it. No edition yet.
CREATE TABLE registration AS
SELECT history, case_id, kind, r.record_id, registered_by, registered_on, exit_on, exit_on - decided_on AS days, episode,
    r.destination_country, manner, criminal_actor,

    -- "Enforceable (§1.2): final_on on or before exit_on, or immediate_enforcement, or withdrawn_application."
    coalesce(final_on <= exit_on, false) OR immediate_enforcement OR withdrawn_application AS enforceable,

    -- "Indicated by Skatteverket (§3.1): evidence SKATTEVERKET."
    evidence = 'SKATTEVERKET' AS indicated,

    -- "Destination class: unknown when destination_country is null; else eu_country when it is inside the territory on exit_on;
    -- else home_country when it equals the decision's home_country; else third_country."
    CASE
        WHEN r.destination_country IS NULL THEN 'unknown'
        WHEN territory.country IS NOT NULL THEN 'eu_country'
        WHEN r.destination_country = home_country THEN 'home_country'
        ELSE 'third_country'
    END AS destination,

    -- "In accordance (§2.1): the destination is one of destination_countries or residence_countries, or lies outside Schengen on
    -- exit_on; or it is unknown and the evidence is SIS, or a SisExit of one of the case's alerts with left_schengen = true lies
    -- in the same episode (footnote 3)."
    -- Reading: both SIS conditions are for the unknown destination; footnote 3 speaks of "okänd destination, men vetskap finns
    -- (genom SIS)". A known destination inside Schengen is not mended by a SisExit.
    CASE
        WHEN r.destination_country IS NULL THEN evidence = 'SIS' OR left_by_sis.episode IS NOT NULL
        ELSE list_contains(destination_countries, r.destination_country)
            OR list_contains(residence_countries, r.destination_country)
            OR schengen.country IS NULL
    END AS in_accordance,

    -- "Enforcing authority of an exit on a decision of the Migration Agency: enforcing_authority where given; else POLISEN when
    -- the registration is the Police's, or when a CaseHandover or an EnforcementCase is dated on or before exit_on; else
    -- MIGRATIONSVERKET. For every other kind: POLISEN", whatever is given.
    CASE
        WHEN kind NOT IN ('removal', 'dublin') THEN 'polisen'
        WHEN enforcing_authority IS NOT NULL THEN lower(enforcing_authority)
        WHEN registered_by = 'polisen' OR coalesce(police_since <= exit_on, false) THEN 'polisen'
        ELSE 'migrationsverket'
    END AS authority
FROM exit_registration r
JOIN decided_case USING (history, case_id)
JOIN episode_of_day USING (history, case_id, exit_on)
LEFT JOIN episode_left_by_sis left_by_sis USING (history, case_id, episode)
LEFT JOIN police_case USING (history, case_id)
LEFT JOIN territory ON territory.country = r.destination_country AND exit_on BETWEEN territory.from_day AND until_day
LEFT JOIN schengen ON schengen.country = r.destination_country AND exit_on >= schengen.from_day;

-- "Considered registrations", in each edition: those of both authorities; for kind removal, only what the edition admits.
-- Small print: "an enforceable-only edition looks at enforceability before anything else", so what fails it is nowhere below.
CREATE TABLE considered AS
SELECT edition, registration.*
FROM registration CROSS JOIN edition
WHERE kind <> 'removal'
   OR ((NOT enforceable_only OR enforceable) AND (NOT migration_agency_only OR registered_by = 'migrationsverket'));

-- "The counted exit. Per episode at most one, of the considered registrations not indicated by Skatteverket: in accordance before
-- not, then earlier exit_on, then the Migration Agency's before the Police's, then smaller record_id. For kind removal it counts
-- as an exit only when it is in accordance (Table 1); for the other kinds it counts either way (§3.2 'alla utresor')."
CREATE TABLE counted_exit AS
SELECT * EXCLUDE (nth) FROM (
    SELECT *, row_number() OVER (
        PARTITION BY history, edition, case_id, episode
        ORDER BY in_accordance DESC, exit_on, registered_by = 'polisen', record_id) AS nth
    FROM considered
    WHERE NOT indicated)
WHERE nth = 1 AND (kind <> 'removal' OR in_accordance);

-- §3.1: the episodes "whose considered registrations are all indicated by Skatteverket". With no considered registration an
-- episode is not one of them.
-- Reading: the authority is that of the registration with the earliest exit_on; on one day the Migration Agency's before the
-- Police's, then the smaller record_id, as for the counted exit.
CREATE TABLE indicated_episode AS
SELECT history, edition, case_id, kind, exit_on, authority
FROM considered
WHERE kind IN ('removal', 'dublin')
QUALIFY bool_and(indicated) OVER (PARTITION BY history, edition, case_id, episode)
    AND row_number() OVER (
        PARTITION BY history, edition, case_id, episode ORDER BY exit_on, registered_by = 'polisen', record_id) = 1;

-- "TransportOutcome names its case through the order"; of two cases, the one with the smaller case_id.
-- Reading: a case without a decision names its orders too; the outcome is then that case's, and counts towards nothing.
-- "Several TravelOrders with one order_id: the smallest (ordered_on, record_id) explains the outcome": of the case it belongs to.
CREATE TABLE explaining_order AS
SELECT history, order_id, case_id, destination_country
FROM travel_order
QUALIFY row_number() OVER (PARTITION BY history, order_id ORDER BY case_id, ordered_on, record_id) = 1;

-- "Of several outcomes of one order the later outcome_on holds, then the greater record_id": the others are no transports.
CREATE TABLE holding_outcome AS
SELECT * FROM transport_outcome
QUALIFY row_number() OVER (PARTITION BY history, order_id ORDER BY outcome_on DESC, record_id DESC) = 1;

-- "Area of a transport: of its destination_country, else of its order's, on outcome_on: schengen; territory (inside the territory,
-- outside Schengen); outside; unknown." "An outcome counts once an unretracted order has its id."
-- Reading: its country (charters_by_country) is found the same way, and an order without one leaves it unknown, whatever another
-- order of the same id says.
CREATE TABLE transport AS
SELECT t.*,
    CASE
        WHEN t.country IS NULL THEN 'unknown'
        WHEN schengen.country IS NOT NULL THEN 'schengen'
        WHEN territory.country IS NOT NULL THEN 'territory'
        ELSE 'outside'
    END AS area
FROM (
    SELECT history, case_id, kind, order_id, performed, outcome_on, reason, charter_id, frontex,
        coalesce(outcome.destination_country, explaining.destination_country) AS country
    FROM holding_outcome outcome
    JOIN explaining_order explaining USING (history, order_id)
    JOIN decided_case USING (history, case_id)) t
LEFT JOIN territory ON territory.country = t.country AND outcome_on BETWEEN territory.from_day AND until_day
LEFT JOIN schengen ON schengen.country = t.country AND outcome_on >= schengen.from_day;

-- A charter is a (charter_id, year) of performed transports; "frontex: true when any of its transports says so".
-- Reading: its transports are the performed ones of that year, so a flag on one that was not performed, or in another year, says
-- nothing.
CREATE TABLE charter AS
SELECT history, charter_id, year(outcome_on) AS year, bool_or(frontex) AS frontex
FROM transport
WHERE performed AND charter_id IS NOT NULL
GROUP BY history, charter_id, year(outcome_on);
