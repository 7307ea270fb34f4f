package utresa;

import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The eight topics whose records name a case, in the order of their names: an ordinal compares as a name does. */
enum Topic {
    AGENCY_HANDOVER("migrationsverket.case-handover.v1", 3),
    AGENCY_DECISION("migrationsverket.decision.v1", 1),
    AGENCY_EXIT("migrationsverket.exit-registration.v1", 4),
    AGENCY_RETURN_CASE("migrationsverket.return-case.v1", 2),
    POLICE_DECISION("polisen.decision.v1", 1),
    POLICE_ENFORCEMENT_CASE("polisen.enforcement-case.v1", 5),
    POLICE_EXIT("polisen.exit-registration.v1", 4),
    POLICE_TRAVEL_ORDER("polisen.travel-order.v1", 6);

    static final Topic[] ALL = values();
    private static final Map<String, Topic> BY_NAME =
            Stream.of(ALL).collect(Collectors.toMap(topic -> topic.label, Function.identity()));

    final String label;
    final int schemaId;

    Topic(String label, int schemaId) {
        this.label = label;
        this.schemaId = schemaId;
    }

    static Topic of(String label) {
        return BY_NAME.get(label);
    }
}
