-- From the latest records to the findings of reconciliation (contract, section 4), after records.sql and cases.sql.
-- A finding is (history, key, code, day, records): key is the case_id, or alert/ID or order/ID where no case is known; day is that
-- on which the episode began, or the registration's own; records are topic/record_id of all that it is about.

-- "Such a registration never makes an exit" (section 2, of those indicated by Skatteverket).
-- Reading: what section 4 calls an exit, or a registered exit, is every other registration, of both authorities and in no edition.
CREATE TABLE registered_exit AS
SELECT history, case_id, registered_by, record_id, exit_on, destination_country, enforcing_authority, evidence,
    registered_by || '.exit-registration.v1/' || record_id AS record
FROM exit_registration
WHERE evidence <> 'SKATTEVERKET';

-- Those of a case with a decision, in their episodes.
CREATE TABLE episode_exit AS
SELECT registered_exit.*, kind, episode, days, authority
FROM registered_exit JOIN registration USING (history, case_id, registered_by, record_id);

-- A SisExit with left_schengen, in the case and the episode to which it belongs.
CREATE TABLE confirmed_exit AS
SELECT history, case_id, episode, record
FROM (
    SELECT history, topic || '/' || record_id AS record, value ->> 'sis_alert_id' AS sis_alert_id, (value ->> 'exit_on')::DATE AS exit_on
    FROM latest WHERE topic = 'sis.exit.v1' AND (value ->> 'left_schengen')::BOOLEAN)
JOIN alert USING (history, sis_alert_id)
JOIN episode_of_day USING (history, case_id, exit_on);

-- Reading: an EnforcementCase lies in the latest episode begun on or before opened_on, before the first in the first. "The first
-- begins with the decision", so without a decision there are none, though the case be of a re-encounter.
CREATE TABLE enforcement_episode AS
SELECT history, case_id, e.record_id, coalesce(max(begun_on) FILTER (begun_on <= opened_on), min(begun_on)) AS episode
FROM enforcement_case e JOIN episode USING (history, case_id) SEMI JOIN decided_case USING (history, case_id)
GROUP BY history, case_id, e.record_id;

-- The outcome that holds of each order_id, in the case that it belongs to, which may be one without a decision.
CREATE TABLE belonging_outcome AS
SELECT history, case_id, order_id, outcome.record_id, performed, outcome_on,
    coalesce(outcome.destination_country, explaining.destination_country) AS country
FROM holding_outcome outcome JOIN explaining_order explaining USING (history, order_id);

-- Who names which alert or order ("a case names the alerts of all its unretracted decisions"), and what has arrived under it.
CREATE TABLE naming AS
SELECT DISTINCT history, 'alert/' || unnest(sis_alert_ids) AS reference, case_id, topic || '/' || record_id AS record FROM decision
UNION ALL
SELECT history, 'order/' || order_id, case_id, 'polisen.travel-order.v1/' || record_id FROM travel_order;

CREATE TABLE referring AS
SELECT history, topic || '/' || record_id AS record,
    CASE topic WHEN 'sis.exit.v1' THEN 'alert/' || (value ->> 'sis_alert_id') ELSE 'order/' || (value ->> 'order_id') END AS reference
FROM latest WHERE topic IN ('sis.exit.v1', 'kriminalvarden.transport-outcome.v1');

CREATE TABLE finding (history INTEGER, key VARCHAR, code VARCHAR, day DATE, records VARCHAR[]);

-- "An exit registered by both authorities in one episode with different day, destination or enforcing authority."
-- Reading: the enforcing authority is that of section 2. Unknown and a country are different destinations. With several
-- registrations, any two of the two authorities; the finding is about all exits of the episode.
INSERT INTO finding
SELECT history, case_id, 'exits-differ', episode, list(record)
FROM episode_exit SEMI JOIN (
    SELECT own.history, own.case_id, own.episode
    FROM episode_exit own JOIN episode_exit police USING (history, case_id, episode)
    WHERE own.registered_by = 'migrationsverket' AND police.registered_by = 'polisen'
        AND (own.exit_on <> police.exit_on
            OR own.destination_country IS DISTINCT FROM police.destination_country
            OR own.authority <> police.authority)) USING (history, case_id, episode)
GROUP BY history, case_id, episode;

-- "More than one registration by one authority in an episode, not indicated by Skatteverket."
INSERT INTO finding
SELECT history, case_id, 'exit-repeated', episode, list(record)
FROM episode_exit GROUP BY history, case_id, episode, registered_by HAVING count(*) > 1;

-- "Kind removal: the Police registered an exit in an episode, the Migration Agency none."
INSERT INTO finding
SELECT history, case_id, 'exit-missing-at-migrationsverket', episode, list(record)
FROM episode_exit police ANTI JOIN (FROM episode_exit WHERE registered_by = 'migrationsverket') USING (history, case_id, episode)
WHERE kind = 'removal'
GROUP BY history, case_id, episode;

-- "A SisExit with left_schengen in an episode without a registered exit."
INSERT INTO finding
SELECT history, case_id, 'exit-unregistered', episode, list(record)
FROM confirmed_exit ANTI JOIN episode_exit USING (history, case_id, episode)
GROUP BY history, case_id, episode;

-- "An exit registered as unknown, neither evidence SIS nor a SisExit."
-- Reading: the SisExit is that of "in accordance": with left_schengen, in the same episode.
INSERT INTO finding
SELECT history, case_id, 'exit-unconfirmed', exit_on, [record]
FROM episode_exit ANTI JOIN confirmed_exit USING (history, case_id, episode)
WHERE destination_country IS NULL AND evidence <> 'SIS';

-- "exit_on before decided_on": of the decision that the case goes by.
INSERT INTO finding
SELECT history, case_id, 'exit-before-decision', exit_on, [record] FROM episode_exit WHERE days < 0;

-- "enforcing_authority MIGRATIONSVERKET on an exit after a handover."
-- Reading: the field as registered, on whatever kind of decision or none. "After" is as for the enforcing authority: "dated on or
-- before exit_on".
INSERT INTO finding
SELECT history, case_id, 'authority-unlikely', exit_on, [record]
FROM registered_exit e
WHERE enforcing_authority = 'MIGRATIONSVERKET' AND EXISTS (
    FROM case_handover h WHERE h.history = e.history AND h.case_id = e.case_id AND handed_over_on <= exit_on);

-- "An EnforcementCase closed EXIT, no registered exit in its episode." Small print: "without closed_on nothing is closed".
INSERT INTO finding
SELECT history, case_id, 'closed-without-exit', closed_on, ['polisen.enforcement-case.v1/' || record_id]
FROM enforcement_case JOIN enforcement_episode USING (history, case_id, record_id)
ANTI JOIN episode_exit USING (history, case_id, episode)
WHERE closed_on IS NOT NULL AND close_reason = 'EXIT';

-- "A performed transport out of Schengen, no registered exit within 30 days after (from as_of)."
-- Reading: out of Schengen is to a known country outside it; within 30 days after is an exit_on of one of the days 0 to 30; the 30
-- days have passed on the 30th. The case needs no decision for it.
INSERT INTO finding
SELECT history, case_id, 'transport-without-exit', outcome_on, ['kriminalvarden.transport-outcome.v1/' || record_id]
FROM belonging_outcome t JOIN question USING (history)
WHERE performed AND country IS NOT NULL AND outcome_on + 30 <= as_of
    AND NOT EXISTS (FROM schengen s WHERE s.country = t.country AND outcome_on >= from_day)
    AND NOT EXISTS (
        FROM registered_exit e
        WHERE e.history = t.history AND e.case_id = t.case_id AND exit_on BETWEEN outcome_on AND outcome_on + 30);

-- "An order not cancelled, without outcome 30 days after ordered_on (from as_of)."
-- Reading: the outcome may come later; of an order_id that two cases name it belongs to one of them, and the other is without.
INSERT INTO finding
SELECT history, case_id, 'order-without-outcome', ordered_on, ['polisen.travel-order.v1/' || record_id]
FROM travel_order JOIN question USING (history)
ANTI JOIN belonging_outcome USING (history, case_id, order_id)
WHERE cancelled_on IS NULL AND ordered_on + 30 <= as_of;

-- "A case with none, or several."
-- Reading: a case is there when a record that names it is unretracted.
INSERT INTO finding
SELECT DISTINCT history, value ->> 'case_id', 'decision-missing', NULL::DATE, []::VARCHAR[]
FROM latest ANTI JOIN decision ON latest.history = decision.history AND latest.value ->> 'case_id' = decision.case_id
WHERE value ->> 'case_id' IS NOT NULL;

INSERT INTO finding
SELECT history, case_id, 'decision-repeated', NULL, list(topic || '/' || record_id)
FROM decision GROUP BY history, case_id HAVING count(*) > 1;

-- "An event whose alert or order has no case, or several."
-- Reading: the ambiguous is a finding of each of the cases, about the events and all that names their alert or order.
INSERT INTO finding
SELECT history, reference, 'reference-unknown', NULL, list(record)
FROM referring ANTI JOIN naming USING (history, reference)
GROUP BY history, reference;

INSERT INTO finding
SELECT history, case_id, 'reference-ambiguous', NULL, records
FROM (SELECT DISTINCT history, reference, case_id FROM naming)
JOIN (SELECT history, reference FROM naming GROUP BY history, reference HAVING count(DISTINCT case_id) > 1) USING (history, reference)
SEMI JOIN referring USING (history, reference)
JOIN (
    SELECT history, reference, list(record) AS records
    FROM (SELECT history, reference, record FROM naming UNION ALL SELECT history, reference, record FROM referring)
    GROUP BY history, reference) USING (history, reference);
