-- The two areas of the contract's section 2 ("Two areas, as dated data, not as code") and the editions.

-- Territory: EU, EEA and Switzerland. "The territory's members are the EU's, IS, LI, NO, CH"; "GB until 2020-01-31, HR from
-- 2013-07-01". Both days are inside.
-- Reading: the contract dates GB and HR only, so every other member is inside on any day (not: from its own accession; the
-- records begin long after the last of those).
CREATE TABLE territory (country VARCHAR, from_day DATE, until_day DATE);
INSERT INTO territory
SELECT unnest(string_split(
    'AT BE BG CY CZ DE DK EE ES FI FR GR HU IE IT LT LU LV MT NL PL PT RO SE SI SK IS LI NO CH', ' ')), '-infinity', 'infinity';
INSERT INTO territory VALUES ('GB', '-infinity', '2020-01-31'), ('HR', '2013-07-01', 'infinity');

-- Schengen: "the Schengen area with abolished border checks (HR from 2023-01-01; BG and RO from 2024-03-31; not IE, not CY)".
-- GB was never in it. AX, GF, GI, XK and every other code are outside both areas by not being listed.
CREATE TABLE schengen (country VARCHAR, from_day DATE);
INSERT INTO schengen
SELECT unnest(string_split(
    'AT BE CZ DE DK EE ES FI FR GR HU IT LT LU LV MT NL PL PT SE SI SK IS LI NO CH', ' ')), '-infinity';
INSERT INTO schengen VALUES ('HR', '2023-01-01'), ('BG', '2024-03-31'), ('RO', '2024-03-31');

-- The editions, as data (§1.2: what the report of 2024 changed). Both columns concern kind removal only.
--   enforceable_only          the considered registrations are the enforceable ones (2022 and 2023)
--   migration_agency_only     the considered registrations are the Migration Agency's, also for exits by the Police (2024)
CREATE TABLE edition (edition VARCHAR, enforceable_only BOOLEAN, migration_agency_only BOOLEAN);
INSERT INTO edition VALUES ('2022', true, false), ('2023', true, false), ('2024', false, true);
