package utresa;

import java.time.LocalDate;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import utresa.Registration.Decision;
import utresa.Registration.EnforcementCase;
import utresa.Registration.EnforcementCase.Basis;
import utresa.Registration.ExitRegistration;
import utresa.Registration.Handover;
import utresa.Registration.ReturnCase;
import utresa.Registration.TravelOrder;

/**
 * What a case counts as in the editions 2022, 2023 and 2024: every measure that the eight topics can move, by the same
 * rules as utresa.domain (its docstrings name the sections of the report). SIS exits and transport outcomes, and the six
 * measures that only these move, are not among the bench's input.
 *
 * <p>What the editions count alike is worked out once; each contribution says by a bit for which editions it is.
 */
final class Definitions {
    static final String[] EDITIONS = {"2022", "2023", "2024"};
    private static final int ALL = 0b111;
    private static final int UP_TO_2023 = 0b011;
    private static final int FROM_2024 = 0b100;
    private static final int NONE = Registration.NONE;
    private static final String[] MONTHS = {"01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12"};
    private static final String AGENCY = "migrationsverket";
    private static final String POLICE = "polisen";

    /** Where a contribution is added. */
    record Cell(String measure, int year, List<String> dims, String part) {}

    record Contribution(int editions, Cell cell, int amount) {}

    private record Exit(
            ExitRegistration record,
            String registeredBy,
            int episode,
            String destination,
            String authority,
            boolean inAccordance,
            boolean enforceable) {
        boolean byTaxAgency() {
            return record.evidence() == ExitRegistration.TAX_AGENCY;
        }
    }

    private static final Comparator<Exit> EARLIER = Comparator.<Exit>comparingInt(exit -> exit.record.exitOn())
            .thenComparing(Exit::registeredBy)
            .thenComparing(exit -> exit.record.head().recordId());
    private static final Comparator<Exit> PREFERENCE =
            Comparator.<Exit, Boolean>comparing(exit -> !exit.inAccordance).thenComparing(EARLIER);

    private final List<Contribution> found = new ArrayList<>();
    private Decision decision;
    private String kind;
    private final List<Handover> handovers = new ArrayList<>();
    private final List<EnforcementCase> enforcementCases = new ArrayList<>();

    private Definitions() {}

    /** What the case contributes: nothing without a decision. */
    static List<Contribution> contributions(Row row) {
        return new Definitions().of(row);
    }

    private List<Contribution> of(Row row) {
        Row.Event deciding = null;
        List<Row.Event> registrations = new ArrayList<>();
        for (Row.Event event : row.events) {
            if (event.record().head().retracted()) {
                continue;
            }
            if (event.record() instanceof Decision && (deciding == null || decidesBefore(event, deciding))) {
                deciding = event;
            } else if (event.record() instanceof ExitRegistration) {
                registrations.add(event);
            } else if (event.record() instanceof Handover handover) {
                handovers.add(handover);
            } else if (event.record() instanceof EnforcementCase enforcementCase) {
                enforcementCases.add(enforcementCase);
            }
        }
        if (deciding == null) {
            return List.of();
        }
        decision = (Decision) deciding.record();
        kind = kindOf(deciding.topic(), decision.kind());
        addDecision();
        for (Row.Event event : row.events) {
            if (!event.record().head().retracted()) {
                if (event.record() instanceof ReturnCase returnCase) {
                    addReturnCase(returnCase);
                } else if (event.record() instanceof TravelOrder order) {
                    addOrder(order);
                }
            }
        }
        handovers.forEach(this::addHandover);
        enforcementCases.forEach(this::addEnforcementCase);
        if (!registrations.isEmpty()) {
            addExits(judge(registrations));
        }
        return found;
    }

    private static boolean decidesBefore(Row.Event one, Row.Event other) {
        int order = Integer.compare(((Decision) one.record()).decidedOn(), ((Decision) other.record()).decidedOn());
        order = order != 0 ? order : one.topic().compareTo(other.topic());
        order = order != 0
                ? order
                : one.record().head().recordId().compareTo(other.record().head().recordId());
        return order < 0;
    }

    private static String kindOf(Topic topic, Decision.Kind kind) {
        return switch (kind) {
            case REMOVAL -> "removal";
            case DUBLIN_TRANSFER -> topic == Topic.AGENCY_DECISION ? "dublin" : "police_dublin";
            case REFUSAL_OF_ENTRY -> "refusal";
            case COURT_EXPULSION -> "court_expulsion";
        };
    }

    // Decisions, cases and orders

    private void addDecision() {
        if (kind.equals("removal")) {
            count("removal_decisions", decision.decidedOn());
            count("removal_decisions_final", decision.finalOn());
        } else if (kind.equals("dublin")) {
            count("dublin_decisions", decision.decidedOn());
        }
    }

    private void addReturnCase(ReturnCase one) {
        count("return_cases_opened", one.openedOn(), kind);
        count("return_cases_closed", one.closedOn(), kind, label(ReturnCase.REASONS, one.reason()));
    }

    private void addHandover(Handover one) {
        count("handovers", one.handedOverOn(), kind, Handover.REASONS[one.reason()]);
    }

    private void addOrder(TravelOrder one) {
        count("travel_orders", one.orderedOn(), kind);
        if (one.cancelledOn() != NONE) {
            count("travel_orders_cancelled", one.orderedOn(), kind);
        }
    }

    private void addEnforcementCase(EnforcementCase one) {
        String basis = one.basis().label;
        count("enforcement_cases_opened", one.openedOn(), kind, basis);
        count("enforcement_cases_closed", one.closedOn(), kind, basis, label(EnforcementCase.REASONS, one.reason()));
        if (one.basis() == Basis.HANDOVER) {
            count("enforcement_cases_received", one.openedOn(), kind, handoverReason(one));
            String country = decision.destinationCountries().isEmpty()
                    ? decision.homeCountry()
                    : decision.destinationCountries().get(0);
            count("enforcement_cases_received_by_country", one.openedOn(), kind, orUnknown(country));
        }
        boolean incoming = one.basis() == Basis.COURT_EXPULSION || one.basis() == Basis.RE_ENCOUNTER;
        if (incoming && kind.equals("court_expulsion")) {
            count("court_expulsions_incoming", one.openedOn());
            stock("court_expulsions_open", one);
            stock("court_expulsions_open_by_country", one, orUnknown(decision.homeCountry()));
        }
    }

    /** That of the latest handover on or before the case was opened, else of the earliest. */
    private String handoverReason(EnforcementCase received) {
        Handover earliest = null;
        Handover latest = null;
        for (Handover one : handovers) {
            if (earliest == null || handedOverBefore(one, earliest)) {
                earliest = one;
            }
            if (one.handedOverOn() <= received.openedOn() && (latest == null || handedOverBefore(latest, one))) {
                latest = one;
            }
        }
        Handover explaining = latest != null ? latest : earliest;
        return explaining == null ? "unknown" : Handover.REASONS[explaining.reason()];
    }

    private static boolean handedOverBefore(Handover one, Handover other) {
        int order = Integer.compare(one.handedOverOn(), other.handedOverOn());
        return (order != 0 ? order : one.head().recordId().compareTo(other.head().recordId())) < 0;
    }

    // Exits

    private List<Exit> judge(List<Row.Event> registrations) {
        TreeSet<Integer> episodes = new TreeSet<>(List.of(decision.decidedOn()));
        int policeSince = Integer.MAX_VALUE;
        for (EnforcementCase one : enforcementCases) {
            policeSince = Math.min(policeSince, one.openedOn());
            if (one.basis() == Basis.RE_ENCOUNTER) {
                episodes.add(one.openedOn());
            }
        }
        for (Handover one : handovers) {
            policeSince = Math.min(policeSince, one.handedOverOn());
        }
        List<Exit> exits = new ArrayList<>(registrations.size());
        for (Row.Event event : registrations) {
            ExitRegistration record = (ExitRegistration) event.record();
            String registeredBy = event.topic() == Topic.AGENCY_EXIT ? AGENCY : POLICE;
            Integer begun = episodes.floor(record.exitOn());
            exits.add(new Exit(
                    record,
                    registeredBy,
                    begun != null ? begun : episodes.first(),
                    destination(record),
                    authority(record, registeredBy, policeSince),
                    inAccordance(record),
                    enforceable(record)));
        }
        return exits;
    }

    private String destination(ExitRegistration record) {
        if (record.country() == null) {
            return "unknown";
        }
        if (Territory.inTerritory(record.country(), record.exitOn())) {
            return "eu_country";
        }
        return record.country().equals(decision.homeCountry()) ? "home_country" : "third_country";
    }

    private String authority(ExitRegistration record, String registeredBy, int policeSince) {
        if (!kind.equals("removal") && !kind.equals("dublin")) {
            return POLICE;
        }
        if (record.authority() != NONE) {
            return ExitRegistration.AUTHORITIES[record.authority()];
        }
        return registeredBy.equals(POLICE) || policeSince <= record.exitOn() ? POLICE : AGENCY;
    }

    private boolean inAccordance(ExitRegistration record) {
        if (record.country() == null) {
            return record.evidence() == ExitRegistration.SIS;
        }
        return decision.destinationCountries().contains(record.country())
                || decision.residenceCountries().contains(record.country())
                || !Territory.inSchengen(record.country(), record.exitOn());
    }

    private boolean enforceable(ExitRegistration record) {
        boolean isFinal = decision.finalOn() != NONE && decision.finalOn() <= record.exitOn();
        return isFinal || decision.immediateEnforcement() || decision.withdrawnApplication();
    }

    private void addExits(List<Exit> exits) {
        if (!kind.equals("removal")) {
            addConsidered(ALL, exits);
            return;
        }
        List<Exit> upTo2023 = new ArrayList<>(exits.size());
        List<Exit> from2024 = new ArrayList<>(exits.size());
        for (Exit exit : exits) {
            if (exit.enforceable) {
                upTo2023.add(exit);
            }
            if (exit.registeredBy.equals(AGENCY)) {
                from2024.add(exit);
            }
            if (!exit.inAccordance && !exit.byTaxAgency()) {
                count("exits_not_in_accordance", exit.record.head().registeredOn(), exit.registeredBy);
            }
        }
        addConsidered(UP_TO_2023, upTo2023);
        addConsidered(FROM_2024, from2024);
    }

    /** Per episode at most one exit, never on the word of the Tax Agency alone. */
    private void addConsidered(int editions, List<Exit> considered) {
        Map<Integer, List<Exit>> episodes = new LinkedHashMap<>();
        for (Exit exit : considered) {
            episodes.computeIfAbsent(exit.episode, day -> new ArrayList<>(2)).add(exit);
        }
        for (List<Exit> registrations : episodes.values()) {
            Exit seen = null;
            for (Exit exit : registrations) {
                if (!exit.byTaxAgency() && (seen == null || PREFERENCE.compare(exit, seen) < 0)) {
                    seen = exit;
                }
            }
            if (seen != null) {
                if (seen.inAccordance || !kind.equals("removal")) {
                    addCounted(editions, seen);
                }
            } else if (kind.equals("removal") || kind.equals("dublin")) {
                Exit first = Collections.min(registrations, EARLIER);
                count(editions, "exits_tax_agency_indicated", first.record.exitOn(), first.authority);
            }
        }
    }

    private void addCounted(int editions, Exit exit) {
        int day = exit.record.exitOn();
        switch (kind) {
            case "removal" -> count(editions, "exits_removal", day, exit.authority, exit.destination);
            case "dublin" -> {
                count(editions, "exits_dublin", day, exit.authority, exit.destination);
                count(editions, "dublin_days_to_exit", day, exit.authority);
                List<String> dims = List.of(exit.authority);
                Cell sum = new Cell("dublin_days_to_exit", yearOf(day), dims, "sum");
                found.add(new Contribution(editions, sum, day - decision.decidedOn()));
            }
            case "refusal" -> {
                String manner = label(ExitRegistration.MANNERS, exit.record.manner());
                count(editions, "refusals_enforced", day, manner);
                if (decision.criminalActor()) {
                    int month = LocalDate.ofEpochDay(day).getMonthValue();
                    count(editions, "criminal_actors_refused", day, MONTHS[month - 1]);
                }
            }
            case "court_expulsion" -> count(editions, "court_expulsions_enforced", day);
            default -> {}
        }
        if (yearOf(exit.record.head().registeredOn()) > yearOf(day)) {
            count(editions, "exits_late_registered", day, kind, exit.authority);
        }
        count(editions, "exits_by_country", day, kind, exit.authority, orUnknown(exit.record.country()));
    }

    // Cells

    private void count(String measure, int day, String... dims) {
        count(ALL, measure, day, dims);
    }

    private void count(int editions, String measure, int day, String... dims) {
        if (day != NONE) {
            add(editions, measure, yearOf(day), 1, dims);
        }
    }

    private void stock(String measure, EnforcementCase one, String... dims) {
        int opened = yearOf(one.openedOn());
        int closed = one.closedOn() == NONE ? Integer.MAX_VALUE : yearOf(one.closedOn());
        if (closed > opened) {
            add(ALL, measure, opened, 1, dims);
            if (one.closedOn() != NONE) {
                add(ALL, measure, closed, -1, dims);
            }
        }
    }

    private void add(int editions, String measure, int year, int amount, String... dims) {
        found.add(new Contribution(editions, new Cell(measure, year, List.of(dims), ""), amount));
    }

    private static int yearOf(int day) {
        return LocalDate.ofEpochDay(day).getYear();
    }

    private static String label(String[] labels, int choice) {
        return choice == NONE ? "unknown" : labels[choice];
    }

    private static String orUnknown(String text) {
        return text == null ? "unknown" : text;
    }
}
