-- From the raw records to the latest, unretracted ones (contract, sections 1 and 2 "Latest"), one table a record type.
-- Given: raw (history, topic, ce_time, ce_id, value) with value in canonical JSON, and asked (history, as_of, horizon).
-- `history` keeps unrelated histories apart, so that one run answers many; no rule looks at it.

-- "Every record but FeedStatus starts with the same fields." A FeedStatus is no part of any figure.
CREATE TABLE record AS
SELECT history, topic, ce_time, ce_id, value,
    unnest(from_json_strict(value, '{"record_id": "VARCHAR", "revision": "BIGINT", "retracted": "BOOLEAN", "revised_on": "DATE"}'))
FROM raw
WHERE topic NOT LIKE '%.feed-status.v1';

-- Section 3, recount: as-of defaults "to the greatest revised_on", the horizon "to the year of as-of".
-- Reading: the greatest of all records read, replaced, retracted and waiting ones too.
CREATE TABLE question AS
SELECT history,
    coalesce(asked.as_of, greatest_revised_on) AS as_of,
    coalesce(asked.horizon, year(coalesce(asked.as_of, greatest_revised_on))) AS horizon
FROM asked JOIN (SELECT history, max(revised_on) AS greatest_revised_on FROM record GROUP BY history) USING (history);

-- "Latest. Per (topic, record_id): the highest revision." Ties (section 1): "the later ce_time wins, then the greater ce_id";
-- small print: times as instants, "two contents that tie in everything: the greater canonical JSON".
-- "Retracted: as if never registered": the highest revision is found first, then dropped when it is a retraction; so a higher,
-- unretracted revision revives the registration, and a lower one never does.
-- "--as-of a day: only revisions with revised_on on or before it exist."
CREATE TABLE latest AS
SELECT * EXCLUDE (retracted, nth) FROM (
    SELECT record.*, row_number() OVER (
        PARTITION BY history, topic, record_id ORDER BY revision DESC, ce_time DESC, ce_id DESC, value::VARCHAR DESC) AS nth
    FROM record JOIN question USING (history)
    WHERE revised_on <= as_of)
WHERE nth = 1 AND NOT retracted;

CREATE TABLE decision AS
SELECT history, topic, unnest(from_json_strict(value, '{
    "record_id": "VARCHAR", "case_id": "VARCHAR", "kind": "VARCHAR", "decided_on": "DATE", "final_on": "DATE",
    "immediate_enforcement": "BOOLEAN", "withdrawn_application": "BOOLEAN", "home_country": "VARCHAR",
    "destination_countries": ["VARCHAR"], "residence_countries": ["VARCHAR"], "sis_alert_ids": ["VARCHAR"],
    "criminal_actor": "BOOLEAN"}'))
FROM latest WHERE topic IN ('migrationsverket.decision.v1', 'polisen.decision.v1');

CREATE TABLE return_case AS
SELECT history, unnest(from_json_strict(value, '{
    "case_id": "VARCHAR", "opened_on": "DATE", "closed_on": "DATE", "close_reason": "VARCHAR"}'))
FROM latest WHERE topic = 'migrationsverket.return-case.v1';

CREATE TABLE case_handover AS
SELECT history, unnest(from_json_strict(value, '{
    "record_id": "VARCHAR", "case_id": "VARCHAR", "handed_over_on": "DATE", "reason": "VARCHAR"}'))
FROM latest WHERE topic = 'migrationsverket.case-handover.v1';

CREATE TABLE enforcement_case AS
SELECT history, unnest(from_json_strict(value, '{
    "record_id": "VARCHAR", "case_id": "VARCHAR", "opened_on": "DATE", "basis": "VARCHAR", "closed_on": "DATE",
    "close_reason": "VARCHAR"}'))
FROM latest WHERE topic = 'polisen.enforcement-case.v1';

-- "One agency writes one prefix": the topic tells whose registration it is.
CREATE TABLE exit_registration AS
SELECT history, split_part(topic, '.', 1) AS registered_by, unnest(from_json_strict(value, '{
    "record_id": "VARCHAR", "case_id": "VARCHAR", "registered_on": "DATE", "exit_on": "DATE", "destination_country": "VARCHAR",
    "enforcing_authority": "VARCHAR", "manner": "VARCHAR", "evidence": "VARCHAR"}'))
FROM latest WHERE topic IN ('migrationsverket.exit-registration.v1', 'polisen.exit-registration.v1');

CREATE TABLE travel_order AS
SELECT history, unnest(from_json_strict(value, '{
    "record_id": "VARCHAR", "case_id": "VARCHAR", "order_id": "VARCHAR", "ordered_on": "DATE", "destination_country": "VARCHAR",
    "cancelled_on": "DATE"}'))
FROM latest WHERE topic = 'polisen.travel-order.v1';

CREATE TABLE transport_outcome AS
SELECT history, unnest(from_json_strict(value, '{
    "record_id": "VARCHAR", "order_id": "VARCHAR", "performed": "BOOLEAN", "outcome_on": "DATE", "destination_country": "VARCHAR",
    "reason": "VARCHAR", "charter_id": "VARCHAR", "frontex": "BOOLEAN"}'))
FROM latest WHERE topic = 'kriminalvarden.transport-outcome.v1';

CREATE TABLE sis_exit AS
SELECT history, unnest(from_json_strict(value, '{
    "sis_alert_id": "VARCHAR", "exit_on": "DATE", "left_schengen": "BOOLEAN"}'))
FROM latest WHERE topic = 'sis.exit.v1';
